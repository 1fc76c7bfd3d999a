/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_follow.c - a capture that follows: nodes without targets, and a look at the manager
 *
 * Tasks may start on any node, so each other node with an agent is armed with no targets. Nobody waits for
 * these: whoever has no task yet loses nothing while its agent is asked again. Agents find their
 * tasks by themselves; this thread asks the manager once a second
 *
 *	whether what joined is what it says it is		confirm.c
 *	whether nodes have come, which are armed then
 *	whether anything may still come, or the capture is over	lookout.c
 *
 * and once more after the end, for what joined last.
 */
#include "fleet_parts.h"
#include "resolve.h"

#include <string.h>
#include <unistd.h>

#define LOOK_NS NS_PER_S
#define ROOM 64				/* for nodes that come later */
#define AGAIN_NS NS_PER_S
#define TRY_NS (60 * NS_PER_S)		/* a node's agent may start after its tasks do */
#define TRY_DETACHED_NS (5 * NS_PER_S)	/* somebody waits for the id */
#define LAST_LOOKS 4
#define REPORTS_NS (50 * NS_PER_MS)

size_t fleet_follow_room(const struct fleet_job *job)
{
	return job->request && job->plan->n_follow ? job->cluster->n_nodes + ROOM : 0;
}

/* ---- nodes ---- */

static bool has_node(const struct fleet *f, const char *id)
{
	for (size_t i = 0; i < f->n; i++)
		if (!strcmp(f->nodes[i].plan->id, id))
			return true;
	return false;
}

static bool may_follow(const struct cluster_node *n)
{
	return n->agent && *n->address && !strcmp(n->state, "ready") &&
	       (!*n->os || !strcmp(n->os, "linux"));
}

/* Its conversation begins at once, wherever the others are. */
static int add_node(struct fleet *f, const struct cluster_node *n, const struct cluster *c,
		    struct err *err)
{
	struct fleet_follow *follow = &f->follow;
	struct plan_node *plan = xcalloc(1, sizeof(*plan));
	struct fleet_talk *t = &f->talks[f->n];
	int rc;

	plan_node_make(plan, n, c);
	follow->nodes = xrealloc(follow->nodes, follow->n + 1, sizeof(*follow->nodes));
	follow->nodes[follow->n++] = plan;
	fleet_lock(f);
	f->nodes[f->n] = (struct fleet_node){ .plan = plan, .follows_only = true };
	*t = (struct fleet_talk){ .fleet = f, .node = &f->nodes[f->n], .index = f->n,
				  .until_ns = clock_mono_ns() + (f->job.request->detached ?
								 TRY_DETACHED_NS : TRY_NS) };
	rc = fleet_start_talk(t, err);
	if (rc == 0)
		f->n++;
	fleet_unlock(f);
	return rc;
}

/* Those of --node. NULL: one of them is there no more; then what may come is not known. Free it. */
static bool *find_only(const struct fleet *f, const struct cluster *c)
{
	const struct request *r = f->job.request;
	int rc = 0;

	return resolve_nodes(r->only_nodes, r->n_only_nodes, c, &rc, NULL);
}

/* Only this thread adds, so what is not there stays so. */
static int add_nodes(struct fleet *f, const struct cluster *c, struct err *err)
{
	cleanup_free bool *only = find_only(f, c);
	int rc = 0;

	for (size_t i = 0; only && rc == 0 && i < c->n_nodes && f->n < f->room; i++)
		if (only[i] && may_follow(&c->nodes[i]) && !has_node(f, c->nodes[i].id))
			rc = add_node(f, &c->nodes[i], c, err);
	return rc;
}

bool fleet_follow_again(struct fleet_talk *t)
{
	struct fleet *f = t->fleet;
	int64_t next = clock_mono_ns() + AGAIN_NS;

	if (!t->node->follows_only || next > t->until_ns)
		return false;
	return !fleet_await(f, ORDER_STOP, next) && !__atomic_load_n(&f->cancel, __ATOMIC_RELAXED);
}

/* ---- looking ---- */

const struct wire_joined *fleet_find_joined(const struct wire_report *r, const char *key)
{
	for (size_t i = 0; i < r->n_joined; i++)
		if (!strcmp(r->joined[i].key, key))
			return &r->joined[i];
	return NULL;
}

static void wake(struct fleet *f)
{
	const uint64_t one = 1;

	(void)!write(f->event_fd, &one, sizeof(one));
}

static void judge(struct fleet *f, const struct cluster *c)
{
	cleanup_free bool *only = find_only(f, c);
	struct lookout_view v = {
		.cluster = c, .only = only, .plan = f->job.plan, .nodes = f->nodes,
		.now_ns = clock_mono_ns(), .wall_ns = clock_wall_ns(),
	};

	fleet_lock(f);
	v.n_nodes = f->n;
	f->follow.quiet = lookout_take(f->follow.lookout, &v);
	fleet_unlock(f);
	wake(f);
}

/* The capture is running, or over: then nobody joins any more. */
static int look(struct fleet *f, bool running)
{
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;
	int rc = f->job.look(f->job.look_arg, f->job.plan, &c, &err);

	if (rc == 0) {
		confirm_take(f->follow.confirm, &c);
		if (running) {
			judge(f, &c);
			add_nodes(f, &c, &err);
		}
	} else if (running) {
		/* who cannot ask does not know that it is over */
		fleet_lock(f);
		f->follow.quiet = false;
		fleet_unlock(f);
	}
	cluster_release(&c);
	return rc;
}

static bool all_confirmed(struct fleet *f)
{
	bool all = true;

	fleet_lock(f);
	for (size_t i = 0; i < f->n; i++) {
		const struct fleet_node *n = &f->nodes[i];

		for (size_t k = 0; k < n->report.n_targets; k++) {
			const struct wire_target *t = &n->report.targets[k];
			const struct wire_joined *j = fleet_find_joined(&n->report, t->key);

			all &= !j || confirm_has(f->follow.confirm, n->plan->id, j,
						 t->container_id);
		}
	}
	fleet_unlock(f);
	return all;
}

/* Nothing of what is awaited here matters any more. */
static bool is_over(struct fleet *f, int64_t until_mono_ns)
{
	return fleet_await(f, ORDER_REMOVE, until_mono_ns) ||
	       __atomic_load_n(&f->cancel, __ATOMIC_RELAXED);
}

static bool all_reported(struct fleet *f)
{
	bool all = true;

	fleet_lock(f);
	for (size_t i = 0; i < f->n; i++)
		all &= f->nodes[i].stage >= FLEET_FETCHING;
	fleet_unlock(f);
	return all;
}

/*
 * The last reports may bring somebody new, and the manager hears of a task later than the agent on
 * its node.
 */
static void look_at_last(struct fleet *f)
{
	while (!all_reported(f))
		if (is_over(f, clock_mono_ns() + REPORTS_NS))
			return;
	for (int i = 0; i < LAST_LOOKS && !all_confirmed(f); i++)
		if (look(f, false) || is_over(f, clock_mono_ns() + LOOK_NS))
			return;
}

static void *follow(void *arg)
{
	struct fleet *f = arg;
	int64_t next;

	if (fleet_await(f, ORDER_RUN, 0)) {
		while (fleet_order(f) < ORDER_STOP) {
			next = clock_mono_ns() + LOOK_NS;
			look(f, true);
			fleet_await(f, ORDER_STOP, next);
		}
		look_at_last(f);
	}
	fleet_lock(f);
	f->follow.ended = true;
	fleet_unlock(f);
	wake(f);
	return NULL;
}

int fleet_follow_start(struct fleet *f, struct err *err)
{
	struct fleet_follow *w = &f->follow;
	int rc;

	if (!fleet_follow_room(&f->job))
		return 0;
	rc = add_nodes(f, f->job.cluster, err);
	if (rc < 0 || !f->job.look || f->job.request->detached)
		return rc;
	w->confirm = confirm_new();
	w->lookout = lookout_new();
	w->ended = false;
	rc = fleet_start_thread(&w->thread, follow, f);
	if (rc) {
		w->ended = true;
		return err_set(err, -rc, "cannot start the thread that looks out for new tasks");
	}
	w->running = true;
	return 0;
}

void fleet_follow_free(struct fleet *f)
{
	struct fleet_follow *w = &f->follow;

	confirm_free(w->confirm);
	lookout_free(w->lookout);
	for (size_t i = 0; i < w->n; i++) {
		plan_node_release(w->nodes[i]);
		free(w->nodes[i]);
	}
	free(w->nodes);
}

const struct confirm *fleet_confirm(const struct fleet *f)
{
	return f->follow.confirm;
}

void fleet_missing(const struct fleet *f, struct missing_list *out)
{
	if (f->follow.lookout)
		lookout_missing(f->follow.lookout, out);
}
