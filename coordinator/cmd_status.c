/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_status.c - swarmcap status [ID]: what the agents capture, and what they hold
 *
 * Every agent is asked for all that it knows; reports of one id are one capture. With an ID
 * there is a line for each of its tasks instead.
 */
#include "cmd.h"

#include "agents.h"
#include "log.h"
#include "table.h"
#include "units.h"
#include "version.h"

#include <errno.h>
#include <string.h>

struct status {
	struct request *request;
	struct reach *reach;
	struct cluster cluster;
	struct creds creds;
	struct agents agents;
};

/* One capture, over all nodes that told of it. */
struct sum {
	const char *id;
	size_t nodes, running, fetched, dropped, targets;
	size_t empty;			/* nodes that wait for tasks, and have had none */
	int64_t packets, bytes, lost, armed_ns;
	bool attached;
};

static void status_release(struct status *s)
{
	agents_release(&s->agents);
	creds_release(&s->creds);
	cluster_release(&s->cluster);
	reach_close(s->reach);
}

static const char *state_of(const struct sum *m)
{
	if (m->running)
		return "running";
	return m->dropped && m->dropped + m->empty == m->nodes ? "dropped" : "finished";
}

/* ---- all captures ---- */

static int64_t add(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

static void add_report(struct sum *m, const struct wire_report *r)
{
	m->id = r->id;
	m->nodes++;
	m->running += r->running;
	m->fetched += r->fetched;
	m->dropped += r->dropped != NULL;
	m->empty += !r->dropped && !r->n_targets;
	m->targets += r->n_targets;
	m->attached = m->attached || r->attached;
	if (r->armed_ns && (!m->armed_ns || r->armed_ns < m->armed_ns))
		m->armed_ns = r->armed_ns;
	for (const struct wire_target *t = r->targets; t < r->targets + r->n_targets; t++) {
		m->packets = add(m->packets, t->packets);
		m->bytes = add(m->bytes, t->bytes);
		m->lost = add(m->lost, add(t->dropped_kernel, t->dropped_agent));
	}
}

static struct sum *find_sum(struct sum *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].id, id))
			return &list[i];
	return &list[n];
}

static int by_id(const void *a, const void *b)
{
	return strcmp(((const struct sum *)a)->id, ((const struct sum *)b)->id);
}

/* Oldest first. Free it. */
static struct sum *sum_up(const struct agents *a, size_t *n)
{
	struct sum *list = NULL;

	*n = 0;
	for (size_t i = 0; i < a->n; i++) {
		const struct agent *one = &a->items[i];

		/* as if each were another's: then there is room for one more */
		list = xrealloc(list, *n + one->n_reports + 1, sizeof(*list));
		memset(&list[*n], 0, (one->n_reports + 1) * sizeof(*list));
		for (size_t k = 0; k < one->n_reports; k++) {
			struct sum *m = find_sum(list, *n, one->reports[k].id);

			*n += m == &list[*n];
			add_report(m, &one->reports[k]);
		}
	}
	if (*n)
		qsort(list, *n, sizeof(*list), by_id);
	return list;
}

static void print_captures_json(const struct sum *list, size_t n)
{
	for (const struct sum *m = list; m < list + n; m++) {
		char armed[UNITS_TIME_MAX];
		cleanup_json json_t *j = json_pack(
			"{s:s, s:s, s:s, s:b, s:b, s:o, s:I, s:I, s:I, s:I, s:I}",
			"event", "capture",
			"id", m->id,
			"state", state_of(m),
			"detached", !m->attached,
			"fetched", m->fetched == m->nodes,
			"armed", m->armed_ns ? json_string(units_format_time(m->armed_ns, armed))
					     : json_null(),
			"nodes", (json_int_t)m->nodes,
			"targets", (json_int_t)m->targets,
			"packets", (json_int_t)m->packets,
			"bytes", (json_int_t)m->bytes,
			"dropped", (json_int_t)m->lost);
		cleanup_free char *line = jx_dump(j);

		puts(line);
	}
}

static void print_captures(const struct sum *list, size_t n)
{
	cleanup_table struct table t = TABLE_INIT;

	table_head(&t, "ID", "STATE", "FETCHED", "NODES", "TASKS", "PACKETS", "BYTES", "DROPPED",
		   NULL);
	for (const struct sum *m = list; m < list + n; m++) {
		char nodes[TABLE_NUMBER_MAX], targets[TABLE_NUMBER_MAX], packets[TABLE_NUMBER_MAX];
		char lost[TABLE_NUMBER_MAX], bytes[32];

		table_row(&t, m->id, state_of(m), m->fetched == m->nodes ? "yes" : "no",
			  table_number((int64_t)m->nodes, nodes),
			  table_number((int64_t)m->targets, targets),
			  table_number(m->packets, packets),
			  units_format_size((uint64_t)m->bytes, bytes),
			  table_number(m->lost, lost), NULL);
	}
	table_print(&t, stdout);
}

/* ---- one of them ---- */

static const char *target_state(const struct wire_report *r, const struct wire_target *t)
{
	if (r->dropped)
		return "dropped";
	if (t->state == WIRE_FAILED)
		return t->same_as ? "shared" : "failed";
	return t->state == WIRE_ARMED ? "running" : wire_end_text(t->end);
}

static json_t *target_json(const struct wire_report *r, const struct wire_target *t)
{
	return json_pack("{s:s, s:s, s:o, s:o, s:o, s:o, s:I, s:I, s:I, s:I}",
			 "event", "target",
			 "id", r->id,
			 "node", jx_text(r->node_name),
			 "target", jx_text(t->key),
			 "state", jx_text(target_state(r, t)),
			 "error", jx_text(r->dropped ? r->dropped : t->error),
			 "files", (json_int_t)t->n_files,
			 "packets", (json_int_t)t->packets,
			 "bytes", (json_int_t)t->bytes,
			 "dropped", (json_int_t)add(t->dropped_kernel, t->dropped_agent));
}

static void add_target(struct table *table, const struct wire_report *r,
		       const struct wire_target *t)
{
	char files[TABLE_NUMBER_MAX], packets[TABLE_NUMBER_MAX], lost[TABLE_NUMBER_MAX], bytes[32];

	table_row(table, r->node_name, t->key, target_state(r, t),
		  table_number((int64_t)t->n_files, files), table_number(t->packets, packets),
		  units_format_size((uint64_t)t->bytes, bytes),
		  table_number(add(t->dropped_kernel, t->dropped_agent), lost), NULL);
}

static void show_report(const struct status *s, const struct wire_report *r, struct table *table)
{
	for (const struct wire_target *t = r->targets; t < r->targets + r->n_targets; t++) {
		cleanup_json json_t *j = NULL;
		cleanup_free char *line = NULL;

		if (!s->request->json) {
			add_target(table, r, t);
			continue;
		}
		j = target_json(r, t);
		line = jx_dump(j);
		puts(line);
	}
}

static bool show_one(const struct status *s, const char *id)
{
	cleanup_table struct table t = TABLE_INIT;
	bool found = false;

	table_head(&t, "NODE", "TASK", "STATE", "FILES", "PACKETS", "BYTES", "DROPPED", NULL);
	for (size_t i = 0; i < s->agents.n; i++)
		for (size_t k = 0; k < s->agents.items[i].n_reports; k++)
			if (!strcmp(s->agents.items[i].reports[k].id, id)) {
				show_report(s, &s->agents.items[i].reports[k], &t);
				found = true;
			}
	if (found && !s->request->json)
		table_print(&t, stdout);
	return found;
}

/* ---- asking ---- */

static enum exit_status ask(struct status *s, struct err *err)
{
	struct request *r = s->request;
	struct agents_how how = { .creds = &s->creds, .list = true };
	int rc = reach_open(&s->reach, r, err);

	if (rc == 0)
		rc = cluster_load_self(reach_engine(s->reach), &s->cluster, err);
	if (rc < 0)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	if (reach_load_creds(r, &s->cluster, &s->creds, err) != 0)
		return EXIT_FAILED;

	how.reach = s->reach;
	how.port = s->cluster.agent_port ? s->cluster.agent_port : SWARMCAP_PORT;
	agents_init(&s->agents, &s->cluster);
	for (size_t i = 0; i < s->agents.n; i++)
		s->agents.items[i].ask = strcmp(s->agents.items[i].node->state, "down") != 0;
	agents_ask(&s->agents, &how);
	return EXIT_OK;
}

/* Nodes whose captures are not known. */
static size_t say_silent(const struct status *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->agents.n; i++) {
		const struct agent *a = &s->agents.items[i];
		const char *absence = agents_absence(a->node);

		/* where none is due, as on a drained node, nobody misses it */
		if (a->answers || (absence && !strcmp(a->node->state, "ready")))
			continue;
		log_warn("%s: %s%s", a->node->name, a->ask ? a->err.text : absence,
			 a->ask ? "" : ": what it holds is not known");
		n++;
	}
	return n;
}

static enum exit_status show(struct status *s, struct err *err)
{
	struct request *r = s->request;
	cleanup_free struct sum *list = NULL;
	size_t silent = say_silent(s), n;

	if (r->n_selectors) {
		if (!show_one(s, r->selectors[0])) {
			err_set(err, -ENOENT, "no node knows a capture %s", r->selectors[0]);
			if (silent)
				err_add(err, ", but %zu nodes did not answer", silent);
			return EXIT_FAILED;
		}
	} else {
		list = sum_up(&s->agents, &n);
		if (r->json)
			print_captures_json(list, n);
		else
			print_captures(list, n);
	}
	return silent ? EXIT_PARTIAL : EXIT_OK;
}

int cmd_status(struct request *r)
{
	cleanup(status_release) struct status s = { .request = r };
	struct err err = ERR_INIT;
	enum exit_status status = ask(&s, &err);

	if (status == EXIT_OK)
		status = show(&s, &err);
	return err.code ? cmd_fail(r, status, &err) : (int)status;
}
