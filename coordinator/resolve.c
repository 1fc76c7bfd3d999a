/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.c - which services, tasks, containers, nodes and networks the selectors mean; pure
 *
 * Names are matched as Docker does: the full id, the full name, a unique beginning of an id.
 */
#include "resolve.h"

#include "names.h"
#include "selector.h"

#include <errno.h>
#include <string.h>

struct marks {
	bool *in, *out;
	size_t n;
};

struct work {
	const struct cluster *c;
	bool members;
	struct marks services, tasks, named, containers, hosts, ingress, networks;
	struct marks vxlan;		/* node * networks + network */
	bool path;
};

/* ---- marks ---- */

static struct marks marks_new(size_t n)
{
	return (struct marks){ xcalloc(n + 1, sizeof(bool)), xcalloc(n + 1, sizeof(bool)), n };
}

static void mark(struct marks *m, size_t i, bool exclude)
{
	(exclude ? m->out : m->in)[i] = true;
}

/* What is left of it, for the caller. */
static bool *marks_end(struct marks *m)
{
	for (size_t i = 0; i < m->n; i++)
		m->in[i] = m->in[i] && !m->out[i];
	free(m->out);
	return m->in;
}

static void marks_drop(struct marks *m)
{
	free(m->in);
	free(m->out);
}

/* ---- one name among many ---- */

struct item {
	const char *id, *name;
};

typedef struct item get_item(const struct cluster *c, size_t i);

static struct item service_item(const struct cluster *c, size_t i)
{
	return (struct item){ c->services[i].id, c->services[i].name };
}

static struct item node_item(const struct cluster *c, size_t i)
{
	return (struct item){ c->nodes[i].id, c->nodes[i].name };
}

static struct item network_item(const struct cluster *c, size_t i)
{
	return (struct item){ c->networks[i].id, c->networks[i].name };
}

static struct item container_item(const struct cluster *c, size_t i)
{
	return (struct item){ c->containers[i].id, c->containers[i].name };
}

enum pass { BY_PATTERN, BY_ID, BY_NAME, BY_ID_BEGIN };

static bool fits(enum pass by, const char *name, const struct item *item)
{
	switch (by) {
	case BY_PATTERN:
		return selector_glob(name, item->name);
	case BY_ID:
		return strcmp(item->id, name) == 0;
	case BY_NAME:
		return strcmp(item->name, name) == 0;
	default:
		return str_starts(item->id, name);
	}
}

static size_t mark_pass(struct work *w, struct marks *m, get_item *get, const struct selector *s,
			enum pass by)
{
	size_t found = 0;

	for (size_t i = 0; i < m->n; i++) {
		struct item item = get(w->c, i);

		if (!fits(by, s->name, &item))
			continue;
		mark(m, i, s->exclude);
		found++;
	}
	return found;
}

/* How many it means; -EINVAL: one name of several. */
static int mark_items(struct work *w, struct marks *m, get_item *get, const struct selector *s,
		      struct err *err)
{
	static const char *const of[] = { [BY_NAME] = "the name", [BY_ID_BEGIN] = "the beginning" };

	if (s->glob)
		return (int)mark_pass(w, m, get, s, BY_PATTERN);
	for (enum pass by = BY_ID; by <= BY_ID_BEGIN; by++) {
		size_t found = mark_pass(w, m, get, s, by);

		if (found > 1)
			return err_set(err, -EINVAL, "'%s' is %s of several %ss%s", s->name, of[by],
				       selector_kind_text(s->kind),
				       by == BY_NAME ? ": name one by its id" : "' ids");
		if (found)
			return 1;
	}
	return 0;
}

/* ---- kinds ---- */

static int mark_stack(struct work *w, const struct selector *s)
{
	int found = 0;

	for (size_t i = 0; i < w->c->n_services; i++) {
		const char *stack = w->c->services[i].stack;

		if (!stack || !(s->glob ? selector_glob(s->name, stack) : !strcmp(s->name, stack)))
			continue;
		mark(&w->services, i, s->exclude);
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
	mark(&w->tasks, i, exclude);
	mark(&w->named, i, exclude);
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
	int found = mark_items(w, &w->containers, container_item, s, err);

	return found ? found : mark_task_container(w, s, err);
}

static int mark_ingress(struct work *w, const struct selector *s)
{
	for (size_t i = 0; i < w->c->n_nodes; i++)
		mark(&w->ingress, i, s->exclude);
	return 1;
}

static bool has_network(const struct wire_network *list, size_t n, const char *id)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].id && strcmp(list[i].id, id) == 0)
			return true;
	return false;
}

static void mark_members(struct work *w, const char *id, bool exclude)
{
	const struct cluster *c = w->c;

	for (size_t i = 0; i < c->n_tasks; i++)
		if (cluster_task_runs(c, &c->tasks[i]) &&
		    has_network(c->tasks[i].networks, c->tasks[i].n_networks, id))
			mark(&w->tasks, i, exclude);
	for (size_t i = 0; i < c->n_containers; i++)
		if (has_network(c->containers[i].networks, c->containers[i].n_networks, id))
			mark(&w->containers, i, exclude);
}

static int mark_networks(struct work *w, const struct selector *s, struct err *err)
{
	const struct cluster *c = w->c;
	/* its own marks first: members are those of this selector's networks */
	struct marks own = marks_new(c->n_networks);
	int found = mark_items(w, &own, network_item, s, err);

	for (size_t i = 0; i < c->n_networks && found > 0; i++) {
		if (!own.in[i] && !own.out[i])
			continue;
		mark(&w->networks, i, s->exclude);
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
	int found = mark_items(w, &own, network_item, s, err);

	for (size_t k = 0; k < c->n_networks && found > 0; k++)
		for (size_t i = 0; i < c->n_nodes && (own.in[k] || own.out[k]); i++)
			if (resolve_on_node(c, &c->networks[k], c->nodes[i].id))
				mark(&w->vxlan, i * c->n_networks + k, s->exclude);
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
		mark(&w->networks, k, exclude);
		mark(&w->vxlan, (size_t)(n - c->nodes) * c->n_networks + k, exclude);
	}
}

static int mark_path(struct work *w, const struct selector *s, struct err *err)
{
	const struct cluster *c = w->c;
	struct marks own = marks_new(c->n_services);
	int found = mark_items(w, &own, service_item, s, err);

	for (size_t i = 0; i < c->n_services && found > 0; i++) {
		if (!own.in[i] && !own.out[i])
			continue;
		mark(&w->services, i, s->exclude);
		for (size_t k = 0; k < c->n_tasks; k++)
			if (cluster_service(c, c->tasks[k].service_id) == &c->services[i] &&
			    cluster_task_runs(c, &c->tasks[k]))
				mark_task_path(w, &c->tasks[k], s->exclude);
		if (c->services[i].published)
			mark_ingress(w, s);
	}
	w->path = true;
	marks_drop(&own);
	return found;
}

static int mark_one(struct work *w, const struct selector *s, struct err *err)
{
	switch (s->kind) {
	case SELECTOR_SERVICE:
		return mark_items(w, &w->services, service_item, s, err);
	case SELECTOR_STACK:
		return mark_stack(w, s);
	case SELECTOR_TASK:
		return mark_tasks(w, s, err);
	case SELECTOR_CONTAINER:
		return mark_containers(w, s, err);
	case SELECTOR_NODE:
		return mark_items(w, &w->hosts, node_item, s, err);
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
		err_set(err, -ENOENT, "there is no service '%s' in this Swarm", s->name);
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
			found = mark_one(w, &s, err);
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
	if (!s.glob && mark_pass(w, &w->hosts, node_item, &s, BY_NAME))
		return 0;
	switch (mark_items(w, &w->hosts, node_item, &s, err)) {
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

bool resolve_on_node(const struct cluster *c, const struct cluster_network *n, const char *node_id)
{
	if (n->ingress)
		return true;
	for (size_t i = 0; i < c->n_tasks; i++)
		if (strcmp(c->tasks[i].node_id, node_id) == 0 &&
		    cluster_task_runs(c, &c->tasks[i]) &&
		    has_network(c->tasks[i].networks, c->tasks[i].n_networks, n->id))
			return true;
	for (size_t i = 0; i < c->n_containers; i++)
		if (strcmp(c->containers[i].node_id, node_id) == 0 && c->containers[i].running &&
		    has_network(c->containers[i].networks, c->containers[i].n_networks, n->id))
			return true;
	return false;
}
