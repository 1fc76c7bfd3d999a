/* SPDX-License-Identifier: Apache-2.0
 *
 * confirm.c - what the manager said of a service's tasks during a capture
 */
#include "confirm.h"

struct confirm {
	json_t *said;			/* an object used as a set */
};

/* No id has a slash. */
static char *entry(const char *service, const char *task, const char *node, const char *container)
{
	return xasprintf("%s/%s/%s/%s", service, task, node, container);
}

struct confirm *confirm_new(void)
{
	struct confirm *c = xcalloc(1, sizeof(*c));

	c->said = json_object();
	return c;
}

void confirm_free(struct confirm *c)
{
	if (!c)
		return;
	json_decref(c->said);
	free(c);
}

void confirm_take(struct confirm *c, const struct cluster *cluster)
{
	for (size_t i = 0; i < cluster->n_tasks; i++) {
		const struct cluster_task *t = &cluster->tasks[i];
		cleanup_free char *text = NULL;

		if (!*t->container_id || json_object_size(c->said) >= CONFIRM_MAX)
			continue;
		text = entry(t->service_id, t->id, t->node_id, t->container_id);
		json_object_set_new(c->said, text, json_true());
	}
}

bool confirm_has(const struct confirm *c, const char *node_id, const struct wire_joined *j,
		 const char *container_id)
{
	cleanup_free char *text = NULL;

	if (!c || !j->service_id || !j->task_id || !container_id)
		return false;
	text = entry(j->service_id, j->task_id, node_id, container_id);
	return json_object_get(c->said, text);
}
