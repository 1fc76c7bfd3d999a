/* SPDX-License-Identifier: Apache-2.0
 *
 * listing.c - what `ls` shows: tasks, nodes and overlays, as tables or as JSON; pure
 *
 * Rows are made once, as JSON objects; the tables are made of the same.
 */
#include "listing.h"

#include "buf.h"
#include "names.h"
#include "table_fit.h"

#include <string.h>

#define CELL_MAX (64u << 10)
#define NODES_SHOWN 6		/* of an overlay, in the table */

/* A row of the tasks' table, with what it is ordered by. */
struct row {
	json_t *json;
	const char *service, *node;
	int64_t slot;
};

struct rows {
	struct row *list;
	size_t n;
};

static void rows_release(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		json_decref(r->list[i].json);
	free(r->list);
}

static void add_row(struct rows *r, struct row row)
{
	r->list = xrealloc(r->list, r->n + 1, sizeof(*r->list));
	r->list[r->n++] = row;
}

/* ---- parts ---- */

static const char *name_of(const struct cluster_node *n)
{
	return n ? n->name : NULL;
}

static bool is_shown(const struct listing *l, const struct cluster_node *n)
{
	if (n)
		return l->nodes[n - l->cluster->nodes];
	for (size_t i = 0; i < l->cluster->n_nodes; i++)
		if (!l->nodes[i])
			return false;
	return true;
}

static bool is_linux(const struct cluster_node *n)
{
	return !*n->os || strcmp(n->os, "linux") == 0;
}

/* The first that may work; NULL: the node is not up, or is none that can be captured. */
static const char *route(const struct listing *l, const struct cluster_node *n)
{
	if (!n || strcmp(n->state, "ready") != 0 || !is_linux(n))
		return NULL;
	for (size_t i = 0; i < l->routes->n_nodes; i++)
		if (strcmp(l->routes->nodes[i].id, n->id) == 0)
			return l->routes->nodes[i].route;
	return NULL;
}

static json_t *addresses(const struct wire_network *list, size_t n)
{
	json_t *out = json_array();

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < list[i].n_addresses; k++)
			json_array_append_new(out, json_pack("{s:o, s:o}", "network",
							     jx_text(list[i].name), "address",
							     jx_text(list[i].addresses[k])));
	return out;
}

/* ---- tasks, containers, services without ---- */

static void add_task(struct rows *rows, const struct listing *l, const struct cluster_task *t)
{
	const struct cluster_service *s = cluster_service(l->cluster, t->service_id);
	const struct cluster_node *n = cluster_node(l->cluster, t->node_id);
	const char *service = s ? s->name : "";
	const char *way = cluster_task_runs(l->cluster, t) ? route(l, n) : NULL;
	cleanup_free char *task = names_task(service, t->slot, t->node_id, t->id);

	add_row(rows, (struct row){
		.json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "kind", "task",
				  "service", jx_text(service), "task", jx_text(task), "task_id",
				  jx_text(t->id), "node", jx_text(name_of(n)), "node_id",
				  jx_text(t->node_id), "state", jx_text(t->state), "addresses",
				  addresses(t->networks, t->n_networks), "route", jx_text(way)),
		.service = service, .node = n ? n->name : "", .slot = t->slot,
	});
}

/* One that was named by itself stands in the place of its task. */
static void add_container(struct rows *rows, const struct listing *l,
			  const struct cluster_container *k)
{
	const struct cluster_node *n = cluster_node(l->cluster, k->node_id);
	const char *state = k->running ? "running" : "stopped";

	add_row(rows, (struct row){
		.json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "kind", "container",
				  "container", jx_text(k->name), "container_id", jx_text(k->id),
				  "node", jx_text(name_of(n)), "node_id", jx_text(k->node_id),
				  "state", state, "addresses", addresses(k->networks, k->n_networks),
				  "route", jx_text(k->running ? route(l, n) : NULL)),
		.service = "", .node = n ? n->name : "",
	});
}

static bool has_row(const struct rows *rows, const struct cluster_service *s)
{
	for (size_t i = 0; i < rows->n; i++)
		if (rows->list[i].service == s->name)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	int order = strcmp(x->service, y->service);

	if (!order)
		order = (x->slot > y->slot) - (x->slot < y->slot);
	return order ? order : strcmp(x->node, y->node);
}

/* What Swarm means to run; the dead ones that it remembers are of no use here. */
static struct rows make_tasks(const struct listing *l)
{
	const struct cluster *c = l->cluster;
	struct rows rows = { 0 };
	size_t tasks;

	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_task *t = &c->tasks[i];

		if (l->what->tasks[i] && is_shown(l, cluster_node(c, t->node_id)) &&
		    (!strcmp(t->desired, "running") || cluster_task_runs(c, t)))
			add_task(&rows, l, t);
	}
	for (size_t i = 0; i < c->n_containers; i++)
		if ((l->what->containers[i] || l->all) &&
		    is_shown(l, cluster_node(c, c->containers[i].node_id)))
			add_container(&rows, l, &c->containers[i]);
	tasks = rows.n;
	for (size_t i = 0; i < c->n_services && is_shown(l, NULL); i++) {
		const struct rows had = { rows.list, tasks };

		if (l->what->services[i] && !has_row(&had, &c->services[i]))
			add_row(&rows, (struct row){
				.json = json_pack("{s:s, s:o}", "kind", "service", "service",
						  jx_text(c->services[i].name)),
				.service = c->services[i].name, .node = "",
			});
	}
	if (rows.n)
		qsort(rows.list, rows.n, sizeof(*rows.list), compare);
	return rows;
}

/* ---- nodes and overlays ---- */

static void add_node(struct rows *rows, const struct listing *l, size_t i)
{
	const struct cluster_node *n = &l->cluster->nodes[i];

	add_row(rows, (struct row){
		.json = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:b, s:b, s:o}",
				  "kind", "node", "node", jx_text(n->name), "node_id",
				  jx_text(n->id), "address", jx_text(n->address), "state",
				  jx_text(n->state), "availability", jx_text(n->availability),
				  "role", n->leader ? "leader" : n->manager ? "manager" : "worker",
				  "os", jx_text(n->os), "arch", jx_text(n->arch), "engine",
				  jx_text(n->engine_version), "host",
				  is_linux(n) && (l->all || l->what->hosts[i]), "ingress",
				  is_linux(n) && (l->all || l->what->ingress[i]), "route",
				  jx_text(route(l, n))),
	});
}

static struct rows make_nodes(const struct listing *l)
{
	struct rows rows = { 0 };

	for (size_t i = 0; i < l->cluster->n_nodes; i++)
		if (l->nodes[i] && (l->all || l->what->hosts[i] || l->what->ingress[i]))
			add_node(&rows, l, i);
	return rows;
}

static json_t *nodes_of(const struct listing *l, const struct cluster_network *net)
{
	cleanup_free bool *where = resolve_where(l->cluster, net);
	json_t *list = json_array();

	for (size_t i = 0; i < l->cluster->n_nodes; i++)
		if (l->nodes[i] && where[i])
			json_array_append_new(list, jx_text(l->cluster->nodes[i].name));
	return list;
}

static struct rows make_networks(const struct listing *l)
{
	struct rows rows = { 0 };

	for (size_t i = 0; i < l->cluster->n_networks; i++) {
		const struct cluster_network *net = &l->cluster->networks[i];

		if (!l->all && !l->what->networks[i])
			continue;
		add_row(&rows, (struct row){
			.json = json_pack("{s:s, s:o, s:o, s:o, s:b, s:b, s:o}", "kind", "network",
					  "network", jx_text(net->name), "network_id",
					  jx_text(net->id), "vni", jx_count(net->vni ? net->vni : -1),
					  "encrypted", net->encrypted, "ingress", net->ingress,
					  "nodes", nodes_of(l, net)),
			.service = net->name, .node = net->id,
		});
	}
	if (rows.n)
		qsort(rows.list, rows.n, sizeof(*rows.list), compare);
	return rows;
}

static struct rows make_interfaces(const struct listing *l)
{
	cleanup_json json_t *list = listing_interfaces(l);
	struct rows rows = { 0 };
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		add_row(&rows, (struct row){ .json = json_incref(one) });
	return rows;
}

/* ---- tables ---- */

/* "app 10.0.1.5/24, other 10.0.2.7/24". Free it. */
static char *addresses_text(const json_t *row)
{
	struct buf b = BUF_INIT(CELL_MAX);
	const json_t *one;
	size_t i;

	json_array_foreach(jx_get(row, "addresses"), i, one)
		buf_addf(&b, "%s%s %s", i ? ", " : "", jx_str(one, "network", ""),
			 jx_str(one, "address", ""));
	return buf_take(&b);
}

static void head_tasks(struct table *t)
{
	table_head(t, "SERVICE", "TASK", "NODE", "STATE", "ADDRESSES", "ROUTE", NULL);
}

static void fill_task(struct table *t, const json_t *row)
{
	cleanup_free char *addresses = addresses_text(row);

	table_row(t, jx_str(row, "service", ""), jx_str(row, "task", jx_str(row, "container", "")),
		  jx_str(row, "node", ""), jx_str(row, "state", ""), addresses,
		  jx_str(row, "route", ""), NULL);
}

static void head_nodes(struct table *t)
{
	table_head(t, "NODE", "ADDRESS", "STATE", "ROLE", "NAMESPACES", "ROUTE", NULL);
}

static void fill_node(struct table *t, const json_t *row)
{
	const char *availability = jx_str(row, "availability", "");
	bool active = !strcmp(availability, "active");
	bool host = jx_bool(row, "host", false), ingress = jx_bool(row, "ingress", false);
	cleanup_free char *state = xasprintf("%s%s%s", jx_str(row, "state", ""),
					     active ? "" : ", ", active ? "" : availability);

	table_row(t, jx_str(row, "node", ""), jx_str(row, "address", ""), state,
		  jx_str(row, "role", ""),
		  host && ingress ? "host, ingress" : host ? "host" : ingress ? "ingress" : "",
		  jx_str(row, "route", ""), NULL);
}

static void head_networks(struct table *t)
{
	table_head(t, "NETWORK", "ID", "VNI", "NODES", NULL);
}

static void fill_network(struct table *t, const json_t *row)
{
	cleanup_free char *vni = xasprintf("%lld%s", (long long)jx_int(row, "vni", 0),
					   jx_bool(row, "encrypted", false) ? ", encrypted" : "");
	cleanup_free char *nodes = NULL;
	struct buf b = BUF_INIT(CELL_MAX);
	const json_t *one;
	size_t i;

	json_array_foreach(jx_get(row, "nodes"), i, one) {
		if (i < NODES_SHOWN)
			buf_addf(&b, "%s%s", i ? ", " : "", json_string_value(one));
	}
	if (i > NODES_SHOWN)
		buf_addf(&b, " and %zu more", i - NODES_SHOWN);
	nodes = buf_take(&b);
	table_row(t, jx_str(row, "network", ""), jx_str(row, "network_id", ""), vni, nodes, NULL);
}

static void head_interfaces(struct table *t)
{
	table_head(t, "NODE", "OF", "INTERFACE", "MTU", "ADDRESSES", "MAC", NULL);
}

static void fill_interface(struct table *t, const json_t *row)
{
	char mtu[TABLE_NUMBER_MAX];
	cleanup_free char *addresses = NULL;
	struct buf b = BUF_INIT(CELL_MAX);
	const json_t *one;
	size_t i;

	json_array_foreach(jx_get(row, "addresses"), i, one)
		buf_addf(&b, "%s%s", i ? ", " : "", json_string_value(one));
	addresses = buf_take(&b);
	table_row(t, jx_str(row, "node", ""), jx_str(row, "of", ""), jx_str(row, "name", ""),
		  table_number(jx_int(row, "mtu", 0), mtu), addresses, jx_str(row, "mac", ""), NULL);
}

struct layout {
	void (*head)(struct table *t);
	void (*fill)(struct table *t, const json_t *row);
};

static const struct layout tasks_layout = { head_tasks, fill_task };
static const struct layout nodes_layout = { head_nodes, fill_node };
static const struct layout interfaces_layout = { head_interfaces, fill_interface };
static const struct layout networks_layout = { head_networks, fill_network };

/* One that has no rows is left out; an empty line stands between two. */
static void print_rows(FILE *to, struct rows *rows, const struct layout *layout, size_t columns,
		       bool *first)
{
	cleanup_table struct table t = TABLE_INIT;

	if (rows->n == 0)
		return;
	layout->head(&t);
	for (size_t i = 0; i < rows->n; i++)
		layout->fill(&t, rows->list[i].json);
	table_fit(&t, columns);
	if (!*first)
		fputc('\n', to);
	*first = false;
	table_print(&t, to);
}

void listing_print(FILE *to, const struct listing *l, size_t columns)
{
	cleanup(rows_release) struct rows tasks = make_tasks(l), nodes = make_nodes(l),
					  networks = make_networks(l),
					  interfaces = make_interfaces(l);
	bool first = true;

	print_rows(to, &tasks, &tasks_layout, columns, &first);
	print_rows(to, &nodes, &nodes_layout, columns, &first);
	print_rows(to, &networks, &networks_layout, columns, &first);
	print_rows(to, &interfaces, &interfaces_layout, columns, &first);
}

static void print_lines(FILE *to, const struct rows *rows)
{
	for (size_t i = 0; i < rows->n; i++) {
		cleanup_free char *line = jx_dump(rows->list[i].json);

		fprintf(to, "%s\n", line);
	}
}

void listing_print_json(FILE *to, const struct listing *l)
{
	cleanup(rows_release) struct rows tasks = make_tasks(l), nodes = make_nodes(l),
					  networks = make_networks(l),
					  interfaces = make_interfaces(l);

	print_lines(to, &tasks);
	print_lines(to, &nodes);
	print_lines(to, &networks);
	print_lines(to, &interfaces);
}
