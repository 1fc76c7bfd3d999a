/* SPDX-License-Identifier: Apache-2.0
 *
 * api_capture.c - arm, look, renew, stop, remove
 */
#include "api.h"
#include "log.h"

#include <errno.h>
#include <string.h>

#define IDLE_S 60	/* a coordinator's connection may be silent for so long */

/* True for NULL. */
static bool check_filter(const char *filter, struct api_answer *a)
{
	struct err err = ERR_INIT;

	if (!filter)
		return true;
	if (filter_has_names(filter)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-filter",
			 "an agent resolves no names: send addresses");
		return false;
	}
	if (filter_check(filter, &err)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-filter", err.text);
		return false;
	}
	return true;
}

/* The decoded request is good, and meant for us: true. Else *a says why not. */
static bool check_arm(struct api_request *q, const struct wire_arm *arm, struct api_answer *a)
{
	const struct node *n = q->env->node;
	cleanup_free char *other = NULL;

	if (strcmp(arm->node_id, n->id)) {
		other = xasprintf("this is node %s (%s), the request is for %s", n->id, n->name,
				  arm->node_id);
		api_fail(a, MHD_HTTP_CONFLICT, "wrong-node", other);
		return false;
	}
	if (!check_filter(arm->filter, a))
		return false;
	for (size_t i = 0; i < arm->n_targets; i++)
		if (!check_filter(arm->targets[i].filter, a))
			return false;
	if (arm->live && (!arm->attached || arm->format != WIRE_PCAPNG)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request",
			 "a live capture is attached, and its format is pcapng");
		return false;
	}
	if ((arm->attached && arm->lease_ms < 1) || arm->lease_ms < 0 ||
	    arm->lease_ms > CAPTURE_LEASE_MAX_MS) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request", "lease_ms is out of range");
		return false;
	}
	return true;
}

static bool decode_arm(struct api_request *q, struct wire_arm *arm, struct api_answer *a)
{
	cleanup_json json_t *j = api_body(q, a);
	struct err err = ERR_INIT;

	if (!j)
		return false;
	if (jx_int(j, "version", -1) != 1) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-version", "this agent speaks version 1");
		return false;
	}
	if (wire_arm_decode(j, arm, &err)) {
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request", err.text);
		return false;
	}
	return check_arm(q, arm, a);
}

static void log_arm(const struct api_request *q, struct capture *c, int64_t took_ns)
{
	struct capture_facts f;

	capture_facts(c, &f);
	log_info("arm %s: %zu targets capturing after %lld ms (peer %s)", capture_id(c),
		 f.targets_armed, (long long)(took_ns / NS_PER_MS), q->peer);
}

static void fail_arm(struct api_answer *a, int result, const struct err *err)
{
	static const struct {
		int result;
		unsigned status;
		const char *code;
	} table[] = {
		{ CAPTURES_E_EXISTS, MHD_HTTP_CONFLICT, "exists" },
		{ CAPTURES_E_TOO_MANY, MHD_HTTP_TOO_MANY_REQUESTS, "too-many" },
		{ CAPTURES_E_QUOTA, MHD_HTTP_INSUFFICIENT_STORAGE, "quota" },
		{ CAPTURES_E_FLOOR, MHD_HTTP_INSUFFICIENT_STORAGE, "disk-floor" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].result == result) {
			api_fail(a, table[i].status, table[i].code, err->text);
			return;
		}
	api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err->text);
}

static void body_digest(const struct api_request *q, char hex[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, q->body.data, q->body.len);
	digest_end(d, hex);
}

void api_post_captures(struct api_request *q, struct api_answer *a)
{
	int64_t start = clock_mono_ns();
	struct wire_arm arm = { 0 };
	struct capture *c = NULL;
	struct err err = ERR_INIT;
	char digest[DIGEST_HEX];
	int r;

	MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_S);
	if (!decode_arm(q, &arm, a)) {
		wire_arm_release(&arm);
		return;
	}
	body_digest(q, digest);
	r = captures_arm(q->env->captures, &arm, digest, &c, &err);
	wire_arm_release(&arm);
	if (!c) {
		fail_arm(a, r, &err);
		log_info("arm refused: %s (peer %s)", err.text, q->peer);
		return;
	}
	a->status = r ? MHD_HTTP_OK : MHD_HTTP_CREATED;
	a->json = capture_report(c, CAPTURE_VIEW_TOKEN);
	log_arm(q, c, clock_mono_ns() - start);
	capture_unref(c);
}

void api_get_captures(struct api_request *q, struct api_answer *a)
{
	json_t *list = json_array();
	size_t n;
	struct capture **all = captures_all(q->env->captures, &n);

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, capture_report(all[i], CAPTURE_VIEW_BRIEF));
	captures_give_back(all, n);
	a->json = json_pack("{s:o}", "captures", list);
}

void api_get_capture(struct api_request *q, struct api_answer *a)
{
	const char *files = MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "files");
	bool counters = files && !strcmp(files, "no");
	struct capture *c = api_find(q, a);

	if (!c)
		return;
	a->json = capture_report(c, counters ? CAPTURE_VIEW_COUNTERS : CAPTURE_VIEW_FULL);
	capture_unref(c);
}

void api_post_renew(struct api_request *q, struct api_answer *a)
{
	cleanup_json json_t *j = api_body(q, a);
	struct capture *c = j ? api_find(q, a) : NULL;

	MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_S);
	if (!c)
		return;
	if (capture_renew(c, jx_str(j, "token", ""), jx_int(j, "window_start_ns", 0)))
		api_fail(a, MHD_HTTP_FORBIDDEN, "bad-token", "not the token that arm returned");
	else
		a->json = capture_report(c, CAPTURE_VIEW_COUNTERS);
	capture_unref(c);
}

void api_post_stop(struct api_request *q, struct api_answer *a)
{
	cleanup_json json_t *j = api_body(q, a);
	const char *reason = jx_str(j, "reason", "stopped");
	bool duration = !strcmp(reason, "duration");
	struct capture *c;

	if (j && !duration && strcmp(reason, "stopped"))
		api_fail(a, MHD_HTTP_BAD_REQUEST, "bad-request", "reason is duration or stopped");
	c = j && !a->json ? api_find(q, a) : NULL;
	if (!c)
		return;
	capture_set_window_stop(c, jx_int(j, "window_stop_ns", 0));
	capture_stop(c, duration ? WIRE_END_DURATION : WIRE_END_STOPPED, NULL);
	capture_wait(c);
	a->json = capture_report(c, CAPTURE_VIEW_FULL);
	log_info("stop %s: %s (peer %s)", capture_id(c), reason, q->peer);
	capture_unref(c);
}

void api_delete_capture(struct api_request *q, struct api_answer *a)
{
	struct capture *c = api_find(q, a);
	struct err err = ERR_INIT;
	int r;

	if (!c)
		return;
	r = captures_remove(q->env->captures, capture_id(c), &err);
	if (r == -ENOENT)
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", err.text);
	else if (r)
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
	else
		a->status = MHD_HTTP_NO_CONTENT;
	log_info("rm %s%s%s (peer %s)", capture_id(c), r ? ": " : "", r ? err.text : "", q->peer);
	capture_unref(c);
}
