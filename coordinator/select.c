/* SPDX-License-Identifier: Apache-2.0
 *
 * select.c - who is meant: what the selectors name becomes targets, or is missing; pure
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
 * WANTED and WAITS speak of a service of which something runs; one without is a note as a whole, but
 * for what it lost with a node: a replacement that finds no other one does not make up for that.
 * A node that is down still has tasks that "run": only the node's state tells.
 *
 * With --tasks the first so many of a service that run are taken, in this order, and what is not
 * taken is not missed; tasks that were named by themselves come beside.
 */
#include "select_parts.h"

#include <errno.h>
#include <string.h>

#include "buf.h"
#include "resolve.h"

#define NAMES_MAX 400			/* bytes of a list of nodes in a note */

enum fate { RUNS, WANTED, LOST, WAITS, PAST };

struct candidate {
	const struct cluster_task *task;
	const struct cluster_service *service;
	const struct cluster_node *node;	/* NULL: none, or not known */
	enum fate fate;
	bool named;
};

struct selection {
	const struct cluster *cluster;
	const struct request *request;
	struct plan *plan;
	struct resolved what;
	bool *nodes;			/* --node: per node */
	struct targets found;
	struct candidate *list;
	size_t n;
	bool *alive;			/* per service: a task of it runs */
	int64_t *taken;			/* per service, of those that were not named */
	bool *any;			/* per service: a task of it is a target */
};

static bool node_allowed(const struct selection *s, const struct cluster_node *n)
{
	return n ? s->nodes[n - s->cluster->nodes] : !s->request->n_only_nodes;
}

/* ---- tasks ---- */

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
	    targets_node_is_down(a->node))
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

static void find_candidates(struct selection *s)
{
	const struct cluster *c = s->cluster;

	s->list = xcalloc(c->n_tasks + 1, sizeof(*s->list));
	s->alive = xcalloc(c->n_services + 1, sizeof(*s->alive));
	s->taken = xcalloc(c->n_services + 1, sizeof(*s->taken));
	s->any = xcalloc(c->n_services + 1, sizeof(*s->any));
	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_task *t = &c->tasks[i];
		const struct cluster_service *v = cluster_service(c, t->service_id);
		struct candidate *a = &s->list[s->n];

		if (!v)
			continue;
		*a = (struct candidate){ t, v, cluster_node(c, t->node_id), PAST, s->what.named[i] };
		a->fate = find_fate(c, a);
		s->alive[v - c->services] |= a->fate == RUNS;
		s->n += s->what.tasks[i] && node_allowed(s, a->node);
	}
	qsort(s->list, s->n, sizeof(*s->list), compare_candidates);
}

/* ---- what is not to be had ---- */

static void add_wanted(struct selection *s, const struct candidate *a)
{
	const struct cluster_task *t = a->task;
	cleanup_free char *task = cluster_task_name(t, a->service);
	cleanup_free char *what = xasprintf("task %s", task);
	cleanup_free char *error = xasprintf("it is '%s'%s%s", t->state, *t->error ? ": " : "",
					     t->error);

	missing_add(&s->plan->missing, what, a->node ? a->node->name : NULL, "not-running", error);
}

static void note_waiting(struct selection *s, const struct candidate *a)
{
	cleanup_free char *task = cluster_task_name(a->task, a->service);

	plan_note(s->plan, "task %s does not run: Swarm has not started its next attempt", task);
}

static bool reach_task(struct selection *s, const struct candidate *a)
{
	cleanup_free char *task = cluster_task_name(a->task, a->service);
	cleanup_free char *what = xasprintf("task %s", task);

	return targets_reach(&s->found, a->node, what);
}

/* True when so many of its service were taken that no more are asked for. */
static bool enough(const struct selection *s, const struct candidate *a)
{
	int64_t most = s->request->tasks;

	return most && !a->named && s->taken[a->service - s->cluster->services] >= most;
}

/* With --tasks another one, that runs, may do as well: those come first. */
static bool may_miss(const struct selection *s, const struct candidate *a)
{
	return !s->request->tasks || a->named;
}

/* NULL: there is none. */
static const struct candidate *find_lost(const struct candidate *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].fate == LOST)
			return &list[i];
	return NULL;
}

/* One slot's candidates, the best first. */
static void take_slot(struct selection *s, const struct candidate *list, size_t n)
{
	size_t service = (size_t)(list->service - s->cluster->services);
	bool miss = may_miss(s, list);

	if (list->fate == WANTED && s->alive[service] && miss)
		add_wanted(s, list);
	else if (list->fate != RUNS && find_lost(list, n) && miss)
		reach_task(s, find_lost(list, n));
	else if (list->fate == WAITS && s->alive[service] && miss)
		note_waiting(s, list);

	for (size_t i = 0; i < n && list[i].fate == RUNS; i++) {
		if (enough(s, &list[i]))
			continue;
		if (!miss && targets_node_is_down(list[i].node))
			continue;
		if (!reach_task(s, &list[i]))
			continue;
		targets_add_task(&s->found, list[i].task, list[i].service);
		s->taken[service] += !list[i].named;
		s->any[service] = true;
	}
}

static void take_tasks(struct selection *s)
{
	size_t end;

	for (size_t i = 0; i < s->n; i = end) {
		for (end = i + 1; end < s->n && compare_slots(&s->list[i], &s->list[end]) == 0;)
			end++;
		take_slot(s, &s->list[i], end - i);
	}
}

/* ---- what is no task ---- */

static void take_containers(struct selection *s)
{
	const struct cluster *c = s->cluster;

	for (size_t i = 0; i < c->n_containers; i++) {
		const struct cluster_container *k = &c->containers[i];
		const struct cluster_node *n = cluster_node(c, k->node_id);
		cleanup_free char *what = xasprintf("container %s", k->name);

		if (!s->what.containers[i] || !node_allowed(s, n))
			continue;
		if (!k->running)
			plan_note(s->plan, "container %s does not run", k->name);
		else if (targets_reach(&s->found, n, what))
			targets_add_container(&s->found, k);
	}
}

/* --vxlan takes of node: what it names, and nothing of other hosts. */
static void take_host(struct selection *s, size_t i)
{
	const struct cluster *c = s->cluster;
	const struct request *r = s->request;
	const bool *vxlan = s->what.vxlan + i * c->n_networks;
	const char *own = r->filter_resolved ? r->filter_resolved : r->filter;
	bool any = memchr(vxlan, 1, c->n_networks * sizeof(*vxlan));
	bool whole = s->what.hosts[i] && !r->vxlan;

	if (r->vxlan && !s->what.path && s->what.hosts[i] != any) {
		if (!any)
			plan_note(s->plan, "nothing on node %s is attached to the network of --vxlan",
				  c->nodes[i].name);
		return;
	}
	if ((!whole && !any) || !targets_reach(&s->found, &c->nodes[i], "host"))
		return;
	/* of a path the filter is for what is inside: outside it would match nothing */
	targets_add_host(&s->found, &c->nodes[i],
			 whole ? NULL : targets_vxlan_filter(c, vxlan, s->what.path ? NULL : own));
}

/* Between hosts only ESP is seen of it. */
static void note_encrypted(struct selection *s)
{
	const struct cluster *c = s->cluster;

	for (size_t k = 0; k < c->n_networks; k++)
		for (size_t i = 0; i < c->n_nodes && c->networks[k].encrypted; i++)
			if (s->what.vxlan[i * c->n_networks + k]) {
				plan_note(s->plan, "network %s is encrypted: hosts show only ESP, of "
					  "all encrypted overlays together", c->networks[k].name);
				break;
			}
}

static void take_hosts(struct selection *s)
{
	const struct cluster *c = s->cluster;

	for (size_t i = 0; i < c->n_nodes; i++)
		if (s->nodes[i])
			take_host(s, i);
	for (size_t i = 0; i < c->n_nodes; i++)
		if (s->what.ingress[i] && s->nodes[i] &&
		    targets_reach(&s->found, &c->nodes[i], "ingress"))
			targets_add_ingress(&s->found, &c->nodes[i]);
}

/* Only where something that is attached to it runs there is anything of it. */
static void take_network(struct selection *s, const struct cluster_network *net)
{
	const struct cluster *c = s->cluster;
	cleanup_buf struct buf without = BUF_INIT(NAMES_MAX);
	cleanup_free char *what = xasprintf("network %s", net->name);
	cleanup_free bool *where = resolve_where(c, net);
	size_t n = 0, more = 0;

	for (size_t i = 0; i < c->n_nodes; i++) {
		const struct cluster_node *node = &c->nodes[i];

		if (!s->nodes[i])
			continue;
		if (!where[i]) {
			if (buf_addf(&without, "%s%s", without.len ? ", " : "", node->name))
				more++;
			continue;
		}
		n++;
		if (targets_reach(&s->found, node, what))
			targets_add_network(&s->found, node, net);
	}
	if (n == 0)
		plan_note(s->plan, "network %s is on no node: nothing that is attached to it runs "
			  "there", net->name);
	else if (without.len)
		plan_note(s->plan, "network %s is not on %s%s: nothing that is attached to it runs "
			  "there", net->name, without.data, more ? " and others" : "");
}

static void take_networks(struct selection *s)
{
	for (size_t i = 0; i < s->cluster->n_networks; i++)
		if (s->what.networks[i])
			take_network(s, &s->cluster->networks[i]);
}

/* ---- services without ---- */

/* Why the last try failed, if Docker says; borrowed. */
static const char *some_error(const struct selection *s, const struct cluster_service *service)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->list[i].service == service && *s->list[i].task->error)
			return s->list[i].task->error;
	return NULL;
}

static void note_empty_services(struct selection *s)
{
	for (size_t i = 0; i < s->cluster->n_services; i++) {
		const struct cluster_service *service = &s->cluster->services[i];
		const char *error = some_error(s, service);

		if (!s->what.services[i] || s->any[i])
			continue;
		if (s->alive[i] && s->request->n_only_nodes)
			plan_note(s->plan, "service %s has no running task on the nodes of --node",
				  service->name);
		else
			plan_note(s->plan, "service %s has no running task%s%s", service->name,
				  error ? ": " : "", error ? error : "");
	}
}

static int nothing_runs(const struct plan *p, size_t first_note, struct err *err)
{
	const struct missing_list *m = &p->missing;
	const struct missing *first = m->n ? &m->items[0] : NULL;
	const char *text = first_note < p->n_notes ? p->notes[first_note]
			   : first		   ? first->what
						   : "nothing of what was selected runs";

	err_set(err, -ENOENT, "nothing to capture: %s", text);
	if (first_note + 1 < p->n_notes)
		err_add(err, " (and %zu more)", p->n_notes - first_note - 1);
	if (first && first->error)
		err_add(err, " (%s)", first->error);
	return PLAN_E_NOTHING;
}

static void selection_release(struct selection *s)
{
	resolved_release(&s->what);
	targets_release(&s->found);
	free(s->nodes);
	free(s->list);
	free(s->alive);
	free(s->taken);
	free(s->any);
}

/* A name that does not exist: err tells it. */
static int find_what(struct selection *s, struct err *err)
{
	const struct request *r = s->request;
	int rc = resolve(r->selectors, r->n_selectors, r->members, s->cluster, &s->what, err);

	if (rc == 0)
		s->nodes = resolve_nodes(r->only_nodes, r->n_only_nodes, s->cluster, &rc, err);
	return rc > 0 ? PLAN_E_NOTHING : rc;
}

int select_targets(const struct request *r, const struct cluster *c, struct target **out,
		   size_t *n_out, struct plan *notes_and_missing, struct err *err)
{
	cleanup(selection_release) struct selection s = {
		.cluster = c, .request = r, .plan = notes_and_missing,
	};
	size_t first_note = 0;
	int rc;

	targets_init(&s.found, c, s.plan);
	rc = find_what(&s, err);
	if (rc == 0) {
		find_candidates(&s);
		note_encrypted(&s);
		take_hosts(&s);
		take_tasks(&s);
		first_note = s.plan->n_notes;
		take_networks(&s);
		take_containers(&s);
		note_empty_services(&s);
		targets_follow(&s.found, r, s.what.services, s.what.tasks);
	}
	*out = s.found.list;
	*n_out = s.found.n;
	return rc || s.found.n ? rc : nothing_runs(s.plan, first_note, err);
}
