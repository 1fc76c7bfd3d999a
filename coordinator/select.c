/* SPDX-License-Identifier: Apache-2.0
 *
 * select.c - who is meant: services and their tasks become targets, or are missing; pure
 *
 * Swarm never restarts a container: what people call "web.3" is a slot in which one task
 * follows the other, and Docker lists the dead ones too. So tasks are looked at slot by slot
 * (of a global service: node by node), and the best that a slot has decides:
 *
 *	RUNS	each running task is a target, or missing when its node is out of reach
 *	WANTED	it should run and does not (yet): missing, "not-running"
 *	LOST	it ran on a node that is down and nothing took its place: missing, "node-down"
 *	WAITS	a replacement that Swarm holds back, as of a task that fails again and again: a note
 *	PAST	history: nothing
 *
 * WANTED and WAITS speak of a service of which something runs; one without is a note as a whole.
 * A node that is down still has tasks that "run": only the node's state tells.
 */
#include "plan.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

#define KEY_MAX 128
#define KEY_SERVICE_MAX 96		/* leaves room for slot and task in a key */

enum fate { RUNS, WANTED, LOST, WAITS, PAST };

struct candidate {
	const struct cluster_task *task;
	const struct cluster_service *service;
	const struct cluster_node *node;	/* NULL: none, or not known */
	enum fate fate;
};

struct selection {
	const struct cluster *cluster;
	struct plan *plan;
	struct target *targets;
	size_t n;
	json_t *keys;
	bool *alive;			/* per service: a task of it runs */
};

/* ---- services ---- */

static ssize_t find_service(const struct cluster *c, const char *selector)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (strcmp(c->services[i].id, selector) == 0)
			return (ssize_t)i;
	for (size_t i = 0; i < c->n_services; i++)
		if (strcmp(c->services[i].name, selector) == 0)
			return (ssize_t)i;
	for (size_t i = 0; i < c->n_services; i++)
		if (str_starts(c->services[i].id, selector))
			return (ssize_t)i;
	return -1;
}

static bool *select_services(const struct request *r, const struct cluster *c)
{
	bool *selected = xcalloc(c->n_services, sizeof(*selected));

	for (size_t i = 0; i < c->n_services && r->n_selectors == 0; i++)
		selected[i] = true;
	for (size_t i = 0; i < r->n_selectors; i++) {
		ssize_t at = find_service(c, r->selectors[i]);

		if (at >= 0)
			selected[at] = true;
	}
	return selected;
}

/* ---- tasks ---- */

/*
 * A manager that has just become the leader calls every node "unknown" until it hears from it: they are
 * asked, and who is really gone does not answer.
 */
static bool is_down(const struct cluster_node *n)
{
	return !n || (strcmp(n->state, "ready") != 0 && strcmp(n->state, "unknown") != 0);
}

static enum fate find_fate(const struct cluster *c, const struct candidate *a)
{
	const struct cluster_task *t = a->task;
	bool job = a->service->job_iteration >= 0;

	if (cluster_task_runs(c, t))
		return RUNS;
	if (cluster_task_ended(t) || (job && t->job_iteration != a->service->job_iteration))
		return PAST;
	if (strcmp(t->desired, job ? "complete" : "running") == 0)
		return WANTED;
	if (strcmp(t->desired, "ready") == 0)
		return WAITS;
	if (strcmp(t->desired, "shutdown") == 0 && strcmp(t->state, "running") == 0 &&
	    is_down(a->node))
		return LOST;
	return PAST;
}

/* Orders by service and slot; 0 within a slot. */
static int compare_slots(const struct candidate *a, const struct candidate *b)
{
	int d = strcmp(a->service->name, b->service->name);

	if (d == 0)
		d = strcmp(a->service->id, b->service->id);
	if (d == 0)
		d = (a->task->slot > b->task->slot) - (a->task->slot < b->task->slot);
	if (d == 0 && a->task->slot == 0)
		d = strcmp(a->node ? a->node->name : "", b->node ? b->node->name : "");
	if (d == 0 && a->task->slot == 0)
		d = strcmp(a->task->node_id, b->task->node_id);
	return d;
}

static int compare_candidates(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;
	int d = compare_slots(a, b);

	if (d == 0)
		d = (int)a->fate - (int)b->fate;
	return d ? d : strcmp(a->task->id, b->task->id);
}

static struct candidate *find_candidates(const struct cluster *c, const bool *selected,
					 size_t *n_out)
{
	struct candidate *list = xcalloc(c->n_tasks, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_task *t = &c->tasks[i];
		const struct cluster_service *s = cluster_service(c, t->service_id);

		if (!s || !selected[s - c->services])
			continue;
		list[n] = (struct candidate){ t, s, cluster_node(c, t->node_id), PAST };
		list[n].fate = find_fate(c, &list[n]);
		n++;
	}
	qsort(list, n, sizeof(*list), compare_candidates);
	*n_out = n;
	return list;
}

static bool *find_alive(const struct cluster *c, const struct candidate *list, size_t n)
{
	bool *alive = xcalloc(c->n_services, sizeof(*alive));

	for (size_t i = 0; i < n; i++)
		if (list[i].fate == RUNS)
			alive[list[i].service - c->services] = true;
	return alive;
}

/* ---- targets ---- */

/* "web.3"; of a global service "web.<node id>", as docker service ps has it. */
static char *task_name(const struct candidate *a)
{
	if (a->task->slot > 0)
		return xasprintf("%s.%lld", a->service->name, (long long)a->task->slot);
	return xasprintf("%s.%s", a->service->name, a->task->node_id);
}

static char *unique_key(struct selection *s, const char *name)
{
	char *key = names_clean(name, KEY_MAX);

	for (unsigned int i = 2; json_object_get(s->keys, key); i++) {
		free(key);
		key = xasprintf("%.*s_%u", KEY_MAX - 16, name, i);
	}
	json_object_set_new(s->keys, key, json_true());
	return key;
}

static void add_target(struct selection *s, const struct candidate *a)
{
	const struct cluster_task *t = a->task;
	cleanup_free char *service = names_clean(a->service->name, KEY_SERVICE_MAX);
	cleanup_free char *name = names_task(service, t->slot, t->node_id, t->id);

	s->targets[s->n++] = (struct target){
		.kind = WIRE_TASK,
		.key = unique_key(s, name),
		.service = xstrdup(a->service->name),
		.service_id = xstrdup(a->service->id),
		.task = task_name(a),
		.task_id = xstrdup(t->id),
		.container_id = xstrdup(t->container_id),
		.image = xstrdup(t->image),
		.node_id = xstrdup(t->node_id),
		.slot = t->slot,
		.networks = cluster_copy_networks(t->networks, t->n_networks),
		.n_networks = t->n_networks,
	};
}

static bool is_target(const struct selection *s, const char *container_id)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->targets[i].container_id, container_id) == 0)
			return true;
	return false;
}

/* Those that were named by themselves, but not as a task of a service too. */
static void add_containers(struct selection *s)
{
	const struct cluster *c = s->cluster;

	for (size_t i = 0; i < c->n_containers; i++) {
		const struct cluster_container *k = &c->containers[i];

		if (!k->running)
			plan_note(s->plan, "container %s does not run", k->name);
		if (!k->running || is_target(s, k->id))
			continue;
		s->targets[s->n++] = (struct target){
			.kind = WIRE_CONTAINER,
			.key = unique_key(s, k->name),
			.container_id = xstrdup(k->id),
			.image = xstrdup(k->image),
			.node_id = xstrdup(c->self_node_id),
			.networks = cluster_copy_networks(k->networks, k->n_networks),
			.n_networks = k->n_networks,
		};
	}
}

/* ---- what is not to be had ---- */

static void add_missing(struct selection *s, const struct candidate *a, const char *reason,
			const char *error)
{
	cleanup_free char *task = task_name(a), *what = xasprintf("task %s", task);

	missing_add(&s->plan->missing, what, a->node ? a->node->name : NULL, reason, error);
}

static void add_unreachable(struct selection *s, const struct candidate *a)
{
	const struct cluster_node *n = a->node;
	cleanup_free char *error = NULL;

	if (!n) {
		add_missing(s, a, "node-down", "its node is no part of the Swarm any more");
	} else if (is_down(n)) {
		error = xasprintf("node %s is %s", n->name, *n->state ? n->state : "unknown");
		add_missing(s, a, "node-down", error);
	} else if (*n->os && strcmp(n->os, "linux") != 0) {
		error = xasprintf("node %s runs %s", n->name, n->os);
		add_missing(s, a, "not-linux", error);
	} else {
		error = xasprintf("the address of node %s is not known", n->name);
		add_missing(s, a, "no-address", error);
	}
}

static bool is_reachable(const struct cluster_node *n)
{
	return !is_down(n) && *n->address && (!*n->os || strcmp(n->os, "linux") == 0);
}

static void add_wanted(struct selection *s, const struct candidate *a)
{
	const struct cluster_task *t = a->task;
	cleanup_free char *error = xasprintf("it is '%s'%s%s", t->state, *t->error ? ": " : "",
					     t->error);

	add_missing(s, a, "not-running", error);
}

static void note_waiting(struct selection *s, const struct candidate *a)
{
	cleanup_free char *task = task_name(a);

	plan_note(s->plan, "task %s does not run: Swarm has not started its next attempt", task);
}

/* One slot's candidates, the best first. */
static void take_slot(struct selection *s, const struct candidate *list, size_t n)
{
	bool alive = s->alive[list->service - s->cluster->services];

	if (list->fate == WANTED && alive)
		add_wanted(s, list);
	if (list->fate == WAITS && alive)
		note_waiting(s, list);
	if (list->fate == LOST)
		add_unreachable(s, list);

	for (size_t i = 0; i < n && list[i].fate == RUNS; i++) {
		if (is_reachable(list[i].node))
			add_target(s, &list[i]);
		else
			add_unreachable(s, &list[i]);
	}
}

/* ---- services without ---- */

/* Why the last try failed, if Docker says; borrowed. */
static const char *some_error(const struct candidate *list, size_t n,
			      const struct cluster_service *s)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].service == s && *list[i].task->error)
			return list[i].task->error;
	return NULL;
}

static bool has_target(const struct selection *s, const char *service_id)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->targets[i].service_id && strcmp(s->targets[i].service_id, service_id) == 0)
			return true;
	return false;
}

static void note_empty_services(struct selection *s, const bool *selected,
				const struct candidate *list, size_t n)
{
	for (size_t i = 0; i < s->cluster->n_services; i++) {
		const struct cluster_service *service = &s->cluster->services[i];
		const char *error;

		if (!selected[i] || has_target(s, service->id))
			continue;
		error = some_error(list, n, service);
		plan_note(s->plan, "service %s has no running task%s%s", service->name,
			  error ? ": " : "", error ? error : "");
	}
}

static int nothing_runs(const struct plan *p, size_t first_note, struct err *err)
{
	const struct missing_list *m = &p->missing;
	const char *text = first_note < p->n_notes ? p->notes[first_note]
						   : "no service was selected";

	err_set(err, -ENOENT, "nothing to capture: %s", text);
	if (first_note + 1 < p->n_notes)
		err_add(err, " (and %zu more)", p->n_notes - first_note - 1);
	if (m->n > 0 && m->items[0].error)
		err_add(err, " (%s)", m->items[0].error);
	return PLAN_E_NOTHING;
}

int select_targets(const struct request *r, const struct cluster *c, struct target **out,
		   size_t *n_out, struct plan *notes_and_missing, struct err *err)
{
	struct selection s = { .cluster = c, .plan = notes_and_missing };
	cleanup_free bool *selected = select_services(r, c), *alive = NULL;
	cleanup_free struct candidate *list = NULL;
	cleanup_json json_t *keys = json_object();
	size_t n, end, first_note;

	list = find_candidates(c, selected, &n);
	s.targets = xcalloc(n + c->n_containers, sizeof(*s.targets));
	s.keys = keys;
	s.alive = alive = find_alive(c, list, n);
	for (size_t i = 0; i < n; i = end) {
		for (end = i + 1; end < n && compare_slots(&list[i], &list[end]) == 0; end++)
			;
		take_slot(&s, &list[i], end - i);
	}

	first_note = notes_and_missing->n_notes;
	add_containers(&s);
	note_empty_services(&s, selected, list, n);
	*out = s.targets;
	*n_out = s.n;
	return s.n ? 0 : nothing_runs(notes_and_missing, first_note, err);
}
