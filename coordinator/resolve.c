/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.c - which services, tasks, containers, nodes and networks the selectors mean; pure
 */
#include "resolve_parts.h"

#include <errno.h>
#include <string.h>

/* ---- all of them ---- */

static int unknown(const struct work *w, const struct selector *s, struct err *err)
{
	const char *kind = selector_kind_text(s->kind);

	if (s->glob)
		err_set(err, -ENOENT, "no %s's name matches '%s'", kind, s->name);
	else if (s->kind == SELECTOR_CONTAINER)
		err_set(err, -ENOENT, "there is no container '%s' on %s, and none of this id in a "
			"task or on an overlay", s->name, w->c->self_name);
	else if (s->kind == SELECTOR_PATH)
		err_set(err, -ENOENT, "there is no service '%s' in this Swarm: 'swarmcap ls' lists "
			"those that there are", s->name);
	else if (s->kind == SELECTOR_NETWORK || s->kind == SELECTOR_VXLAN)
		err_set(err, -ENOENT, "there is no overlay network '%s' in this Swarm (bridges and "
			"the like: see their node's interfaces with node:)", s->name);
	else
		err_set(err, -ENOENT, "there is no %s '%s' in this Swarm", kind, s->name);
	return CLUSTER_E_UNKNOWN;
}

static int mark_all(struct work *w, char *const *selectors, size_t n, struct err *err)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct selector s;
		int found = selector_parse(selectors[i], &s, err);

		if (found == 0)
			found = resolve_one(w, &s, err);
		if (found < 0)
			return found;
		if (found == 0 && !(s.glob && s.exclude))
			return unknown(w, &s, err);
		any |= !s.exclude;
	}
	for (size_t i = 0; !any && i < w->c->n_services; i++)
		w->services.in[i] = true;
	return 0;
}

/* What is said of a service holds for each of its tasks, of a host for what it carries. */
static void pass_on(struct work *w)
{
	const struct cluster *c = w->c;

	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_service *s = cluster_service(c, c->tasks[i].service_id);

		if (!s)
			continue;
		w->tasks.in[i] |= w->services.in[s - c->services];
		w->tasks.out[i] |= w->services.out[s - c->services];
	}
	for (size_t i = 0; i < w->vxlan.n; i++)
		w->vxlan.out[i] |= w->hosts.out[i / c->n_networks];
}

int resolve(char *const *selectors, size_t n, bool members, const struct cluster *c,
	    struct resolved *out, struct err *err)
{
	struct work w = {
		.c = c, .members = members, .services = marks_new(c->n_services),
		.tasks = marks_new(c->n_tasks), .named = marks_new(c->n_tasks),
		.containers = marks_new(c->n_containers), .hosts = marks_new(c->n_nodes),
		.ingress = marks_new(c->n_nodes), .networks = marks_new(c->n_networks),
		.vxlan = marks_new(c->n_nodes * c->n_networks),
	};
	int rc = mark_all(&w, selectors, n, err);

	pass_on(&w);
	*out = (struct resolved){
		.services = marks_end(&w.services), .tasks = marks_end(&w.tasks),
		.named = marks_end(&w.named), .containers = marks_end(&w.containers),
		.hosts = marks_end(&w.hosts), .ingress = marks_end(&w.ingress),
		.networks = marks_end(&w.networks), .vxlan = marks_end(&w.vxlan),
		.path = w.path,
	};
	return rc;
}

void resolved_release(struct resolved *r)
{
	free(r->services);
	free(r->tasks);
	free(r->named);
	free(r->containers);
	free(r->hosts);
	free(r->ingress);
	free(r->networks);
	free(r->vxlan);
	*r = (struct resolved)RESOLVED_INIT;
}

int resolve_check(char *const *selectors, size_t n, const struct cluster *c, struct err *err)
{
	struct resolved r;
	int rc = resolve(selectors, n, false, c, &r, err);

	resolved_release(&r);
	return rc;
}

/* ---- nodes ---- */

/* One name of a list; hosts that share it are all meant. */
static int mark_node(struct work *w, const char *name, bool *any, struct err *err)
{
	struct selector s = { .kind = SELECTOR_NODE, .exclude = *name == '!' };

	s.name = name + s.exclude;
	s.glob = selector_is_glob(s.name);
	*any |= !s.exclude;
	if (!s.glob && marks_by_name(w, &w->hosts, marks_node, &s))
		return 0;
	switch (marks_find(w, &w->hosts, marks_node, &s, err)) {
	case 0:
		return unknown(w, &s, err);
	case -EINVAL:
		return -EINVAL;
	default:
		return 0;
	}
}

bool *resolve_nodes(const char *const *lists, size_t n, const struct cluster *c, int *rc,
		    struct err *err)
{
	struct work w = { .c = c, .hosts = marks_new(c->n_nodes) };
	bool any = false;

	*rc = 0;
	for (size_t i = 0; i < n && *rc == 0; i++) {
		cleanup_free char *copy = xstrdup(lists[i]);
		char *rest = copy, *name;

		while (*rc == 0 && (name = strsep(&rest, ",")))
			*rc = mark_node(&w, name, &any, err);
	}
	if (*rc) {
		marks_drop(&w.hosts);
		return NULL;
	}
	for (size_t i = 0; i < c->n_nodes && !any; i++)
		w.hosts.in[i] = true;
	return marks_end(&w.hosts);
}
