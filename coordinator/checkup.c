/* SPDX-License-Identifier: Apache-2.0
 *
 * checkup.c - one node's state of health, judged from what its agent said; pure
 *
 * A row is the JSON object that --json prints; the table is made of the same.
 */
#include "checkup.h"

#include "buf.h"
#include "units.h"
#include "version.h"

#include <inttypes.h>
#include <string.h>

#define DAY_NS (24 * 3600 * NS_PER_S)
#define CLOCK_NS NS_PER_S	/* off by more: whose packets came first is guesswork */
#define FLOOR_PERCENT 5		/* below this the agent captures nothing (its default) */
#define CELL_MAX 256

int64_t checkup_days(int64_t expires_ns, int64_t now_ns)
{
	int64_t left = expires_ns - now_ns;

	return left >= 0 ? left / DAY_NS : -1 - (-left - 1) / DAY_NS;
}

/* ---- judging */

static void add(json_t *problems, const char *fmt, ...) PRINTF(2, 3);
static void add(json_t *problems, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	json_array_append_new(problems, jx_text(text));
}

static void judge_certificate(int64_t expires_ns, int64_t now_ns, json_t *problems)
{
	int64_t days = checkup_days(expires_ns, now_ns);

	if (!expires_ns || days >= CHECKUP_DAYS)
		return;
	if (days < 0)
		add(problems, "its certificate has expired: `swarmcap deploy --rotate`");
	else
		add(problems, "its certificate ends in %" PRId64 " days: "
		    "`swarmcap deploy --rotate`", days);
}

static void judge_clock(const struct link_clock *c, json_t *problems)
{
	int64_t off = llabs(c->offset_ns) - c->error_ns;

	if (c->probes && off > CLOCK_NS)
		add(problems, "its clock is off by %+.1f s: start a time service there (chrony, "
		    "systemd-timesyncd)", (double)c->offset_ns / NS_PER_S);
}

static void judge_info(const struct agent *a, int64_t now_ns, json_t *problems)
{
	const struct wire_info *i = &a->info;
	char room[UNITS_TIME_MAX];

	if (strcmp(i->version, SWARMCAP_VERSION) != 0)
		add(problems, "its agent is %s, this is %s: `swarmcap deploy`", i->version,
		    SWARMCAP_VERSION);
	judge_certificate(i->certificate_expires_ns, now_ns, problems);
	judge_clock(&a->clock, problems);
	if (i->spool_free < i->spool_size / 100 * FLOOR_PERCENT)
		add(problems, "only %s are free where its spool is, less than %d %%: captures "
		    "would end at once", units_format_size((uint64_t)i->spool_free, room),
		    FLOOR_PERCENT);
	if (!i->netns_ok)
		add(problems, "it cannot see the network namespaces: %s",
		    i->netns_note ? i->netns_note : "mount propagation is broken");
}

/* Drained and empty is how someone wants it; anything else that is not there is missed. */
static void judge_absence(const struct agent *a, json_t *problems)
{
	const char *why = agents_absence(a->node);

	if (why && !strcmp(why, "drained"))
		return;
	if (why)
		add(problems, "the node is %s", why);
	else
		add(problems, "no agent answers: %s", a->err.text);
}

static const char *state_of(const struct cluster_node *n)
{
	const char *absence = agents_absence(n);

	return absence ? absence : "ready";
}

json_t *checkup_node(const struct agent *a, int64_t now_ns)
{
	const struct wire_info *i = &a->info;
	bool known = a->answers;
	bool timed = known && a->clock.probes;
	json_t *problems = json_array();
	json_t *row = json_pack("{s:o, s:s, s:s, s:s}", "node", jx_text(a->node->name),
				"node_id", a->node->id, "address", a->node->address,
				"state", state_of(a->node));

	if (known)
		judge_info(a, now_ns, problems);
	else
		judge_absence(a, problems);

	json_object_set_new(row, "agent", jx_text(known ? i->version : NULL));
	json_object_set_new(row, "certificate_days", known && i->certificate_expires_ns ?
			    json_integer(checkup_days(i->certificate_expires_ns, now_ns)) :
			    json_null());
	json_object_set_new(row, "clock_offset_ns", timed ? json_integer(a->clock.offset_ns) :
			    json_null());
	json_object_set_new(row, "clock_error_ns", jx_count(timed ? a->clock.error_ns : -1));
	json_object_set_new(row, "spool_free", jx_count(known ? i->spool_free : -1));
	json_object_set_new(row, "spool_size", jx_count(known ? i->spool_size : -1));
	json_object_set_new(row, "netns_ok", known ? json_boolean(i->netns_ok) : json_null());
	json_object_set_new(row, "captures_running", jx_count(known ? i->captures_running : -1));
	json_object_set_new(row, "captures_unfetched",
			    jx_count(known ? i->captures_unfetched : -1));
	json_object_set_new(row, "ok", json_boolean(json_array_size(problems) == 0));
	json_object_set_new(row, "problems", problems);
	return row;
}

/* ---- routes ---- */

static json_t *encode_route(enum route r, const struct probe_verdict *v)
{
	return json_pack("{s:s, s:o, s:o, s:o}", "route", route_text(r), "ok",
			 v->state == PROBE_NONE ? json_null() : json_boolean(v->state == PROBE_OK),
			 "word", jx_text(*v->word ? v->word : NULL), "why",
			 jx_text(*v->why ? v->why : NULL));
}

void checkup_add_routes(json_t *row, const struct probe *p, bool deployed)
{
	json_t *routes = json_array(), *problems = json_object_get(row, "problems");
	enum route best = probe_best(p);
	const char *state = jx_str(row, "state", "");
	bool down = !strcmp(state, "down"), drained = !strcmp(state, "drained");

	for (int r = 0; r < ROUTE_N; r++)
		json_array_append_new(routes, encode_route((enum route)r, &p->routes[r]));
	if (!deployed && !down)
		json_array_clear(problems);	/* there is only the agent's absence in it */
	/* what is drained has no tasks to capture */
	if (best == ROUTE_NONE && !down && !drained)
		add(problems, "no route to it works");
	json_object_set_new(row, "routes", routes);
	json_object_set_new(row, "use", jx_text(route_text(best)));
	json_object_set_new(row, "ok", json_boolean(json_array_size(problems) == 0));
}

/* ---- the table ---- */

static void cell(FILE *to, int width, const char *text)
{
	cleanup_buf struct buf b = BUF_INIT(4 * CELL_MAX);
	char cut[CELL_MAX];

	snprintf(cut, sizeof(cut), "%s", text);
	buf_add_safe(&b, cut);
	fprintf(to, "%-*s ", width, b.data);
}

/* "-" where there is no number */
static char *days_text(const json_t *j)
{
	if (!json_is_integer(j))
		return xstrdup("-");
	return xasprintf("%lld days", (long long)json_integer_value(j));
}

static char *clock_text(const json_t *j)
{
	if (!json_is_integer(j))
		return xstrdup("-");
	return xasprintf("%+.1f ms", (double)json_integer_value(j) / NS_PER_MS);
}

static char *room_text(const json_t *j)
{
	char room[UNITS_TIME_MAX];

	if (!json_is_integer(j))
		return xstrdup("-");
	return xstrdup(units_format_size((uint64_t)json_integer_value(j), room));
}

static const char *netns_text(const json_t *j)
{
	if (!json_is_boolean(j))
		return "-";
	return json_is_true(j) ? "seen" : "not seen";
}

/* "ok", what is in the way, or "-" */
static void print_routes(FILE *to, const json_t *row)
{
	json_t *routes = json_object_get(row, "routes"), *route;
	size_t i;

	json_array_foreach(routes, i, route) {
		const char *word = jx_str(route, "word", "-");
		bool agent = !strcmp(jx_str(route, "route", ""), "agent");

		if (jx_bool(route, "ok", false))
			word = agent ? jx_str(row, "agent", "ok") : "ok";
		cell(to, agent || i == 1 ? 9 : 11, *word ? word : "-");
	}
}

static void print_row(FILE *to, const json_t *row)
{
	cleanup_free char *days = days_text(json_object_get(row, "certificate_days"));
	cleanup_free char *clock = clock_text(json_object_get(row, "clock_offset_ns"));
	cleanup_free char *room = room_text(json_object_get(row, "spool_free"));

	cell(to, 20, jx_str(row, "node", ""));
	cell(to, 8, jx_str(row, "state", ""));
	cell(to, 11, jx_str(row, "use", "-"));
	print_routes(to, row);
	cell(to, 9, days);
	cell(to, 12, clock);
	cell(to, 10, room);
	fprintf(to, "%s\n", netns_text(json_object_get(row, "netns_ok")));
}

void checkup_print(FILE *to, const json_t *rows)
{
	size_t i;
	json_t *row;

	fprintf(to, "%-20s %-8s %-11s %-9s %-9s %-11s %-11s %-11s %-9s %-12s %-10s %s\n", "NODE", "STATE",
		"USE", "AGENT", "LOCAL", "SSH-PUSH", "SSH-NSENTER", "SSH-HELPER", "CERT", "CLOCK",
		"SPOOL FREE", "NAMESPACES");
	json_array_foreach(rows, i, row)
		print_row(to, row);
}
