/* SPDX-License-Identifier: Apache-2.0
 *
 * link.c - one agent: its API as functions
 *
 * One kept-alive connection, one request at a time. A success is decoded by wire.h, which
 * trusts nothing; everything else becomes a sentence here.
 */
#include "link_parts.h"

#include "version.h"

#include <errno.h>
#include <string.h>

#define PROBES_MAX 64
#define LIST_MAX 4096		/* reports of one node that are looked at */

int link_new(struct link **out, const struct link_place *place, struct err *err)
{
	struct http_endpoint at = { .cancel = place->cancel, .dialer = place->dialer };
	const char *address = place->address;
	struct link *l = xcalloc(1, sizeof(*l));
	int rc;

	if (place->creds) {
		at.host = address;
		at.port = place->port;
		at.ca_file = place->creds->ca_file;
		at.cert_file = place->creds->client_file;
		at.key_file = place->creds->client_key_file;
		at.server_name = SWARMCAP_AGENT_NAME;
		l->peer = xasprintf(strchr(address, ':') ? "[%s]:%u" : "%s:%u", address,
				    place->port);
	} else {
		at.unix_path = place->dialer ? NULL : address;
		at.host = place->dialer ? address : NULL;
		l->peer = xstrdup(address);
	}
	l->at = *place;
	l->at.address = xstrdup(address);
	if (place->dialer) {
		l->dialer = *place->dialer;
		l->at.dialer = &l->dialer;
	}
	rc = http_new(&l->http, &at, err);
	if (rc < 0) {
		link_free(l);
		return rc;
	}
	*out = l;
	return 0;
}

int link_again(struct link **out, const struct link *l, struct err *err)
{
	if (l->ops)
		return err_set(err, -EOPNOTSUPP, "%s is no agent", l->peer);
	return link_new(out, &l->at, err);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	http_free(l->http);
	if (l->ops)
		l->ops->free(l->arg);
	if (l->release)
		l->release(l->release_arg);
	free((char *)l->at.address);
	free(l->peer);
	free(l);
}

void link_on_free(struct link *l, void (*release)(void *arg), void *arg)
{
	l->release = release;
	l->release_arg = arg;
}

struct link *link_wrap(const struct link_ops *ops, void *arg, const char *peer)
{
	struct link *l = xcalloc(1, sizeof(*l));

	l->ops = ops;
	l->arg = arg;
	l->peer = xstrdup(peer);
	return l;
}

void link_set_timeout(struct link *l, long ms)
{
	l->timeout_ms = ms;
	if (l->http)
		http_set_timeout(l->http, ms);
}

void link_set_fetch_rate(struct link *l, int64_t bytes_per_s)
{
	if (l->http)
		http_set_fetch_rate(l->http, bytes_per_s);
}

int link_path(char out[LINK_PATH_MAX], const char *id, const char *rest, struct err *err)
{
	if (!names_is_id(id))
		return err_set(err, -EINVAL, "'%s' is not a capture id", id);
	if (snprintf(out, LINK_PATH_MAX, "/v1/captures/%s%s", id, rest) >= LINK_PATH_MAX)
		return err_set(err, -EINVAL, "too long a path of an agent: '%s'", rest);
	return 0;
}

int link_refusal(const struct link *l, const struct http_reply *reply, struct err *err)
{
	cleanup_free char *words = wire_error_text(reply->body.data, reply->body.len, "");

	if (reply->status == 404 && !*words) {
		err_set(err, -EPROTO, "the agent at %s speaks another API than version %d", l->peer,
			SWARMCAP_API);
		return LINK_E_NOT_FOUND;
	}
	if (!*words) {
		err_set(err, -EPROTO, "the agent at %s answers with HTTP status %ld", l->peer,
			reply->status);
		return LINK_E_REFUSED;
	}
	err_set(err, -EPROTO, "the agent at %s refuses: %s", l->peer, words);
	if (reply->status == 404)
		return LINK_E_NOT_FOUND;
	return str_starts(words, "wrong-node") ? LINK_E_WRONG_NODE : LINK_E_REFUSED;
}

/* One request; the body is consumed and may be NULL. */
struct call {
	const char *method, *path;
	json_t *body;
};

/* out may be NULL when nothing is expected. */
static int call(struct link *l, const struct call *c, json_t **out, struct err *err)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	cleanup_free char *text = c->body ? jx_dump(c->body) : NULL;
	cleanup_free char *what = NULL;
	int rc;

	json_decref(c->body);
	rc = http_call(l->http, c->method, c->path, text, &reply, err);
	if (rc < 0)
		return rc;
	if (reply.status < 200 || reply.status > 299)
		return link_refusal(l, &reply, err);
	if (!out)
		return 0;

	what = xasprintf("the answer of the agent at %s", l->peer);
	rc = jx_parse(reply.body.data, reply.body.len, what, out, err);
	return rc < 0 ? -EPROTO : 0;
}

static int get(struct link *l, const char *path, json_t **out, struct err *err)
{
	return call(l, &(struct call){ "GET", path, NULL }, out, err);
}

/* out is empty when there is no report in it. */
static int call_for_report(struct link *l, const struct call *c, struct wire_report *out,
			   struct err *err)
{
	cleanup_json json_t *answer = NULL;
	int rc;

	*out = (struct wire_report){ 0 };
	rc = call(l, c, &answer, err);
	if (rc != 0)
		return rc;
	if (wire_report_decode(answer, out, err) < 0) {
		err_add(err, " (from the agent at %s)", l->peer);
		return -EPROTO;
	}
	return 0;
}

/* c->path is what follows the capture's id; the report must speak of that capture. */
static int ask_of(struct link *l, const char *id, struct call c, struct wire_report *out,
		  struct err *err)
{
	char path[LINK_PATH_MAX];
	int rc = link_path(path, id, c.path, err);

	if (rc < 0) {
		*out = (struct wire_report){ 0 };
		json_decref(c.body);
		return rc;
	}
	c.path = path;
	rc = call_for_report(l, &c, out, err);
	if (rc == 0 && strcmp(out->id, id))
		return err_set(err, -EPROTO, "the agent at %s answers for another capture, '%s'",
			       l->peer, out->id);
	return rc;
}

int link_info(struct link *l, struct wire_info *out, struct err *err)
{
	cleanup_json json_t *answer = NULL;
	int rc;

	*out = (struct wire_info){ 0 };
	rc = get(l, "/v1/info", &answer, err);
	if (rc != 0)
		return rc;
	if (wire_info_decode(answer, out, err) < 0) {
		err_add(err, " (from the agent at %s)", l->peer);
		return -EPROTO;
	}
	return 0;
}

static int probe(struct link *l, struct link_probe *p, struct err *err)
{
	cleanup_json json_t *answer = NULL;
	int rc;

	p->sent_ns = clock_wall_ns();
	rc = get(l, "/v1/time", &answer, err);
	p->received_ns = clock_wall_ns();
	if (rc != 0)
		return rc;
	p->agent_ns = jx_int(answer, "now_ns", 0);
	return 0;
}

int link_clock(struct link *l, int probes, struct link_clock *out, struct err *err)
{
	struct link_probe list[PROBES_MAX] = { { 0 } };
	int n = 0, rc = 0;

	if (l->ops)
		return l->ops->clock(l->arg, probes, out, err);
	while (n < probes && n < PROBES_MAX && rc == 0) {
		rc = probe(l, &list[n], err);
		n += rc == 0;
	}
	link_clock_estimate(list, (size_t)n, out);
	if (rc == 0 && out->probes == 0)
		return err_set(err, -EPROTO, "the agent at %s does not tell the time", l->peer);
	return rc;
}

int link_arm(struct link *l, const struct wire_arm *a, struct wire_report *out, struct err *err)
{
	struct call c = { "POST", "/v1/captures", NULL };
	int rc;

	if (l->ops)
		return l->ops->arm(l->arg, a, out, err);
	c.body = wire_arm_encode(a);
	rc = call_for_report(l, &c, out, err);
	if (rc != 0)
		return rc;
	if (strcmp(out->id, a->id) || !*out->token)
		return err_set(err, -EPROTO, "the agent at %s armed, but not what was asked for",
			       l->peer);
	if (strcmp(out->node_id, a->node_id)) {
		err_set(err, -EPROTO, "the agent at %s is node '%s', not '%s'", l->peer,
			out->node_id, a->node_id);
		return LINK_E_WRONG_NODE;
	}
	return 0;
}

int link_report(struct link *l, const char *id, struct wire_report *out, struct err *err)
{
	if (l->ops)
		return l->ops->report(l->arg, id, out, err);
	return ask_of(l, id, (struct call){ "GET", "", NULL }, out, err);
}

int link_counters(struct link *l, const char *id, struct wire_report *out, struct err *err)
{
	if (l->ops)
		return l->ops->report(l->arg, id, out, err);
	return ask_of(l, id, (struct call){ "GET", "?files=no", NULL }, out, err);
}

int link_renew(struct link *l, const struct link_word *w, struct wire_report *out, struct err *err)
{
	json_t *body;

	if (l->ops)
		return l->ops->renew(l->arg, w, out, err);
	body = json_pack("{s:s, s:I}", "token", w->token, "window_start_ns",
			 (json_int_t)w->window_ns);
	return ask_of(l, w->id, (struct call){ "POST", "/renew", body }, out, err);
}

int link_stop(struct link *l, const struct link_word *w, struct wire_report *out, struct err *err)
{
	json_t *body;

	if (l->ops)
		return l->ops->stop(l->arg, w, out, err);
	body = json_pack("{s:s, s:I}", "reason", w->reason, "window_stop_ns",
			 (json_int_t)w->window_ns);
	return ask_of(l, w->id, (struct call){ "POST", "/stop", body }, out, err);
}

int link_sum(struct link *l, const char *file_path, char hex[CHECKSUM_HEX], struct err *err)
{
	const long timeout_ms = l->timeout_ms;
	cleanup_json json_t *answer = NULL;
	int rc;

	link_set_timeout(l, LINK_SUM_MS);
	rc = get(l, file_path, &answer, err);
	link_set_timeout(l, timeout_ms);
	if (rc != 0)
		return rc;
	if (!checksum_is_hex(jx_str(answer, "xxh128", "")))
		return err_set(err, -EPROTO, "the agent at %s tells no checksum: %s", l->peer, file_path);
	snprintf(hex, CHECKSUM_HEX, "%s", jx_str(answer, "xxh128", ""));
	return 0;
}

int link_remove(struct link *l, const char *id, struct err *err)
{
	char path[LINK_PATH_MAX];
	int rc;

	if (l->ops)
		return l->ops->remove(l->arg, id, err);
	rc = link_path(path, id, "", err);
	return rc < 0 ? rc : call(l, &(struct call){ "DELETE", path, NULL }, NULL, err);
}

int link_stream(struct link *l, const char *id, http_sink *sink, void *arg, volatile bool *cancel,
		struct err *err)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	char path[LINK_PATH_MAX];
	int rc = link_path(path, id, "/stream", err);

	if (rc == 0)
		rc = http_stream(l->http, path, sink, arg, cancel, &reply, err);
	if (rc < 0)
		return rc;
	return reply.status == 200 ? 0 : link_refusal(l, &reply, err);
}

int link_targets(struct link *l, json_t **out, struct err *err)
{
	return get(l, "/v1/targets", out, err);
}

int link_list(struct link *l, struct wire_report **out, size_t *n, struct err *err)
{
	cleanup_json json_t *answer = NULL;
	struct wire_report *list;
	size_t len;
	int rc = get(l, "/v1/captures", &answer, err);

	if (rc != 0)
		return rc;
	len = jx_len(answer, "captures");
	if (len > LIST_MAX)
		return err_set(err, -EPROTO, "the agent at %s lists %zu captures", l->peer, len);

	list = xcalloc(len + 1, sizeof(*list));
	for (size_t i = 0; i < len; i++) {
		rc = wire_report_decode(json_array_get(jx_get(answer, "captures"), i), &list[i],
					err);
		if (rc < 0) {
			for (size_t k = 0; k <= i; k++)
				wire_report_release(&list[k]);
			free(list);
			return -EPROTO;
		}
	}
	*out = list;
	*n = len;
	return 0;
}
