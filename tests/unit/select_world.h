/* SPDX-License-Identifier: Apache-2.0
 *
 * select_world.h - a recorded Swarm, and what is selected of it
 */
#ifndef SELECT_WORLD_H
#define SELECT_WORLD_H

#include "recorded.h"

#include <errno.h>

#include "../../coordinator/plan.h"

struct world {
	struct cluster cluster;
	struct request request;
	struct plan plan;
	struct target *targets;
	size_t n;
	struct err err;
};

static inline void setup(struct world *w, bool down)
{
	*w = (struct world){ .err = ERR_INIT };
	recorded_cluster(&w->cluster, down);
}

static inline void forget_targets(struct world *w)
{
	for (size_t i = 0; i < w->n; i++)
		target_release(&w->targets[i]);
	free(w->targets);
	w->targets = NULL;
	w->n = 0;
	plan_release(&w->plan);
	err_reset(&w->err);
}

static inline void teardown(struct world *w)
{
	forget_targets(w);
	cluster_release(&w->cluster);
}

/* Selectors end with NULL. */
static inline int choose(struct world *w, const char *const *selectors)
{
	forget_targets(w);
	w->request.n_selectors = 0;
	for (; *selectors; selectors++)
		w->request.selectors[w->request.n_selectors++] = (char *)*selectors;
	return select_targets(&w->request, &w->cluster, &w->targets, &w->n, &w->plan, &w->err);
}

#define CHOOSE(w, ...) choose(w, (const char *const[]){ __VA_ARGS__, NULL })

static inline void check_tasks(const struct world *w, const char *const *tasks, size_t n)
{
	assert_int_equal(w->n, n);
	for (size_t i = 0; i < n; i++)
		assert_string_equal(w->targets[i].task, tasks[i]);
}

#define TASKS(w, ...) check_tasks(w, (const char *const[]){ __VA_ARGS__ }, \
				  ARRAY_SIZE(((const char *const[]){ __VA_ARGS__ })))

static inline void check_missing(const struct world *w, size_t i, const char *what, const char *node,
			  const char *reason, const char *error)
{
	const struct missing *m = &w->plan.missing.items[i];

	assert_true(i < w->plan.missing.n);
	assert_string_equal(m->what, what);
	if (node)
		assert_string_equal(m->node, node);
	else
		assert_null(m->node);
	assert_string_equal(m->reason, reason);
	assert_string_equal(m->error, error);
}

static inline struct cluster_task *task_in(struct world *w, const char *service, int64_t slot)
{
	const char *id = recorded_service(&w->cluster, service)->id;

	for (size_t i = 0; i < w->cluster.n_tasks; i++)
		if (strcmp(w->cluster.tasks[i].service_id, id) == 0 &&
		    w->cluster.tasks[i].slot == slot)
			return &w->cluster.tasks[i];
	fail();
	return NULL;
}

static inline void replace(char **text, const char *with)
{
	free(*text);
	*text = xstrdup(with);
}

static inline struct cluster_node *node_named(struct world *w, const char *name)
{
	for (size_t i = 0; i < w->cluster.n_nodes; i++)
		if (strcmp(w->cluster.nodes[i].name, name) == 0)
			return &w->cluster.nodes[i];
	fail();
	return NULL;
}

#endif
