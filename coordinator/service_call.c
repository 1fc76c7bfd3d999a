/* SPDX-License-Identifier: Apache-2.0
 *
 * service_call.c - the agent's service and its tasks, asked of and changed at the manager
 */
#include "service_call.h"

#include "version.h"

#include <errno.h>
#include <string.h>

/* The conditions that no caller here can use become errors. */
static int only_errors(int r)
{
	return r > 0 ? -EIO : r;
}

static char *path_of(const char *service, const char *rest)
{
	cleanup_free char *escaped = engine_escape(service);

	return xasprintf("/services/%s%s", escaped, rest);
}

int service_find(struct engine *e, struct service_now *out, struct err *err)
{
	cleanup_free char *filters = engine_filters("label", SERVICE_LABEL_PORT, NULL);
	cleanup_free char *path = xasprintf("/services?%s", filters);
	cleanup_json json_t *list = NULL;
	const json_t *first;
	int r = only_errors(engine_get(e, path, &list, err));

	if (r < 0)
		return r;
	first = json_array_get(list, 0);
	return first ? service_decode(first, out, err) : SERVICE_E_NONE;
}

int service_id(struct engine *e, const char *name, char **out, struct err *err)
{
	cleanup_free char *path = path_of(name, "");
	cleanup_json json_t *service = NULL;
	struct err why = ERR_INIT;
	int r = engine_get(e, path, &service, &why);

	if (r == ENGINE_E_NOT_FOUND ||
	    (r == 0 && strcmp(jx_str(service, "Spec.Name", ""), name) != 0))
		return SERVICE_E_NONE;
	if (r != 0)
		return err_set(err, only_errors(r), "%s (looking for the service '%s')", why.text,
			       name);
	*out = xstrdup(jx_str(service, "ID", ""));
	return 0;
}

int service_create(struct engine *e, const json_t *spec, char **id_out, struct err *err)
{
	cleanup_json json_t *answer = NULL;
	int r = only_errors(engine_send(e, "POST", "/services/create", spec, &answer, err));

	if (r < 0)
		return err_add(err, " (creating the service '%s')", jx_str(spec, "Name", ""));
	*id_out = xstrdup(jx_str(answer, "ID", ""));
	return 0;
}

int service_update(struct engine *e, const struct service_now *now, const json_t *spec,
		   struct err *err)
{
	cleanup_free char *rest = xasprintf("/update?version=%lld", (long long)now->index);
	cleanup_free char *path = path_of(now->id, rest);
	int r = only_errors(engine_send(e, "POST", path, spec, NULL, err));

	return r < 0 ? err_add(err, " (updating the service '%s')", now->name) : 0;
}

int service_remove(struct engine *e, const char *service, struct err *err)
{
	cleanup_free char *path = path_of(service, "");
	struct err why = ERR_INIT;
	int r = engine_send(e, "DELETE", path, NULL, NULL, &why);

	if (r == 0 || r == ENGINE_E_NOT_FOUND)
		return 0;
	return err_set(err, only_errors(r), "%s (removing the service '%s')", why.text, service);
}

/*
 * Filtered by name, and that is a prefix: the engine refuses to filter by a service that is
 * gone, and an undeploy waits for the tasks that outlive theirs.
 */
int service_tasks(struct engine *e, const char *name, const char *id, json_t **out,
		  struct err *err)
{
	cleanup_free char *prefix = xasprintf("%s.", name);
	cleanup_free char *filters = engine_filters("name", prefix, NULL);
	cleanup_free char *path = xasprintf("/tasks?%s", filters);
	cleanup_json json_t *all = NULL, *mine = json_array();
	size_t i;
	json_t *task;
	int r = only_errors(engine_get(e, path, &all, err));

	if (r < 0)
		return r;
	json_array_foreach(all, i, task)
		if (!strcmp(jx_str(task, "ServiceID", ""), id))
			json_array_append(mine, task);
	*out = take_ptr(&mine);
	return 0;
}

static bool is_one_of(const char *s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(s, words[i]))
			return true;
	return false;
}

static bool of_spec(const json_t *task, const char *digest, int64_t force_update)
{
	const json_t *spec = jx_get(task, "Spec");

	return !digest ||
	       (!strcmp(jx_str(spec, "ContainerSpec.Labels.=" SERVICE_LABEL_SPEC, ""), digest) &&
		jx_int(spec, "ForceUpdate", 0) == force_update);
}

void service_task_of(const json_t *tasks, const char *node_id, const char *digest,
		     int64_t force_update, struct service_task *out)
{
	static const char *const up[] = { "starting", "running" };
	static const char *const bad[] = { "failed", "rejected" };
	const char *last = "";
	size_t i;
	json_t *task;

	*out = (struct service_task){ 0 };
	json_array_foreach(tasks, i, task) {
		const char *state = jx_str(task, "Status.State", "");
		const char *when = jx_str(task, "Status.Timestamp", "");

		if (strcmp(jx_str(task, "NodeID", ""), node_id) ||
		    !of_spec(task, digest, force_update))
			continue;
		out->complete |= !strcmp(state, "complete");
		out->up |= is_one_of(state, up, ARRAY_SIZE(up)) &&
			   !strcmp(jx_str(task, "DesiredState", ""), "running");
		if (!is_one_of(state, bad, ARRAY_SIZE(bad)))
			continue;
		out->failures++;
		/* RFC 3339 in UTC: the greater text is the later time */
		if (strcmp(when, last) >= 0) {
			last = when;
			out->why = jx_str(task, "Status.Err", state);
		}
	}
}

const char *service_advice(const char *why)
{
	/* dockerd with --userns-remap, of a service with the host's network */
	if (strstr(why, "user namespaces are enabled"))
		return "; this Engine remaps users (userns-remap), which keeps services off its host's "
		       "network: without an agent the node is captured over ssh, or by swarmcap on it";
	return "";
}
