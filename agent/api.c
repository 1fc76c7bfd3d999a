/* SPDX-License-Identifier: Apache-2.0
 *
 * api.c - the table of routes, and what all handlers share
 *
 * A pattern's '*' stands for one part of the path. No part ever reaches the file system: ids
 * and file names are looked up in what the agent knows.
 */
#include "api.h"

#include <string.h>

struct route {
	const char *method, *pattern;
	api_handler *handler;
};

static const struct route routes[] = {
	{ "GET", "/v1/info", api_get_info },
	{ "GET", "/v1/time", api_get_time },
	{ "GET", "/v1/targets", api_get_targets },
	{ "GET", "/v1/captures", api_get_captures },
	{ "POST", "/v1/captures", api_post_captures },
	{ "GET", "/v1/captures/*", api_get_capture },
	{ "DELETE", "/v1/captures/*", api_delete_capture },
	{ "POST", "/v1/captures/*/renew", api_post_renew },
	{ "POST", "/v1/captures/*/stop", api_post_stop },
	{ "GET", "/v1/captures/*/files/*", api_get_file },
	{ "GET", "/v1/captures/*/files/*/sum", api_get_sum },
	{ "GET", "/v1/captures/*/stream", api_get_stream },
	{ "GET", "/metrics", api_get_metrics },
};

/* One part of a path, and what follows its slash. */
static size_t part(const char *p)
{
	return strcspn(p, "/");
}

static bool keep_part(struct api_request *q, const char *p, size_t n, size_t number)
{
	char *to = number ? q->name : q->id;

	if (!n || n >= API_PART_MAX || number > 1)
		return false;
	memcpy(to, p, n);
	to[n] = '\0';
	return true;
}

static bool matches(struct api_request *q, const char *pattern)
{
	const char *path = q->path;
	size_t open = 0;

	while (*pattern == '/' && *path == '/') {
		size_t m = part(++pattern), n = part(++path);

		if (m == 1 && *pattern == '*') {
			if (!keep_part(q, path, n, open++))
				return false;
		} else if (m != n || memcmp(pattern, path, n)) {
			return false;
		}
		pattern += m;
		path += n;
	}
	return !*pattern && !*path;
}

static void dispatch(struct api_request *q, struct api_answer *a)
{
	bool known = false;

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		if (!matches(q, routes[i].pattern))
			continue;
		known = true;
		if (!strcmp(q->method, routes[i].method)) {
			routes[i].handler(q, a);
			return;
		}
	}
	if (known)
		api_fail(a, MHD_HTTP_METHOD_NOT_ALLOWED, "bad-method",
			 "this path has no such method");
	else
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", "no such path");
}

static struct MHD_Response *encode(struct api_answer *a)
{
	struct MHD_Response *r;
	char *text;

	if (a->response)
		return a->response;
	if (!a->json)
		return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
	text = jx_dump(a->json);
	r = MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
	return r;
}

static enum MHD_Result send_answer(struct api_request *q, struct api_answer *a)
{
	struct MHD_Response *r = encode(a);
	enum MHD_Result result;

	MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	metrics_count_request(q->env->metrics, a->status);
	result = MHD_queue_response(q->connection, a->status, r);
	MHD_destroy_response(r);
	json_decref(a->json);
	return result;
}

enum MHD_Result api_answer(struct api_request *q)
{
	struct api_answer a = { .status = MHD_HTTP_OK };

	dispatch(q, &a);
	return send_answer(q, &a);
}

enum MHD_Result api_refuse(struct api_request *q, unsigned status, const char *code,
			   const char *message)
{
	struct api_answer a = { 0 };
	struct MHD_Response *r;

	api_fail(&a, status, code, message);
	r = encode(&a);
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONNECTION, "close");
	a.response = r;
	return send_answer(q, &a);
}

void api_sent(struct api_request *q)
{
	if (q->file_of && q->to_end)
		capture_served(q->file_of, q->name);
}

void api_release(struct api_request *q)
{
	capture_unref(q->file_of);
	buf_release(&q->body);
	free(q->path);
	free(q);
}

void api_fail(struct api_answer *a, unsigned status, const char *code, const char *message)
{
	json_decref(a->json);
	a->status = status;
	a->json = wire_error_encode(code, message);
}

json_t *api_body(struct api_request *q, struct api_answer *a)
{
	cleanup_json json_t *j = NULL;
	struct err err = ERR_INIT;

	if (q->too_large) {
		api_fail(a, MHD_HTTP_CONTENT_TOO_LARGE, "too-large", "the body is too large");
		return NULL;
	}
	if (jx_parse(q->body.data, q->body.len, "body", &j, &err)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request", err.text);
		return NULL;
	}
	if (!json_is_object(j)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request", "the body is no JSON object");
		return NULL;
	}
	return take_ptr(&j);
}

struct capture *api_find(struct api_request *q, struct api_answer *a)
{
	struct capture *c = names_is_id(q->id) ? captures_find(q->env->captures, q->id) : NULL;

	if (!c)
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", "no such capture on this node");
	return c;
}
