/* SPDX-License-Identifier: Apache-2.0
 *
 * lookout.c - what the manager says beside what the nodes report
 *
 * The manager is late: an agent tells of a task's death before the manager has heard of it,
 * and between a task that failed and its successor there may be a moment with neither. So where tasks
 * have ended by themselves it takes a few looks in a row to believe that nothing more comes.
 *
 *	a task	runs, is captured, or was until it ended by itself	there is more to come
 *		runs, and its capture ended by a limit or never began	nothing more comes of it
 *		runs, and no node has told of it			it should join; a stranger,
 *									and after a while missing
 *		is to run						there is more to come
 */
#include "lookout.h"

#include <string.h>

#define LOOKS 3

struct stranger {
	char *task_id, *what, *node;
	int64_t since_ns, from_ns;	/* monotonic; wall */
	bool seen, late;		/* late: for longer than the patience */
};

struct lookout {
	struct stranger *strangers;
	size_t n;
	unsigned quiet;			/* looks in a row */
};

struct lookout *lookout_new(void)
{
	return xcalloc(1, sizeof(struct lookout));
}

static void release(struct stranger *s)
{
	free(s->task_id);
	free(s->what);
	free(s->node);
}

void lookout_free(struct lookout *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < l->n; i++)
		release(&l->strangers[i]);
	free(l->strangers);
	free(l);
}

/* ---- what the nodes tell ---- */

enum told { TOLD_GOES_ON = 1, TOLD_DIED, TOLD_OVER };

static enum told told_of(const struct wire_target *t)
{
	if (t->state == WIRE_ARMED)
		return TOLD_GOES_ON;
	return t->state == WIRE_ENDED && t->end == WIRE_END_TASK_ENDED ? TOLD_DIED : TOLD_OVER;
}

/* By container: {"<id>": enum told}. Planned ones that no node tells of are over. */
static json_t *collect(const struct lookout_view *v, bool *any_died, bool *any_armed)
{
	json_t *all = json_object();

	for (size_t i = 0; i < v->plan->n_nodes; i++)
		for (size_t k = 0; k < v->plan->nodes[i].n_targets; k++) {
			const char *id = v->plan->nodes[i].targets[k].container_id;

			if (id)
				json_object_set_new(all, id, json_integer(TOLD_OVER));
		}
	for (size_t i = 0; i < v->n_nodes; i++) {
		const struct fleet_node *n = &v->nodes[i];

		for (size_t k = 0; n->has_report && k < n->report.n_targets; k++) {
			const struct wire_target *t = &n->report.targets[k];
			enum told told = told_of(t);

			*any_died |= told == TOLD_DIED;
			*any_armed |= told == TOLD_GOES_ON && n->stage != FLEET_LOST;
			if (t->container_id)
				json_object_set_new(all, t->container_id, json_integer(told));
		}
	}
	return all;
}

/* ---- strangers ---- */

static char *what_of(const struct cluster *c, const struct cluster_task *t)
{
	const struct cluster_service *s = cluster_service(c, t->service_id);
	cleanup_free char *name = s ? cluster_task_name(t, s) : xstrdup(t->id);

	return xasprintf("task %s", name);
}

static struct stranger *meet(struct lookout *l, const struct lookout_view *v,
			     const struct cluster_task *t)
{
	const struct cluster_node *node = cluster_node(v->cluster, t->node_id);

	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->strangers[i].task_id, t->id))
			return &l->strangers[i];
	if (l->n == LOOKOUT_STRANGERS_MAX)
		return NULL;
	l->strangers = xrealloc(l->strangers, l->n + 1, sizeof(*l->strangers));
	l->strangers[l->n] = (struct stranger){
		.task_id = xstrdup(t->id), .what = what_of(v->cluster, t),
		.node = xstrdup(node ? node->name : t->node_id), .since_ns = v->now_ns,
		.from_ns = v->wall_ns,
	};
	return &l->strangers[l->n++];
}

/* Those that are known by now, or ended before anybody could wonder. */
static void forget(struct lookout *l, const json_t *known_tasks)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++) {
		struct stranger *s = &l->strangers[i];

		if (json_object_get(known_tasks, s->task_id) || (!s->seen && !s->late))
			release(s);
		else
			l->strangers[kept++] = *s;
	}
	l->n = kept;
}

/* ---- tasks ---- */

static bool is_ready(const struct cluster *c, const char *node_id)
{
	const struct cluster_node *n = cluster_node(c, node_id);

	return n && !strcmp(n->state, "ready");
}

static bool is_to_run(const struct cluster_task *t)
{
	return !cluster_task_ended(t) &&
	       (!strcmp(t->desired, "running") || !strcmp(t->desired, "ready") ||
		!strcmp(t->desired, "complete"));
}

/* On a node that is not meant it does not join either. */
static bool is_followed(const struct lookout_view *v, const struct cluster_task *t)
{
	const struct cluster_service *s = cluster_service(v->cluster, t->service_id);
	const struct cluster_node *n = cluster_node(v->cluster, t->node_id);
	cleanup_free char *name = s ? cluster_task_name(t, s) : NULL;

	return s && (!v->only || !n || v->only[n - v->cluster->nodes]) &&
	       wire_service_takes(v->plan->follow, v->plan->n_follow, s->id, name, t->id);
}

/* True: more is to come of it. */
static bool take_task(struct lookout *l, const struct lookout_view *v, const struct cluster_task *t,
		      const json_t *told, json_t *known_tasks)
{
	json_int_t of = json_integer_value(json_object_get(told, t->container_id));
	struct stranger *s;

	if (of)
		json_object_set_new(known_tasks, t->id, json_true());
	if (!cluster_task_runs(v->cluster, t))
		return is_to_run(t);
	if (!is_ready(v->cluster, t->node_id))
		return false;
	if (of)
		return of != TOLD_OVER;
	s = meet(l, v, t);
	if (!s)
		return false;
	s->seen = true;
	s->late |= v->now_ns - s->since_ns >= LOOKOUT_PATIENCE_NS;
	return !s->late;
}

bool lookout_take(struct lookout *l, const struct lookout_view *v)
{
	cleanup_json json_t *told = NULL, *known_tasks = json_object();
	bool died = false, more = false;

	told = collect(v, &died, &more);
	for (size_t i = 0; i < l->n; i++)
		l->strangers[i].seen = false;
	for (size_t i = 0; i < v->cluster->n_tasks; i++)
		more |= is_followed(v, &v->cluster->tasks[i]) &&
			take_task(l, v, &v->cluster->tasks[i], told, known_tasks);
	forget(l, known_tasks);
	l->quiet = more ? 0 : l->quiet + 1;
	return l->quiet >= (died ? LOOKS : 1);
}

void lookout_missing(const struct lookout *l, struct missing_list *out)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct stranger *s = &l->strangers[i];

		if (!s->late)
			continue;
		missing_add(out, s->what, s->node, "not-followed",
			    "it started during the capture, and no agent told of it");
		out->items[out->n - 1].from_ns = s->from_ns;
	}
}
