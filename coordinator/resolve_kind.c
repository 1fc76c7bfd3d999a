/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve_kind.c - what a selector of each kind means; pure
 */
#include "resolve_parts.h"

#include "names.h"

#include <errno.h>
#include <string.h>

static int mark_stack(struct work *w, const struct selector *s)
{
	int found = 0;

	for (size_t i = 0; i < w->c->n_services; i++) {
		const char *stack = w->c->services[i].stack;

		if (!stack || !(s->glob ? selector_glob(s->name, stack) : !strcmp(s->name, stack)))
			continue;
		marks_set(&w->services, i, s->exclude);
		found++;
	}
	return found;
}

static bool matches(const struct selector *s, const char *name)
{
	return s->glob ? selector_glob(s->name, name) : strcmp(s->name, name) == 0;
}

/* "web.3", "web.3.<id>", "web.3.<6 of it>"; of a global service "web.<node's name>" too. */
static bool is_task(const struct work *w, const struct selector *s, const struct cluster_task *t)
{
	const struct cluster_service *v = cluster_service(w->c, t->service_id);
	const struct cluster_node *n = cluster_node(w->c, t->node_id);
	cleanup_free char *place = NULL, *full = NULL, *cut = NULL, *host = NULL;

	if (!v)
		return false;
	if (t->slot > 0)
		place = xasprintf("%s.%lld", v->name, (long long)t->slot);
	else
		place = xasprintf("%s.%s", v->name, t->node_id);
	full = xasprintf("%s.%s", place, t->id);
	cut = names_task(v->name, t->slot, t->node_id, t->id);
	if (t->slot == 0 && n)
		host = xasprintf("%s.%s", v->name, n->name);
	return matches(s, place) || matches(s, full) || matches(s, cut) || (host && matches(s, host));
}

static void mark_task(struct work *w, size_t i, bool exclude)
{
	marks_set(&w->tasks, i, exclude);
	marks_set(&w->named, i, exclude);
}

/* By id those that are dead count too: then it is said that it does not run. */
static int mark_tasks(struct work *w, const struct selector *s, struct err *err)
{
	size_t found = 0, begins = 0, last = 0;

	for (size_t i = 0; i < w->c->n_tasks; i++) {
		const struct cluster_task *t = &w->c->tasks[i];

		if (is_task(w, s, t) || strcmp(t->id, s->name) == 0) {
			mark_task(w, i, s->exclude);
			found++;
		} else if (!s->glob && str_starts(t->id, s->name)) {
			last = i;
			begins++;
		}
	}
	if (found || begins == 0)
		return (int)found;
	if (begins > 1)
		return err_set(err, -EINVAL, "'%s' is the beginning of several tasks' ids", s->name);
	mark_task(w, last, s->exclude);
	return 1;
}

/* Of a task anywhere, by its container's id. */
static int mark_task_container(struct work *w, const struct selector *s, struct err *err)
{
	size_t found = 0;

	for (size_t i = 0; i < w->c->n_tasks && !s->glob; i++) {
		if (!str_starts(w->c->tasks[i].container_id, s->name))
			continue;
		mark_task(w, i, s->exclude);
		found++;
	}
	if (found > 1)
		return err_set(err, -EINVAL, "'%s' is the beginning of several containers' ids",
			       s->name);
	return (int)found;
}

static int mark_containers(struct work *w, const struct selector *s, struct err *err)
{
	int found = marks_find(w, &w->containers, marks_container, s, err);

	return found ? found : mark_task_container(w, s, err);
}

static int mark_ingress(struct work *w, const struct selector *s)
{
	for (size_t i = 0; i < w->c->n_nodes; i++)
		marks_set(&w->ingress, i, s->exclude);
	return 1;
}

static bool has_network(const struct wire_network *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].id && strcmp(list[i].id, id) == 0)
			return true;
	return false;
}

static void mark_place(const struct cluster *c, const char *node_id, bool *where)
{
	const struct cluster_node *n = cluster_node(c, node_id);

	if (n)
		where[n - c->nodes] = true;
}

bool *resolve_where(const struct cluster *c, const struct cluster_network *n)
{
	bool *where = xcalloc(c->n_nodes + 1, sizeof(*where));

	for (size_t i = 0; i < c->n_nodes; i++)
		where[i] = n->ingress;
	for (size_t i = 0; i < c->n_tasks && !n->ingress; i++)
		if (has_network(c->tasks[i].networks, c->tasks[i].n_networks, n->id) &&
		    cluster_task_runs(c, &c->tasks[i]))
			mark_place(c, c->tasks[i].node_id, where);
	for (size_t i = 0; i < c->n_containers && !n->ingress; i++)
		if (c->containers[i].running &&
		    has_network(c->containers[i].networks, c->containers[i].n_networks, n->id))
			mark_place(c, c->containers[i].node_id, where);
	return where;
}

static void mark_members(struct work *w, const char *id, bool exclude)
{
	const struct cluster *c = w->c;

	for (size_t i = 0; i < c->n_tasks; i++)
		if (cluster_task_runs(c, &c->tasks[i]) &&
		    has_network(c->tasks[i].networks, c->tasks[i].n_networks, id))
			marks_set(&w->tasks, i, exclude);
	for (size_t i = 0; i < c->n_containers; i++)
		if (has_network(c->containers[i].networks, c->containers[i].n_networks, id))
			marks_set(&w->containers, i, exclude);
}

static int mark_networks(struct work *w, const struct selector *s, struct err *err)
{
	const struct cluster *c = w->c;
	/* its own marks first: members are those of this selector's networks */
	struct marks own = marks_new(c->n_networks);
	int found = marks_find(w, &own, marks_network, s, err);

	for (size_t i = 0; i < c->n_networks && found > 0; i++) {
		if (!own.in[i] && !own.out[i])
			continue;
		marks_set(&w->networks, i, s->exclude);
		if (w->members)
			mark_members(w, c->networks[i].id, s->exclude);
	}
	marks_drop(&own);
	return found;
}

static int mark_vxlan(struct work *w, const struct selector *s, struct err *err)
{
	const struct cluster *c = w->c;
	struct marks own = marks_new(c->n_networks);
	int found = marks_find(w, &own, marks_network, s, err);

	for (size_t k = 0; k < c->n_networks && found > 0; k++) {
		cleanup_free bool *where = NULL;

		if (!own.in[k] && !own.out[k])
			continue;
		where = resolve_where(c, &c->networks[k]);
		for (size_t i = 0; i < c->n_nodes; i++)
			if (where[i])
				marks_set(&w->vxlan, i * c->n_networks + k, s->exclude);
	}
	marks_drop(&own);
	return found;
}

/* Its overlays wherever they are, and their VXLAN on the hosts that run it. */
static void mark_task_path(struct work *w, const struct cluster_task *t, bool exclude)
{
	const struct cluster *c = w->c;
	const struct cluster_node *n = cluster_node(c, t->node_id);

	for (size_t k = 0; k < c->n_networks && n; k++) {
		if (!has_network(t->networks, t->n_networks, c->networks[k].id))
			continue;
		marks_set(&w->networks, k, exclude);
		marks_set(&w->vxlan, (size_t)(n - c->nodes) * c->n_networks + k, exclude);
	}
}

static int mark_path(struct work *w, const struct selector *s, struct err *err)
{
	const struct cluster *c = w->c;
	struct marks own = marks_new(c->n_services);
	int found = marks_find(w, &own, marks_service, s, err);

	for (size_t i = 0; i < c->n_services && found > 0; i++) {
		if (!own.in[i] && !own.out[i])
			continue;
		marks_set(&w->services, i, s->exclude);
		for (size_t k = 0; k < c->n_tasks; k++)
			if (strcmp(c->tasks[k].service_id, c->services[i].id) == 0 &&
			    cluster_task_runs(c, &c->tasks[k]))
				mark_task_path(w, &c->tasks[k], s->exclude);
		if (c->services[i].published)
			mark_ingress(w, s);
	}
	w->path = true;
	marks_drop(&own);
	return found;
}

int resolve_one(struct work *w, const struct selector *s, struct err *err)
{
	switch (s->kind) {
	case SELECTOR_SERVICE:
		return marks_find(w, &w->services, marks_service, s, err);
	case SELECTOR_STACK:
		return mark_stack(w, s);
	case SELECTOR_TASK:
		return mark_tasks(w, s, err);
	case SELECTOR_CONTAINER:
		return mark_containers(w, s, err);
	case SELECTOR_NODE:
		return marks_find(w, &w->hosts, marks_node, s, err);
	case SELECTOR_NETWORK:
		return mark_networks(w, s, err);
	case SELECTOR_VXLAN:
		return mark_vxlan(w, s, err);
	case SELECTOR_PATH:
		return mark_path(w, s, err);
	default:
		return mark_ingress(w, s);
	}
}
