/* SPDX-License-Identifier: Apache-2.0
 *
 * select_follow.c - whose new tasks join the capture: of services that are meant as a whole; pure
 *
 * An agent knows a task by its labels. So what is not to join is said in their words: a slot that was
 * left out, as "web.2", whatever runs in it later; by its id a task whose namespace is captured under
 * another name already.
 */
#include "select_parts.h"

#include <string.h>

/* False: there is no room. */
static bool add_except(struct wire_service *f, const char *text)
{
	for (size_t i = 0; i < f->n_except; i++)
		if (!strcmp(f->except[i], text))
			return true;
	if (f->n_except == WIRE_EXCEPT_MAX)
		return false;
	f->except = xrealloc(f->except, f->n_except + 1, sizeof(*f->except));
	f->except[f->n_except++] = xstrdup(text);
	return true;
}

static bool add_left_out(struct wire_service *f, const struct cluster *c,
			 const struct cluster_service *s, const bool *tasks)
{
	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_task *t = &c->tasks[i];
		cleanup_free char *name = NULL;

		if (tasks[i] || cluster_task_ended(t) || strcmp(t->service_id, s->id))
			continue;
		name = cluster_task_name(t, s);
		if (!add_except(f, name))
			return false;
	}
	return true;
}

static bool add_shared(struct wire_service *f, const struct targets *found)
{
	const json_t *ids = json_object_get(found->shared, f->id), *one;
	size_t i;

	json_array_foreach(ids, i, one)
		if (!add_except(f, json_string_value(one)))
			return false;
	return true;
}

static void follow_one(struct targets *found, const struct cluster_service *s, const bool *tasks)
{
	struct plan *p = found->plan;
	cleanup_free struct wire_service *f = xcalloc(1, sizeof(*f));

	f->id = xstrdup(s->id);
	f->name = xstrdup(s->name);
	if (!add_left_out(f, found->cluster, s, tasks) || !add_shared(f, found)) {
		plan_note(p, "new tasks of service %s do not join: more than %d were left out", s->name,
			  WIRE_EXCEPT_MAX);
		wire_services_release(take_ptr(&f), 1);
		return;
	}
	p->follow = xrealloc(p->follow, p->n_follow + 1, sizeof(*p->follow));
	p->follow[p->n_follow++] = *f;
}

void targets_follow(struct targets *found, const struct request *r, const bool *services,
		    const bool *tasks)
{
	const struct cluster *c = found->cluster;

	if (r->no_follow || r->tasks)
		return;
	for (size_t i = 0; i < c->n_services; i++) {
		if (!services[i])
			continue;
		if (found->plan->n_follow == WIRE_FOLLOW_MAX) {
			plan_note(found->plan, "new tasks join of the first %d services only",
				  WIRE_FOLLOW_MAX);
			return;
		}
		follow_one(found, &c->services[i], tasks);
	}
}
