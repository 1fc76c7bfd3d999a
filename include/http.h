/* SPDX-License-Identifier: Apache-2.0
 *
 * http.h - an HTTP/1.1 client with one kept-alive connection (libcurl)
 *
 * Used for the Engine (unix socket) and for agents (mutual TLS 1.3, or unix socket). One
 * struct http belongs to one thread at a time. Proxies from the environment never apply.
 *
 *	struct http *h = NULL;
 *	http_new(&h, &endpoint, err);
 *	http_call(h, "GET", "/v1/info", NULL, 0, &reply, err);	any status is success here
 *	http_reply_release(&reply);
 *	http_free(h);
 */
#ifndef HTTP_H
#define HTTP_H

#include "buf.h"
#include "err.h"

#define HTTP_BODY_MAX (64u << 20)	/* of any answer read into memory */

/* Who makes connected stream sockets instead of curl: a tunnel, a process' pipes. */
struct http_dialer {
	/*
	 * A new connected socket, the caller's to keep; or -errno with err, which becomes the
	 * call's own result. Any thread may call; nobody bounds its time but itself.
	 */
	int (*dial)(void *arg, struct err *err);
	void *arg;
};

struct http_endpoint {
	/* Copied; or NULL: connect by the fields below. With one, host is a name for people. */
	const struct http_dialer *dialer;
	const char *unix_path;		/* a unix socket (at most 107 bytes), or NULL */
	const char *host;		/* else an address: 10.99.0.11 or fd00::1, no brackets */
	uint16_t port;
	/* mutual TLS 1.3 when ca_file is set; PEM files; the name is checked, not the address */
	const char *ca_file, *cert_file, *key_file, *server_name;
	/*
	 * TLS 1.2 or later to an Engine instead: the name checked is host, each file may be NULL
	 * (of ca_file: the system's authorities); insecure: whoever answers is believed.
	 */
	bool tls, tls_insecure;
	const char *base_path;		/* "/prefix" before every path; NULL: none */
	char *const *headers;		/* "Name: value", ends with NULL; or NULL */
	long connect_timeout_ms;	/* TCP and TLS handshake; 0: 5000, with a dialer 30000 */
	long timeout_ms;		/* of a whole call; 0: 30000 */
	long stall_timeout_ms;		/* of a fetch that crawls; 0: 15000 */
	volatile bool *cancel;		/* or NULL; true: calls end with -ECANCELED in a second */
};

struct http_reply {
	long status;
	struct buf body;
	char api_version[16];		/* header Api-Version, "" when absent */
	char swarm[32];			/* header Swarm, "" when absent */
};

#define HTTP_REPLY_INIT { 0, BUF_INIT(HTTP_BODY_MAX), "", "" }
#define cleanup_http_reply cleanup(http_reply_release)

void http_reply_release(struct http_reply *r);

struct http;

/* The strings are copied. 0 or -errno. Call curl_global_init early, in main. */
int http_new(struct http **out, const struct http_endpoint *at, struct err *err);
void http_free(struct http *h);

/*
 * One request; body (JSON) may be NULL. Fills reply whatever the status. Errors of the
 * transport: -ECONNREFUSED nobody listens, -ENOENT no such socket, -EACCES no permission on
 * it, -EHOSTUNREACH, -ENETUNREACH, -ETIMEDOUT, -EPROTO TLS or HTTP went wrong (err tells),
 * -EFBIG past the ceiling of reply->body, -ECONNRESET, -EIO.
 */
int http_call(struct http *h, const char *method, const char *path, const char *body,
	      struct http_reply *reply, struct err *err);
/* For this and later calls; 0: as the endpoint said. */
void http_set_timeout(struct http *h, long ms);

/*
 * Of later fetches, not of calls: bytes per second, 0: as fast as they come. We read no faster, the
 * kernel's buffers fill, and the peer waits.
 */
void http_set_fetch_rate(struct http *h, int64_t bytes_per_s);

/* Takes n bytes; 0, or -errno which ends the transfer and is http_fetch's result. */
typedef int http_sink(void *arg, const void *p, size_t n);

/*
 * GET path from byte `from` on (a Range header when from > 0) into sink; memory stays flat.
 * Bytes of a status other than 200/206 are not given to the sink but stand in reply->body
 * (cut at 64 KiB). There is no limit to the whole time; -ETIMEDOUT when under 1 byte/s arrives
 * for stall_timeout_ms, in which waiting for a rate does not count. cancel may be NULL; when it becomes true the transfer ends with -ECANCELED
 * within a second or so.
 */
int http_fetch(struct http *h, const char *path, uint64_t from, http_sink *sink, void *arg,
	       volatile bool *cancel, struct http_reply *reply, struct err *err);
/* The same from the beginning, of what may stand still for as long as it likes; the sink may wait. */
int http_stream(struct http *h, const char *path, http_sink *sink, void *arg,
		volatile bool *cancel, struct http_reply *reply, struct err *err);

#endif
