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

#define COLUMNS 6
#define CELL_MAX (64u << 10)
#define CONTAINER_CUT 12

struct table {
	char *(*rows)[COLUMNS];
	size_t n;
};

/* ---- a table ---- */

static char *safe(const char *text)
{
	struct buf b = BUF_INIT(CELL_MAX);

	buf_add_safe(&b, text);
	return buf_take(&b);
}

/* Characters, which are as many columns for all but a few. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

static void print_table(FILE *to, const struct table *t)
{
	int widths[COLUMNS] = { 0 };

	for (size_t i = 0; i < t->n; i++)
		for (int c = 0; c < COLUMNS; c++)
			if (width(t->rows[i][c]) > widths[c])
				widths[c] = width(t->rows[i][c]);

	for (size_t i = 0; i < t->n; i++) {
		for (int c = 0; c < COLUMNS - 1; c++)
			fprintf(to, "%s%*s", t->rows[i][c], widths[c] + 2 - width(t->rows[i][c]),
				"");
		fprintf(to, "%s\n", t->rows[i][COLUMNS - 1]);
	}
}

static void release_table(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (int c = 0; c < COLUMNS; c++)
			free(t->rows[i][c]);
	free(t->rows);
}

static char *(*add_row(struct table *t))[COLUMNS]
{
	t->rows = xrealloc(t->rows, t->n + 1, sizeof(*t->rows));
	return &t->rows[t->n++];
}

/* ---- for people ---- */

/* "app 10.0.1.5/24, back 10.0.2.2/24" */
static char *network_cell(const struct target *t)
{
	struct buf b = BUF_INIT(CELL_MAX);

	for (size_t i = 0; i < t->n_networks; i++) {
		buf_addf(&b, "%s", i ? ", " : "");
		buf_add_safe(&b, t->networks[i].name);
		for (size_t j = 0; j < t->networks[i].n_addresses; j++)
			buf_addf(&b, " %s", t->networks[i].addresses[j]);
	}
	return buf_take(&b);
}

static void add_target(struct table *t, const struct plan_node *n, const struct target *target)
{
	char *(*row)[COLUMNS] = add_row(t);

	(*row)[0] = safe(n->name);
	(*row)[1] = safe(n->address);
	(*row)[2] = safe(n->route ? n->route : "-");
	(*row)[3] = safe(target->task ? target->task : target->key);
	(*row)[4] = xasprintf("%.*s", CONTAINER_CUT,
			      target->container_id ? target->container_id : "");
	(*row)[5] = network_cell(target);
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
	static const char *const titles[COLUMNS] = { "NODE", "ADDRESS",	  "ROUTE",
						     "TASK", "CONTAINER", "NETWORKS" };
	struct table t = { 0 };
	char *(*row)[COLUMNS] = add_row(&t);

	for (int c = 0; c < COLUMNS; c++)
		(*row)[c] = xstrdup(titles[c]);
	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->nodes[i].n_targets; j++)
			add_target(&t, &p->nodes[i], &p->nodes[i].targets[j]);
	print_table(to, &t);
	release_table(&t);
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
		"{s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "event",
		"target", "kind", wire_kind_text(t->kind), "node", jx_text(n->name), "node_id",
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
