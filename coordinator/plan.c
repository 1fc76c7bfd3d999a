/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.c - who does what: targets grouped by node, named, limited; pure
 */
#include "plan.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HOST_MAX 100 /* bytes of a host's name in file names, before what makes it unique */
#define ID_CUT 6

/* ---- lists ---- */

void missing_add(struct missing_list *l, const char *what, const char *node, const char *reason,
		 const char *error)
{
	l->items = xrealloc(l->items, l->n + 1, sizeof(*l->items));
	l->items[l->n++] = (struct missing){
		.what = xstrdup(what), .node = xstrdup_null(node), .reason = xstrdup(reason),
		.error = xstrdup_null(error),
	};
}

void missing_release(struct missing_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		free(l->items[i].what);
		free(l->items[i].node);
		free(l->items[i].reason);
		free(l->items[i].error);
	}
	free(l->items);
	*l = (struct missing_list){ 0 };
}

void plan_note(struct plan *p, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		util_out_of_memory();
	va_end(ap);
	p->notes = xrealloc(p->notes, p->n_notes + 1, sizeof(*p->notes));
	p->notes[p->n_notes++] = text;
}

/* ---- nodes ---- */

static int compare_nodes(const void *pa, const void *pb)
{
	const struct plan_node *a = pa, *b = pb;
	int d = strcmp(a->name, b->name);

	return d ? d : strcmp(a->id, b->id);
}

static struct plan_node *find_node(struct plan *p, const char *id)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		if (strcmp(p->nodes[i].id, id) == 0)
			return &p->nodes[i];
	return NULL;
}

static void begin_node(struct plan_node *out, const struct cluster_node *n)
{
	*out = (struct plan_node){
		.id = xstrdup(n->id), .name = xstrdup(n->name), .address = xstrdup(n->address),
		.route = "agent",
	};
}

static struct plan_node *add_node(struct plan *p, const struct cluster_node *n)
{
	p->nodes = xrealloc(p->nodes, p->n_nodes + 1, sizeof(*p->nodes));
	begin_node(&p->nodes[p->n_nodes], n);
	return &p->nodes[p->n_nodes++];
}

/* Moves *t to its node, or to missing when the node has its fill. */
static void place_target(struct plan *p, const struct cluster *c, struct target *t)
{
	struct plan_node *n = find_node(p, t->node_id);

	if (!n)
		n = add_node(p, cluster_node(c, t->node_id));
	if (n->n_targets == WIRE_TARGETS_MAX) {
		cleanup_free char *what = target_what(t);

		missing_add(&p->missing, what, n->name, "too-many",
			    "more targets than one node can capture at once");
		target_release(t);
		return;
	}
	n->targets = xrealloc(n->targets, n->n_targets + 1, sizeof(*n->targets));
	n->targets[n->n_targets++] = *t;
	*t = (struct target){ 0 };
}

/* Compared with all nodes of the cluster: a node's file names do not depend on the selection. */
static bool is_shared(const struct cluster *c, const char *clean, const char *id, size_t id_len)
{
	for (size_t i = 0; i < c->n_nodes; i++) {
		cleanup_free char *other = names_clean(c->nodes[i].name, HOST_MAX);

		if (strcmp(c->nodes[i].id, id) != 0 && strcasecmp(other, clean) == 0 &&
		    strncmp(c->nodes[i].id, id, id_len) == 0)
			return true;
	}
	return false;
}

static char *file_host(const struct cluster *c, const struct plan_node *n)
{
	char *clean = names_clean(n->name, HOST_MAX), *unique;
	int len = ID_CUT;

	if (!is_shared(c, clean, n->id, 0))
		return clean;
	if (is_shared(c, clean, n->id, ID_CUT))
		len = (int)strlen(n->id);

	unique = xasprintf("%s_%.*s", clean, len, n->id);
	free(clean);
	return unique;
}

/* ---- hosts ---- */

/* A host with its address as it is compared, which is read once. */
struct sorted_host {
	struct wire_host host;
	int family;
	unsigned char bytes[16];
};

static int compare_hosts(const void *pa, const void *pb)
{
	const struct sorted_host *a = pa, *b = pb;
	int d = a->family - b->family;

	if (d == 0)
		d = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	if (d == 0)
		d = strcmp(a->host.address, b->host.address);
	return d ? d : strcmp(a->host.name, b->host.name);
}

static struct sorted_host *sort_hosts(const struct wire_host *list, size_t n)
{
	struct sorted_host *out = xcalloc(n, sizeof(*out));

	for (size_t i = 0; i < n; i++) {
		out[i].host = list[i];
		out[i].family = strchr(list[i].address, ':') ? AF_INET6 : AF_INET;
		inet_pton(out[i].family, list[i].address, out[i].bytes);
	}
	qsort(out, n, sizeof(*out), compare_hosts);
	return out;
}

static void add_hosts(struct plan *p, const struct target *t)
{
	for (size_t i = 0; i < t->n_networks; i++) {
		const struct wire_network *n = &t->networks[i];

		p->hosts = xrealloc(p->hosts, p->n_hosts + n->n_addresses, sizeof(*p->hosts));
		for (size_t j = 0; j < n->n_addresses; j++) {
			int len = (int)strcspn(n->addresses[j], "/");

			p->hosts[p->n_hosts++] = (struct wire_host){
				xasprintf("%.*s", len, n->addresses[j]), xstrdup(t->key),
			};
		}
	}
}

static void release_host(struct wire_host *h)
{
	free(h->address);
	free(h->name);
}

static void make_hosts(struct plan *p)
{
	cleanup_free struct sorted_host *list = NULL;
	size_t n = 0;

	for (size_t i = 0; i < p->n_nodes; i++)
		for (size_t j = 0; j < p->nodes[i].n_targets; j++)
			add_hosts(p, &p->nodes[i].targets[j]);
	if (p->n_hosts == 0)
		return;

	list = sort_hosts(p->hosts, p->n_hosts);
	for (size_t i = 0; i < p->n_hosts; i++) {
		if (n == WIRE_HOSTS_MAX || (n && compare_hosts(&list[n - 1], &list[i]) == 0))
			release_host(&list[i].host);
		else
			list[n++] = list[i];
	}
	for (size_t i = 0; i < n; i++)
		p->hosts[i] = list[i].host;
	p->n_hosts = n;
	if (n == WIRE_HOSTS_MAX)
		plan_note(p, "only the first %d addresses have names", WIRE_HOSTS_MAX);
}

/* ---- the plan ---- */

void plan_node_make(struct plan_node *out, const struct cluster_node *n, const struct cluster *c)
{
	begin_node(out, n);
	out->file_host = file_host(c, out);
	out->routes[out->n_routes++] = ROUTE_AGENT;
}

void plan_finish(struct plan *p)
{
	if (p->n_nodes > 0)
		qsort(p->nodes, p->n_nodes, sizeof(*p->nodes), compare_nodes);
	make_hosts(p);
}

int plan_make(const struct request *r, const struct cluster *c, const char *id, struct plan *out,
	      struct err *err)
{
	cleanup_free struct target *targets = NULL;
	size_t n = 0;
	int rc = select_targets(r, c, &targets, &n, out, err);

	snprintf(out->id, sizeof(out->id), "%s", id);
	for (size_t i = 0; i < n; i++)
		place_target(out, c, &targets[i]);
	if (rc != 0)
		return rc;

	for (size_t i = 0; i < out->n_nodes; i++)
		out->nodes[i].file_host = file_host(c, &out->nodes[i]);
	plan_finish(out);
	return 0;
}

void plan_all_nodes(struct plan *p, const struct cluster *c)
{
	for (size_t i = 0; i < c->n_nodes; i++)
		if (strcmp(c->nodes[i].state, "down") != 0 && *c->nodes[i].address)
			add_node(p, &c->nodes[i])->file_host = xstrdup("-");
}

size_t plan_targets(const struct plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->n_nodes; i++)
		n += p->nodes[i].n_targets;
	return n;
}

char *target_what(const struct target *t)
{
	const char *name = t->n_networks ? t->networks[0].name : t->key;

	switch (t->kind) {
	case WIRE_TASK:
		return xasprintf("task %s", t->task ? t->task : t->key);
	case WIRE_CONTAINER:
		return xasprintf("container %s", t->key);
	case WIRE_NETWORK:
	case WIRE_LB:
		return xasprintf("%s %s", wire_kind_text(t->kind), name);
	default:
		return xstrdup(wire_kind_text(t->kind));
	}
}

json_t *target_names(const struct target *t)
{
	cleanup_free char *what = target_what(t);
	json_t *names = json_pack("[o]", jx_text(what));

	for (size_t i = 0; i < t->n_also; i++)
		json_array_append_new(names, jx_text(t->also[i]));
	return names;
}

/* ---- the end ---- */

void target_release(struct target *t)
{
	for (size_t i = 0; i < t->n_also; i++)
		free(t->also[i]);
	free(t->also);
	free(t->filter);
	cluster_release_networks(t->networks, t->n_networks);
	free(t->key);
	free(t->service);
	free(t->service_id);
	free(t->task);
	free(t->task_id);
	free(t->container_id);
	free(t->image);
	free(t->node_id);
	*t = (struct target){ 0 };
}

void plan_node_release(struct plan_node *n)
{
	for (size_t i = 0; i < n->n_targets; i++)
		target_release(&n->targets[i]);
	for (size_t i = 0; i < n->n_notes; i++)
		free(n->notes[i]);
	free(n->notes);
	free(n->targets);
	free(n->id);
	free(n->name);
	free(n->address);
	free(n->file_host);
}

void plan_release(struct plan *p)
{
	for (size_t i = 0; i < p->n_nodes; i++)
		plan_node_release(&p->nodes[i]);
	for (size_t i = 0; i < p->n_notes; i++)
		free(p->notes[i]);
	for (size_t i = 0; i < p->n_hosts; i++)
		release_host(&p->hosts[i]);
	wire_services_release(p->follow, p->n_follow);
	free(p->nodes);
	free(p->notes);
	free(p->hosts);
	missing_release(&p->missing);
	json_decref(p->kept);
	*p = (struct plan)PLAN_INIT;
}
