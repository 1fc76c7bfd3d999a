/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_lists.c - the manager's lists, where selectors do not name services one by one
 */
#include "cluster_parts.h"

#include <errno.h>
#include <string.h>

static bool any_of(const struct selector *list, size_t n, enum selector_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].kind == kind)
			return true;
	return false;
}

static bool means_overlays(const struct selector *list, size_t n)
{
	return any_of(list, n, SELECTOR_NETWORK) || any_of(list, n, SELECTOR_VXLAN) ||
	       any_of(list, n, SELECTOR_PATH);
}

bool cluster_takes_lists(const struct selector *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].kind == SELECTOR_SERVICE && list[i].glob)
			return true;
	return any_of(list, n, SELECTOR_STACK) || any_of(list, n, SELECTOR_TASK) ||
	       means_overlays(list, n);
}

/* ---- services and tasks ---- */

static bool is_meant(const struct selector *s, const json_t *service)
{
	const char *name = jx_str(service, "Spec.Name", "");
	const char *stack = jx_str(service, "Spec.Labels.=com.docker.stack.namespace", "");

	if (s->kind == SELECTOR_STACK)
		return selector_glob(s->name, stack);
	return s->kind == SELECTOR_SERVICE &&
	       (selector_glob(s->name, name) || str_starts(jx_str(service, "ID", ""), s->name));
}

/* A task's id may lead to any service, and any task may make a node have an overlay's namespace. */
static bool means_any(const struct selector *list, size_t n)
{
	return any_of(list, n, SELECTOR_TASK) || any_of(list, n, SELECTOR_CONTAINER) ||
	       means_overlays(list, n);
}

static bool is_wanted(const struct selector *list, size_t n, const json_t *service)
{
	for (size_t i = 0; i < n; i++)
		if (is_meant(&list[i], service))
			return true;
	return means_any(list, n);
}

static int load_services(struct engine *e, const struct selector *list, size_t n,
			 struct cluster *c, struct err *err)
{
	cleanup_json json_t *services = NULL;
	const json_t *one;
	size_t i;
	int rc = cluster_ask_some(e, "/services", cluster_service_fields, &services, err);

	json_array_foreach(services, i, one) {
		if (rc == 0 && is_wanted(list, n, one))
			rc = cluster_decode_service(one, c, err);
	}
	return rc;
}

int cluster_load_tasks(struct engine *e, bool all, struct cluster *c, struct err *err)
{
	cleanup_json json_t *tasks = NULL, *filters = NULL, *ids = json_array();
	cleanup_free char *text = NULL, *escaped = NULL, *path = NULL;
	int rc;

	for (size_t i = 0; i < c->n_services; i++)
		json_array_append_new(ids, json_string(c->services[i].id));
	filters = json_pack("{s:O}", "service", ids);
	text = jx_dump(filters);
	escaped = engine_escape(text);
	path = xasprintf("/tasks%s%s", all ? "" : "?filters=", all ? "" : escaped);
	if (c->n_services == 0)
		return 0;
	rc = cluster_ask_some(e, path, cluster_task_fields, &tasks, err);
	return rc < 0 ? rc : cluster_decode_tasks(tasks, c, err);
}

/* ---- networks ---- */

static int load_networks(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_free char *filters = engine_filters("scope", "swarm", NULL);
	cleanup_free char *path = xasprintf("/networks?%s", filters);
	cleanup_json json_t *networks = NULL;
	int rc = cluster_ask(e, path, &networks, err);

	return rc < 0 ? rc : cluster_decode_networks(networks, c, err);
}

static int load_attachments(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_free char *filters = engine_filters("runtime", "attachment", "desired-state",
						    "running", NULL);
	cleanup_free char *path = xasprintf("/tasks?%s", filters);
	cleanup_json json_t *tasks = NULL;
	int rc = cluster_ask_some(e, path, cluster_task_fields, &tasks, err);

	return rc < 0 ? rc : cluster_decode_attachments(tasks, c, err);
}

int cluster_load_overlays(struct engine *e, struct cluster *c, struct err *err)
{
	int rc = load_networks(e, c, err);

	return rc < 0 ? rc : load_attachments(e, c, err);
}

int cluster_load_lists(struct engine *e, const struct selector *list, size_t n, struct cluster *c,
		       struct err *err)
{
	int rc = load_services(e, list, n, c, err);

	if (rc == 0)
		rc = cluster_load_tasks(e, means_any(list, n), c, err);
	if (rc < 0 || (!means_overlays(list, n) && !any_of(list, n, SELECTOR_CONTAINER)))
		return rc;
	return cluster_load_overlays(e, c, err);
}

/* ---- containers of the Engine's own node ---- */

static int load_container(struct engine *e, const char *name, struct cluster *c, struct err *err)
{
	cleanup_free char *escaped = engine_escape(name);
	cleanup_free char *path = xasprintf("/containers/%s/json", escaped);
	cleanup_json json_t *container = NULL;
	struct err why = ERR_INIT;
	int rc = engine_get(e, path, &container, &why);

	if (rc == ENGINE_E_NOT_FOUND)
		return CLUSTER_E_UNKNOWN;
	if (rc != 0)
		return err_set(err, rc > 0 ? -EIO : rc, "%s (container '%s')", why.text, name);
	return cluster_decode_container(container, c, err);
}

static int load_matching(struct engine *e, const char *pattern, struct cluster *c, struct err *err)
{
	cleanup_json json_t *list = NULL;
	const json_t *one;
	size_t i;
	int rc = cluster_ask(e, "/containers/json", &list, err);

	json_array_foreach(list, i, one) {
		const char *name = json_string_value(json_array_get(jx_get(one, "Names"), 0));

		if (rc < 0 || !name || !selector_glob(pattern, name + (*name == '/')))
			continue;
		rc = load_container(e, jx_str(one, "Id", ""), c, err);
		if (rc == CLUSTER_E_UNKNOWN)
			rc = 0;		/* it ended meanwhile */
	}
	return rc;
}

int cluster_load_containers(struct engine *e, const struct selector *list, size_t n,
			    struct cluster *c, struct err *err)
{
	bool far = false;

	for (size_t i = 0; i < n; i++) {
		int rc = 0;

		if (list[i].kind == SELECTOR_CONTAINER)
			rc = list[i].glob ? load_matching(e, list[i].name, c, err)
					  : load_container(e, list[i].name, c, err);
		if (rc < 0)
			return rc;
		far |= rc == CLUSTER_E_UNKNOWN;
	}
	return far ? CLUSTER_E_FAR : 0;
}
