/* SPDX-License-Identifier: Apache-2.0
 *
 * http_transfer.h - the inside of http.c: one request while it runs
 *
 * The callbacks see a struct http_transfer. One that ends the transfer leaves its errno in rc;
 * curl only reports that somebody did. http_transfer_error makes the sentence of both kinds.
 */
#ifndef HTTP_TRANSFER_H
#define HTTP_TRANSFER_H

#include <curl/curl.h>

#include "http.h"

struct http {
	CURL *curl;
	struct http_dialer dialer;	/* dial is NULL: curl connects */
	int dialed;			/* -errno of the last dial, and why */
	struct err dial_err;
	struct curl_slist *connect_to, *headers, *json_headers;
	char *base;			/* of URLs: "https://swarmcap-agent:9473" */
	char *peer;			/* in sentences: "10.99.0.13:9473" */
	long connect_timeout_ms, endpoint_timeout_ms, timeout_ms, stall_timeout_ms;
	volatile bool *cancel;		/* of calls, may be NULL */
	int64_t fetch_rate;		/* bytes per second, 0: no limit */
	char words[CURL_ERROR_SIZE];
};

struct http_transfer {
	struct http *http;
	struct http_reply *reply;
	size_t header_bytes;
	int rc;				/* why a callback ended it */
	/* of http_fetch */
	http_sink *sink;
	void *arg;
	volatile bool *cancel;
	uint64_t from, skip;		/* skip: what a server without ranges sends too much */
	size_t refusal_bytes;		/* of the body of an answer that is no file */
	bool body_seen;
	bool endless;			/* it may stand still */
	curl_off_t moved;		/* bytes at moved_ns, when something moved last */
	int64_t moved_ns;
	int64_t due_ns;			/* monotonic: when all bytes so far may have come, by the rate */
};

/* Of http_dial.c: curl's CURLOPT_OPENSOCKETFUNCTION and CURLOPT_SOCKOPTFUNCTION, for a dialer. */
curl_socket_t http_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to);
int http_on_opened(void *arg, curl_socket_t fd, curlsocktype purpose);
size_t http_on_header(char *line, size_t size, size_t n, void *arg);
size_t http_on_body(char *p, size_t size, size_t n, void *arg);
int http_on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
		     curl_off_t up_now);
/* Of a transfer that failed; returns the errno and fills err. */
int http_transfer_error(const struct http *h, const struct http_transfer *t, CURLcode rc,
			struct err *err);

#endif
