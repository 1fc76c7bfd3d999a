/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoint.h - where a Docker Engine is: host strings as the docker CLI understands them; pure
 *
 *	unix:///path		the default is /var/run/docker.sock
 *	tcp://host[:port][/base]	2375; 2376 with TLS and no host; a host without scheme is tcp
 *	ssh://[user@]host[:port][/path/of/the/socket]
 *
 * After docker/cli's opts.ParseHost (20.10 to 29); fd:// and npipe:// are refused in words.
 * Which host is meant (options, environment, contexts) is decided by coordinator/context.h.
 */
#ifndef ENDPOINT_H
#define ENDPOINT_H

#include "err.h"

#define ENDPOINT_SOCKET "/var/run/docker.sock"
#define ENDPOINT_HEADERS_MAX 64

enum endpoint_kind { ENDPOINT_UNIX, ENDPOINT_TCP, ENDPOINT_SSH };

struct endpoint {
	enum endpoint_kind kind;
	char *url;			/* for people, and as docker prints it */
	char *context;			/* "default", or the context's name */
	char *path;			/* unix, ssh: the socket's, never NULL; tcp: base path or "" */
	char *host;			/* tcp, ssh: without brackets */
	char *user;			/* ssh: NULL when not given */
	uint16_t port;			/* ssh: 0 when not given */
	bool tls, tls_verify;		/* tcp only; TLS 1.2 or later */
	char *ca_file, *cert_file, *key_file;	/* NULL: none */
	char **headers;			/* "Name: value", sent with every request; NULL-terminated, or NULL */
	char *api_version;		/* "1.41": no negotiation; NULL: negotiate */
};

#define ENDPOINT_INIT { 0 }
#define cleanup_endpoint cleanup(endpoint_release)

/*
 * host: NULL or "" is the default (tcp://localhost:2376 with tls). -EINVAL: cannot be understood;
 * -EPROTONOSUPPORT: a kind that docker has and we have not. Sets kind, url, path, host, user, port.
 */
int endpoint_parse(struct endpoint *out, const char *host, bool tls, struct err *err);
void endpoint_release(struct endpoint *e);

#endif
