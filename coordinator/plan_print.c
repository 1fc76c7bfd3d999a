/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_print.c - the plan for people (a table) and for programs (one object per line)
 *
 * Names come from the cluster and may hold anything: a cell shows control characters as \xNN,
 * so that none reaches a terminal.
 */
#include "plan.h"

#include <string.h>

#include "buf.h"
#include "table_fit.h"

#define CELL_MAX (64u << 10)
#define CONTAINER_CUT 12

static char *safe(const char *text)
{
	struct buf b = BUF_INIT(CELL_MAX);

	buf_add_safe(&b, text);
	return buf_take(&b);
}

/* ---- for people ---- */

/* "app 10.0.1.5/24, back 10.0.2.2/24". Free it. */
static char *networks_text(const struct target *t)
{
	struct buf b = BUF_INIT(CELL_MAX);

	for (size_t i = 0; i < t->n_networks; i++) {
		buf_addf(&b, "%s%s", i ? ", " : "", t->networks[i].name);
		for (size_t j = 0; j < t->networks[i].n_addresses; j++)
			buf_addf(&b, " %s", t->networks[i].addresses[j]);
	}
	return buf_take(&b);
}

static void add_target(struct table *t, const struct plan_node *n, const struct target *target)
{
	const char *id = target->container_id ? target->container_id : "";
	cleanup_free char *container = xasprintf("%.*s", CONTAINER_CUT, id);
	cleanup_free char *networks = networks_text(target);

	table_row(t, n->name, n->address, n->route, target->task ? target->task : target->key,
		  container, networks, NULL);
}

/* What else its namespace is. */
static void print_also(FILE *to, const struct plan_node *n, const struct target *t)
{
	cleanup_free char *what = target_what(t), *clean = safe(what), *node = safe(n->name);

	for (size_t i = 0; i < t->n_also; i++) {
		cleanup_free char *also = safe(t->also[i]);

		fprintf(to, "note: %s on %s is %s too\n", clean, node, also);
	}
}

static void print_rest(FILE *to, const struct plan *p)
{
	for (size_t i = 0; i < p->missing.n; i++) {
		const struct missing *m = &p->missing.items[i];
		cleanup_free char *what = safe(m->what), *node = safe(m->node ? m->node : "");
		cleanup_free char *error = safe(m->error ? m->error : m->reason);

		fprintf(to, "missing: %s%s%s: %s\n", what, *node ? " on " : "", node, error);
	}
	for (size_t i = 0; i < p->n_notes; i++) {
		cleanup_free char *note = safe(p->notes[i]);

		fprintf(to, "note: %s\n", note);
	}
}

static void print_text(FILE *to, const struct plan *p)
{
	cleanup_table struct table t = TABLE_INIT;

	table_head(&t, "NODE", "ADDRESS", "ROUTE", "TASK", "CONTAINER", "NETWORKS", NULL);
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->nodes[i].n_targets; j++)
			add_target(&t, &p->nodes[i], &p->nodes[i].targets[j]);
	table_fit(&t, table_terminal(to));
	table_print(&t, to);
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->nodes[i].n_targets; j++)
			print_also(to, &p->nodes[i], &p->nodes[i].targets[j]);
	print_rest(to, p);
}

/* ---- for programs ---- */

/* Takes the reference. */
static void print_object(FILE *to, json_t *j)
{
	cleanup_free char *line = jx_dump(j);

	fprintf(to, "%s\n", line);
	json_decref(j);
}

static json_t *make_networks(const struct target *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_networks; i++) {
		const struct wire_network *n = &t->networks[i];
		json_t *addresses = json_array();

		for (size_t j = 0; j < n->n_addresses; j++)
			json_array_append_new(addresses, jx_text(n->addresses[j]));
		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}", "name",
						      jx_text(n->name), "id", jx_text(n->id), "vni",
						      jx_count(n->vni > 0 ? n->vni : -1),
						      "addresses", addresses));
	}
	return list;
}

static json_t *make_target(const struct plan_node *n, const struct target *t)
{
	return json_pack(
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "event",
		"target", "kind", wire_kind_text(t->kind), "names", target_names(t), "filter",
		jx_text(t->filter), "node", jx_text(n->name), "node_id",
		jx_text(n->id), "address", jx_text(n->address), "route", jx_text(n->route),
		"service", jx_text(t->service), "task", jx_text(t->task), "task_id",
		jx_text(t->task_id), "slot", jx_count(t->slot > 0 ? t->slot : -1), "container_id",
		jx_text(t->container_id), "image", jx_text(t->image), "networks", make_networks(t));
}

static void print_json(FILE *to, const struct plan *p)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->nodes[i].n_targets; j++)
			print_object(to, make_target(&p->nodes[i], &p->nodes[i].targets[j]));

	for (size_t i = 0; i < p->missing.n; i++) {
		const struct missing *m = &p->missing.items[i];

		print_object(to, json_pack("{s:s, s:o, s:o, s:o, s:o}", "event", "missing", "what",
					   jx_text(m->what), "node", jx_text(m->node), "reason",
					   jx_text(m->reason), "error", jx_text(m->error)));
	}
	for (size_t i = 0; i < p->n_notes; i++)
		print_object(
			to, json_pack("{s:s, s:o}", "event", "note", "text", jx_text(p->notes[i])));
}

void plan_print(FILE *to, const struct plan *p, bool json)
{
	if (json)
		print_json(to, p);
	else
		print_text(to, p);
}
