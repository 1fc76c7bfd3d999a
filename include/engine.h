/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.h - the Docker Engine's API: one connection, version negotiated
 *
 * engine_open connects, asks /_ping and takes min(1.44, the server's maximum); a server
 * that ends below 1.41 is refused (facts: 1.41 is Docker 20.10; CapAdd of services and job
 * modes need it). The endpoint's api_version, when set, is used as it is. No environment is read.
 *
 * Results of a call: 0; a negative errno with err filled with what the engine said; or a
 * positive condition, with err filled too so that a caller without a better word may print
 * it (err.code then holds -EIO):
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "endpoint.h"
#include "err.h"
#include "http.h"
#include "jx.h"

#define ENGINE_E_NOT_FOUND 1	/* 404 */
#define ENGINE_E_AMBIGUOUS 2	/* 400 "... is ambiguous (N matches found)" */
#define ENGINE_E_NOT_MANAGER 3	/* 503: a worker, or no Swarm at all */
#define ENGINE_E_CONFLICT 4	/* 409 */

#define ENGINE_DEFAULT_HOST "unix:///var/run/docker.sock"

struct engine;

/*
 * dialer: makes the connections, as an ssh endpoint needs it; NULL: direct. -ENOENT: no socket
 * there (no Docker); -EACCES: no permission on it; -ECONNREFUSED: no engine behind it;
 * -EPROTONOSUPPORT: ssh without a dialer, or too old. Each with a sentence that says what to do.
 */
int engine_open(struct engine **out, const struct endpoint *at, const struct http_dialer *dialer,
		struct err *err);
/* host: as endpoint.h has it, without TLS; NULL or "" is ENGINE_DEFAULT_HOST. */
int engine_open_host(struct engine **out, const char *host, struct err *err);
void engine_close(struct engine *e);
const char *engine_version(const struct engine *e);	/* of the API, "1.41" */
const char *engine_host(const struct engine *e);

/* path without version: "/tasks?filters=...". New reference in *out. */
int engine_get(struct engine *e, const char *path, json_t **out, struct err *err);
/* Of a long answer what `fields` lead to (jx_parse_some). */
int engine_get_some(struct engine *e, const char *path, const char *const *fields, json_t **out,
		    struct err *err);
/* body is borrowed and may be NULL; out may be NULL. method: POST, DELETE. */
int engine_send(struct engine *e, const char *method, const char *path, const json_t *body,
		json_t **out, struct err *err);
/*
 * The answer of /info: -EOPNOTSUPP with what to do when the Engine is rootless. It has no overlays, and its
 * namespaces belong to its user.
 */
int engine_check_info(const json_t *info, struct err *err);
/*
 * {"service":["x"],"desired-state":["running"]} URL-encoded as "filters=..."; the pairs end with
 * NULL, a key may come again. Free it.
 */
char *engine_filters(const char *key, const char *value, ...) __attribute__((sentinel));
/* Percent-encodes one path segment. Free it. */
char *engine_escape(const char *segment);

/* The answer of a failed call as one of the conditions above, for tests with recorded answers. */
int engine_decode_error(long status, const char *body, size_t len, struct err *err);

#endif
