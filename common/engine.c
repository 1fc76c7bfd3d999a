/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.c - the Docker Engine's API: one connection, version negotiated
 *
 * Where the engine is has been decided before (endpoint.h); how it is reached over ssh is a
 * dialer's business.
 */
#include "engine.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "http.h"

#define VERSION_MIN 1041		/* major * 1000 + minor */
#define VERSION_MAX 1044
#define MESSAGE_MAX 1000		/* bytes of the engine's own words that are shown */
#define QUERY_MAX (1u << 20)

struct engine {
	struct http *http;
	char *host;
	char version[16];
};

/* ---- its version ---- */

/* "1.41" as 1041, 0 for anything else. */
static int version_number(const char *text)
{
	unsigned int major, minor;
	char rest;

	if (!isdigit((unsigned char)*text))
		return 0;
	if (sscanf(text, "%3u.%3u%c", &major, &minor, &rest) != 2)
		return 0;
	return (int)(major * 1000 + minor);
}

/* wanted: what is used whatever is offered, or NULL. */
static int negotiate(struct engine *e, const char *wanted, const char *offered, struct err *err)
{
	int version = version_number(offered);

	if (!wanted)
		wanted = "";
	wanted += *wanted == 'v';
	if (*wanted && !version_number(wanted))
		return err_set(err, -EINVAL, "DOCKER_API_VERSION is no version: '%s'", wanted);
	if (*wanted) {
		snprintf(e->version, sizeof(e->version), "%s", wanted);
		return 0;
	}

	if (!version)
		return err_set(err, -EPROTO,
			       "what answers at %s is not Docker: it does not say its API "
			       "version",
			       e->host);
	if (version < VERSION_MIN)
		return err_set(err, -EPROTONOSUPPORT,
			       "Docker at %s is too old: its API ends at %s, "
			       "1.41 is needed (Docker 20.10)",
			       e->host, offered);
	if (version > VERSION_MAX)
		version = VERSION_MAX;
	snprintf(e->version, sizeof(e->version), "%d.%d", version / 1000, version % 1000);
	return 0;
}

static int ping_failed(const struct engine *e, int rc, const struct err *why, struct err *err)
{
	const char *host = e->host;

	if (rc == -ENOENT)
		return err_set(err, rc,
			       "cannot reach Docker at %s: no such socket; is Docker running? "
			       "(or name another with -H)",
			       host);
	if (rc == -EACCES)
		return err_set(err, rc,
			       "cannot reach Docker at %s: permission denied; run as root or "
			       "join the group docker",
			       host);
	if (rc == -ECONNREFUSED)
		return err_set(err, rc,
			       "cannot reach Docker at %s: nobody listens there; is Docker "
			       "running? (or name another with -H)",
			       host);
	return err_set(err, rc, "cannot reach Docker at %s: %s", host, why->text);
}

static int ping(struct engine *e, const char *wanted, struct err *err)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct err why = ERR_INIT;
	int rc = http_call(e->http, "GET", "/_ping", NULL, &reply, &why);

	if (rc == 0 && reply.status != 200) {
		engine_decode_error(reply.status, reply.body.data, reply.body.len, &why);
		rc = -EIO;
	}
	if (rc < 0)
		return ping_failed(e, rc, &why, err);

	return negotiate(e, wanted, reply.api_version, err);
}

int engine_open(struct engine **out, const struct endpoint *at, const struct http_dialer *dialer,
		struct err *err)
{
	struct http_endpoint to = {
		.dialer = dialer, .headers = at->headers,
		.unix_path = at->kind == ENDPOINT_TCP ? NULL : at->path,
	};
	struct engine *e;
	int rc;

	if (at->kind == ENDPOINT_SSH && !dialer)
		return err_set(err, -EPROTONOSUPPORT, "cannot reach Docker at %s: ssh is not "
			       "spoken here", at->url);
	if (at->kind == ENDPOINT_TCP) {
		to.host = at->host;
		to.port = at->port;
		to.base_path = at->path;
		to.tls = at->tls;
		to.tls_insecure = !at->tls_verify;
		to.ca_file = at->tls ? at->ca_file : NULL;
		to.cert_file = at->tls ? at->cert_file : NULL;
		to.key_file = at->tls ? at->key_file : NULL;
	}

	e = xcalloc(1, sizeof(*e));
	e->host = xstrdup(at->url);
	rc = http_new(&e->http, &to, err);
	if (rc == 0)
		rc = ping(e, at->api_version, err);
	if (rc < 0) {
		engine_close(e);
		return rc;
	}
	*out = e;
	return 0;
}

int engine_open_host(struct engine **out, const char *host, struct err *err)
{
	cleanup_endpoint struct endpoint at = ENDPOINT_INIT;
	int rc = endpoint_parse(&at, host, false, err);

	return rc < 0 ? rc : engine_open(out, &at, NULL, err);
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	http_free(e->http);
	free(e->host);
	free(e);
}

const char *engine_version(const struct engine *e)
{
	return e->version;
}

const char *engine_host(const struct engine *e)
{
	return e->host;
}

/* ---- calls ---- */

static void add_message(const char *body, size_t len, struct buf *out)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *text = NULL;
	const char *message;

	if (jx_parse(body, len, "the answer", &j, NULL) < 0)
		return;
	message = jx_str(j, "message", "");
	text = strndup(message, MESSAGE_MAX);
	if (text)
		buf_add_safe(out, text);
}

int engine_decode_error(long status, const char *body, size_t len, struct err *err)
{
	cleanup_buf struct buf message = BUF_INIT(4 * MESSAGE_MAX);

	add_message(body, len, &message);
	if (!message.len)
		buf_addf(&message, "status %ld", status);
	err_set(err, status == 401 || status == 403 ? -EACCES : -EIO, "Docker answered: %s",
		message.data);

	if (status == 404)
		return ENGINE_E_NOT_FOUND;
	if (status == 400 && strstr(message.data, " is ambiguous ("))
		return ENGINE_E_AMBIGUOUS;
	if (status == 503)
		return ENGINE_E_NOT_MANAGER;
	if (status == 409)
		return ENGINE_E_CONFLICT;
	return status == 401 || status == 403 ? -EACCES : -EIO;
}

static int decode_reply(const struct http_reply *reply, const char *const *fields, json_t **out,
			struct err *err)
{
	const struct buf *body = &reply->body;

	if (reply->status < 200 || reply->status > 299)
		return engine_decode_error(reply->status, body->data, body->len, err);
	if (!out)
		return 0;
	if (body->len == 0) {
		*out = json_null();
		return 0;
	}
	if (fields)
		return jx_parse_some(body->data, body->len, fields, "Docker's answer", out, err);
	return jx_parse(body->data, body->len, "Docker's answer", out, err);
}

/* What is asked, and what of the answer is wanted. */
struct question {
	const char *method, *path;
	const json_t *body;
	const char *const *fields;
};

static int ask(struct engine *e, const struct question *q, json_t **out, struct err *err)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	cleanup_free char *versioned = xasprintf("/v%s%s", e->version, q->path);
	cleanup_free char *text = q->body ? jx_dump(q->body) : NULL;
	struct err why = ERR_INIT;
	int rc = http_call(e->http, q->method, versioned, text, &reply, &why);

	if (rc < 0)
		return err_set(err, rc, "lost Docker at %s: %s", e->host, why.text);
	return decode_reply(&reply, q->fields, out, err);
}

int engine_send(struct engine *e, const char *method, const char *path, const json_t *body,
		json_t **out, struct err *err)
{
	return ask(e, &(struct question){ .method = method, .path = path, .body = body }, out, err);
}

int engine_get(struct engine *e, const char *path, json_t **out, struct err *err)
{
	return engine_send(e, "GET", path, NULL, out, err);
}

int engine_get_some(struct engine *e, const char *path, const char *const *fields, json_t **out,
		    struct err *err)
{
	return ask(e, &(struct question){ .method = "GET", .path = path, .fields = fields }, out, err);
}

/* ---- what it is ---- */

/* Entries are "name=seccomp,profile=default"; before 17.09 "seccomp". */
static bool has_security(const json_t *info, const char *name)
{
	const json_t *one;
	size_t i;

	json_array_foreach(jx_get(info, "SecurityOptions"), i, one) {
		const char *text = json_string_value(one);
		size_t n = strlen(name);

		if (text && str_starts(text, "name="))
			text += strlen("name=");
		if (text && str_starts(text, name) && (!text[n] || text[n] == ','))
			return true;
	}
	return false;
}

int engine_check_info(const json_t *info, struct err *err)
{
	if (!has_security(info, "rootless"))
		return 0;
	return err_set(err, -EOPNOTSUPP, "this Docker is rootless: it has no overlays, and its "
		       "containers' networks are out of reach; name one that runs as root (-H)");
}

/* ---- texts of URLs ---- */

char *engine_escape(const char *segment)
{
	struct buf b = BUF_INIT(3 * QUERY_MAX);

	for (const char *s = segment; *s; s++) {
		if (isalnum((unsigned char)*s) || strchr("-_.~", *s))
			buf_add(&b, s, 1);
		else
			buf_addf(&b, "%%%02X", (unsigned char)*s);
	}
	return buf_take(&b);
}

static void add_filter(json_t *filters, const char *key, const char *value)
{
	json_t *values = json_object_get(filters, key);

	if (!values) {
		values = json_array();
		json_object_set_new(filters, key, values);
	}
	json_array_append_new(values, jx_text(value));
}

char *engine_filters(const char *key, const char *value, ...)
{
	cleanup_json json_t *filters = json_object();
	cleanup_free char *text = NULL, *escaped = NULL;
	va_list ap;

	va_start(ap, value);
	while (key && value) {
		add_filter(filters, key, value);
		key = va_arg(ap, const char *);
		value = key ? va_arg(ap, const char *) : NULL;
	}
	va_end(ap);

	text = jx_dump(filters);
	escaped = engine_escape(text);
	return xasprintf("filters=%s", escaped);
}
