/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_ls.c - swarmcap ls [SELECTOR...]: what can be captured, where, and by which route
 */
#include "cmd.h"

#include "buf.h"
#include "names.h"
#include "plan.h"
#include "reach.h"

#include <errno.h>
#include <string.h>

#define COLUMNS 6
#define CELL_MAX (64 << 10)

struct row {
	char *cells[COLUMNS];		/* of the table; safe for a terminal */
	json_t *json;
	const char *service;
	int64_t slot;
};

/* What is there, and how its nodes are reached. */
struct view {
	struct reach *reach;
	struct cluster cluster;
	struct plan nodes;
	const char *self_route;
};

static void view_release(struct view *v)
{
	plan_release(&v->nodes);
	cluster_release(&v->cluster);
	reach_close(v->reach);
}

struct table {
	struct row *rows;
	size_t n;
};

static void table_release(struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		for (size_t c = 0; c < COLUMNS; c++)
			free(t->rows[i].cells[c]);
		json_decref(t->rows[i].json);
	}
	free(t->rows);
}

static char *safe(const char *text)
{
	struct buf b = BUF_INIT(CELL_MAX);

	buf_add_safe(&b, text && *text ? text : "-");
	return buf_take(&b);
}

/* "app 10.0.1.5/24, other 10.0.2.7/24" */
static char *address_text(const struct cluster_task *t)
{
	cleanup_buf struct buf b = BUF_INIT(CELL_MAX);

	for (size_t i = 0; i < t->n_networks; i++)
		for (size_t k = 0; k < t->networks[i].n_addresses; k++)
			buf_addf(&b, "%s%s %s", b.len ? ", " : "", t->networks[i].name,
				 t->networks[i].addresses[k]);
	return safe(b.data);
}

static json_t *address_json(const struct cluster_task *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_networks; i++)
		for (size_t k = 0; k < t->networks[i].n_addresses; k++)
			json_array_append_new(list,
					      json_pack("{s:o, s:o}", "network",
							jx_text(t->networks[i].name), "address",
							jx_text(t->networks[i].addresses[k])));
	return list;
}

/* The first that may work; NULL: the node is not up, or the task does not run. */
static const char *route(const struct view *v, const struct cluster_task *t)
{
	const struct cluster_node *n = cluster_node(&v->cluster, t->node_id);

	if (!cluster_task_runs(&v->cluster, t) || !n || strcmp(n->state, "ready"))
		return NULL;
	for (size_t i = 0; i < v->nodes.n_nodes; i++)
		if (!strcmp(v->nodes.nodes[i].id, n->id))
			return v->nodes.nodes[i].route;
	return NULL;
}

static void add_task(struct table *table, const struct view *v, const struct cluster_task *t)
{
	const struct cluster *c = &v->cluster;
	const struct cluster_service *s = cluster_service(c, t->service_id);
	const struct cluster_node *n = cluster_node(c, t->node_id);
	const char *service = s ? s->name : "", *node = n ? n->name : "", *way = route(v, t);
	cleanup_free char *task = names_task(service, t->slot, t->node_id, t->id);
	struct row *row;

	table->rows = xrealloc(table->rows, table->n + 1, sizeof(*table->rows));
	row = &table->rows[table->n++];
	*row = (struct row){
		.cells = { safe(service), safe(task), safe(node), safe(t->state), address_text(t),
			   safe(way) },
		.json = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "service",
				  jx_text(service), "task", jx_text(task), "task_id",
				  jx_text(t->id), "node", jx_text(node), "node_id",
				  jx_text(t->node_id), "state", jx_text(t->state), "addresses",
				  address_json(t), "route", jx_text(way)),
		.service = service,
		.slot = t->slot,
	};
}

/* One that was named by itself stands in the place of its task. */
static void add_container(struct table *table, const struct view *v,
			  const struct cluster_container *k)
{
	const struct cluster_task t = { .networks = k->networks, .n_networks = k->n_networks };
	const char *way = k->running && v->nodes.n_nodes ? v->self_route : NULL;
	const char *node = v->cluster.self_name, *state = k->running ? "running" : "stopped";
	struct row *row;

	table->rows = xrealloc(table->rows, table->n + 1, sizeof(*table->rows));
	row = &table->rows[table->n++];
	*row = (struct row){
		.cells = { safe("-"), safe(k->name), safe(node), safe(state), address_text(&t),
			   safe(way) },
		.json = json_pack("{s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "container",
				  jx_text(k->name), "container_id", jx_text(k->id), "node",
				  jx_text(node), "node_id", jx_text(v->cluster.self_node_id),
				  "state", state, "addresses", address_json(&t), "route",
				  jx_text(way)),
		.service = "",
	};
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->service, y->service);

	if (!order)
		order = (x->slot > y->slot) - (x->slot < y->slot);
	return order ? order : strcmp(x->cells[2], y->cells[2]);
}

/* What Swarm means to run; the dead ones that it remembers are of no use here. */
static void fill(struct table *table, const struct view *v)
{
	const struct cluster *c = &v->cluster;

	for (size_t i = 0; i < c->n_tasks; i++)
		if (!strcmp(c->tasks[i].desired, "running") || cluster_task_runs(c, &c->tasks[i]))
			add_task(table, v, &c->tasks[i]);
	for (size_t i = 0; i < c->n_containers; i++)
		add_container(table, v, &c->containers[i]);
	if (table->n)
		qsort(table->rows, table->n, sizeof(*table->rows), compare);
}

static void print_table(const struct table *t)
{
	static const char *const heads[COLUMNS] = { "SERVICE", "TASK",	    "NODE",
						    "STATE",   "ADDRESSES", "ROUTE" };
	int width[COLUMNS];

	for (size_t c = 0; c < COLUMNS; c++) {
		width[c] = (int)strlen(heads[c]);
		for (size_t i = 0; i < t->n; i++)
			if ((int)strlen(t->rows[i].cells[c]) > width[c])
				width[c] = (int)strlen(t->rows[i].cells[c]);
	}
	for (size_t i = 0; i <= t->n; i++)
		for (size_t c = 0; c < COLUMNS; c++)
			printf("%-*s%s", c + 1 < COLUMNS ? width[c] : 0,
			       i ? t->rows[i - 1].cells[c] : heads[c],
			       c + 1 < COLUMNS ? "  " : "\n");
}

static void print_json(const struct table *t)
{
	for (size_t i = 0; i < t->n; i++) {
		cleanup_free char *line = jx_dump(t->rows[i].json);

		puts(line);
	}
}

static void find_routes(struct view *v, const struct request *r)
{
	cleanup_creds struct creds creds = CREDS_INIT;
	struct reach_facts facts = { .cluster = &v->cluster };
	struct err why = ERR_INIT;

	facts.creds = reach_load_creds(r, &v->cluster, &creds, &why) == 0;
	plan_all_nodes(&v->nodes, &v->cluster);
	reach_plan(v->reach, &facts, &v->nodes);
	for (size_t i = 0; i < v->nodes.n_nodes; i++)
		if (!strcmp(v->nodes.nodes[i].id, v->cluster.self_node_id))
			v->self_route = v->nodes.nodes[i].route;
}

static enum exit_status load(struct view *v, struct request *r, struct err *err)
{
	int rc = reach_open(&v->reach, r, err);

	if (rc == 0)
		rc = cluster_load(reach_engine(v->reach), r->selectors, r->n_selectors,
				  &v->cluster, err);
	if (rc == CLUSTER_E_UNKNOWN)
		return EXIT_NOTHING;
	if (rc < 0)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	find_routes(v, r);
	return EXIT_OK;
}

int cmd_ls(struct request *r)
{
	cleanup(view_release) struct view v = { .cluster = CLUSTER_INIT };
	cleanup(table_release) struct table t = { NULL, 0 };
	struct err err = ERR_INIT;
	enum exit_status status = load(&v, r, &err);

	if (status != EXIT_OK)
		return cmd_fail(r, status, &err);
	fill(&t, &v);
	if (r->json)
		print_json(&t);
	else
		print_table(&t);
	return EXIT_OK;
}
