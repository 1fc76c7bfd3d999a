/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster.c - what exists, asked from a manager over one connection
 *
 * Filters by name are prefix filters in Docker's lists: `web` would also bring `web2`. So a
 * service is asked for by GET /services/NAME, which knows the full id, the full name and a
 * unique prefix of an id, in this order; and what comes is compared again. /tasks is filtered
 * by the full ids of services that were found that way.
 */
#include "cluster_parts.h"

#include <errno.h>
#include <string.h>

#include "resolve.h"
#include "units.h"
#include "version.h"

#define LEADER_WAIT_MS 60000	/* two elections and a split vote between them (cluster_leader.c) */
#define ONE_BY_ONE_MAX 16	/* services: asking for more than that costs more than asking for all */

/* ---- asking ---- */

static int no_condition(int rc)
{
	if (rc == ENGINE_E_NOT_MANAGER)
		return -EOPNOTSUPP;
	return rc > 0 ? -EIO : rc;
}

int cluster_ask(struct engine *e, const char *path, json_t **out, struct err *err)
{
	return no_condition(engine_get(e, path, out, err));
}

int cluster_ask_some(struct engine *e, const char *path, const char *const *fields, json_t **out,
		     struct err *err)
{
	return no_condition(engine_get_some(e, path, fields, out, err));
}

/* Nothing else than a service of this name or id may come of it. */
static bool is_name(const char *s)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789_.-";

	return *s && s[strspn(s, allowed)] == '\0' && strspn(s, ".") != strlen(s);
}

static bool is_meant(const json_t *service, const char *name)
{
	return strcmp(jx_str(service, "Spec.Name", ""), name) == 0 ||
	       str_starts(jx_str(service, "ID", ""), name);
}

static int unknown(const char *name, struct err *err)
{
	err_set(err, -ENOENT, "there is no service '%s' in this Swarm: 'swarmcap ls' "
		"lists those that there are", name);
	return CLUSTER_E_UNKNOWN;
}

/* *out stays NULL when there is none. */
static int ask_service(struct engine *e, const char *name, json_t **out, struct err *err)
{
	cleanup_free char *escaped = engine_escape(name);
	cleanup_free char *path = xasprintf("/services/%s", escaped);
	cleanup_json json_t *j = NULL;
	struct err why = ERR_INIT;
	int rc = is_name(name) ? engine_get(e, path, &j, &why) : ENGINE_E_NOT_FOUND;

	if (rc == ENGINE_E_NOT_FOUND || (rc == 0 && !is_meant(j, name)))
		return 0;
	if (rc == ENGINE_E_AMBIGUOUS)
		return err_set(err, -EINVAL, "'%s' is the beginning of several services' ids",
			       name);
	if (rc == ENGINE_E_NOT_MANAGER)
		return err_set(err, -EOPNOTSUPP, "%s", why.text);
	if (rc != 0)
		return err_set(err, rc > 0 ? -EIO : rc, "%s (service '%s')", why.text, name);

	*out = take_ptr(&j);
	return 0;
}

static int load_service(struct engine *e, const char *name, struct cluster *c, struct err *err)
{
	cleanup_json json_t *service = NULL;
	int rc = ask_service(e, name, &service, err);

	if (rc < 0)
		return rc;
	return service ? cluster_decode_service(service, c, err) : unknown(name, err);
}

static int load_all_services(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_json json_t *list = NULL;
	const json_t *service;
	size_t i;
	int rc = cluster_ask_some(e, "/services", cluster_service_fields, &list, err);

	json_array_foreach(list, i, service) {
		rc = cluster_decode_service(service, c, err);
		if (rc < 0)
			return rc;
	}
	return rc;
}

/* Where an agent may answer, as far as the manager knows. */
static int load_agent_nodes(struct engine *e, const char *service_id, struct cluster *c,
			    struct err *err)
{
	cleanup_free char *filters = engine_filters("service", service_id, "desired-state",
						    "running", NULL);
	cleanup_free char *path = xasprintf("/tasks?%s", filters);
	cleanup_json json_t *list = NULL;
	const json_t *task;
	size_t i;
	int rc = cluster_ask(e, path, &list, err);

	if (rc < 0)
		return rc;
	json_array_foreach(list, i, task) {
		const char *node = jx_str(task, "NodeID", "");
		const char *state = jx_str(task, "Status.State", "");

		/* an agent answers before the manager hears that it runs */
		if (strcmp(state, "running") != 0 && strcmp(state, "starting") != 0)
			continue;
		for (size_t k = 0; k < c->n_nodes; k++)
			if (strcmp(c->nodes[k].id, node) == 0)
				c->nodes[k].agent = true;
	}
	return 0;
}

/* By the label, not by name: a stack's service is named after the stack (deploy/stack.yml). */
static int load_agent_port(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_free char *filters = engine_filters("label", "swarmcap.port", NULL);
	cleanup_free char *path = xasprintf("/services?%s", filters);
	cleanup_json json_t *list = NULL;
	const json_t *service;
	uint64_t port = SWARMCAP_PORT;
	size_t i;
	int rc = cluster_ask(e, path, &list, err);

	if (rc < 0 || json_array_size(list) == 0)
		return rc;
	json_array_foreach(list, i, service)
		if (units_parse_u64(jx_str(service, "Spec.Labels.=swarmcap.port", ""), 1,
				    UINT16_MAX, &port) == 0)
			break;
	if (i == json_array_size(list))
		i = 0;
	c->agent_port = (uint16_t)port;
	return load_agent_nodes(e, jx_str(json_array_get(list, i), "ID", ""), c, err);
}

static int load_nodes(struct engine *e, const json_t *info, struct cluster *c, struct err *err)
{
	cleanup_json json_t *nodes = NULL;
	int rc = cluster_decode_info(info, c, err);

	if (rc == 0)
		rc = cluster_ask_some(e, "/nodes", cluster_node_fields, &nodes, err);
	return rc < 0 ? rc : cluster_decode_nodes(nodes, c, err);
}

static int load_members(struct engine *e, const json_t *info, struct cluster *c, struct err *err)
{
	int rc = load_nodes(e, info, c, err);

	return rc < 0 ? rc : load_agent_port(e, c, err);
}

int cluster_load_nodes(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_json json_t *info = NULL;
	int rc = cluster_ask_info(e, LEADER_WAIT_MS, &info, err);

	return rc < 0 ? rc : load_members(e, info, c, err);
}

int cluster_load_names(struct engine *e, struct cluster *c, struct err *err)
{
	cleanup_json json_t *info = NULL;
	int rc = cluster_ask_info(e, 0, &info, err);

	if (rc == 0)
		rc = load_nodes(e, info, c, err);
	return rc < 0 ? rc : load_all_services(e, c, err);
}

static int load_self(struct engine *e, bool alone, int wait_ms, struct cluster *c, struct err *err)
{
	cleanup_json json_t *info = NULL;
	int rc = cluster_ask_info(e, wait_ms, &info, err);

	if (rc < 0)
		return rc;
	if (alone && !jx_bool(info, "Swarm.ControlAvailable", false))
		return cluster_decode_alone(info, c, err);
	return load_members(e, info, c, err);
}

int cluster_load_self(struct engine *e, struct cluster *c, struct err *err)
{
	return load_self(e, true, LEADER_WAIT_MS, c, err);
}

static bool containers_only(const struct selector *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].kind != SELECTOR_CONTAINER)
			return false;
	return n > 0;
}

static int parse(char *const *names, size_t n, struct selector **out, struct err *err)
{
	cleanup_free struct selector *list = xcalloc(n + 1, sizeof(*list));

	for (size_t i = 0; i < n; i++) {
		int rc = selector_parse(names[i], &list[i], err);

		if (rc < 0)
			return rc;
	}
	*out = take_ptr(&list);
	return 0;
}

static int load_services(struct engine *e, const struct selector *list, size_t n,
			 struct cluster *c, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < n; i++)
		if (list[i].kind == SELECTOR_SERVICE)
			rc = load_service(e, list[i].name, c, err);
	if (rc == 0 && n == 0)
		rc = load_all_services(e, c, err);
	if (rc == 0)
		rc = cluster_load_tasks(e, n == 0, c, err);
	return rc || n ? rc : cluster_load_overlays(e, c, err);
}

/* What is no container here may be one elsewhere, of a task or on an overlay. */
static int load_chosen(struct engine *e, const struct selector *list, size_t n, struct cluster *c,
		       struct err *err)
{
	int rc = cluster_load_containers(e, list, n, c, err);
	bool far = rc == CLUSTER_E_FAR && *c->id;

	if (rc < 0)
		return rc;
	return far || cluster_takes_lists(list, n) ? cluster_load_lists(e, list, n, c, err)
						   : load_services(e, list, n, c, err);
}

int cluster_load(struct engine *e, char *const *names, size_t n, struct cluster *c, struct err *err)
{
	cleanup_free struct selector *list = NULL;
	int rc = parse(names, n, &list, err);

	if (rc == 0)
		rc = load_self(e, containers_only(list, n), LEADER_WAIT_MS, c, err);
	if (rc == 0)
		rc = load_chosen(e, list, n, c, err);
	return rc ? rc : resolve_check(names, n, c, err);
}

int cluster_load_services(struct engine *e, const struct wire_service *list, size_t n,
			  struct cluster *c, struct err *err)
{
	int rc = load_self(e, false, 0, c, err);

	if (rc == 0 && n > ONE_BY_ONE_MAX)
		rc = load_all_services(e, c, err);
	for (size_t i = 0; rc == 0 && n <= ONE_BY_ONE_MAX && i < n; i++) {
		rc = load_service(e, list[i].id, c, err);
		if (rc == CLUSTER_E_UNKNOWN) {
			err_reset(err);
			rc = 0;
		}
	}
	return rc ? rc : cluster_load_tasks(e, n > ONE_BY_ONE_MAX, c, err);
}

/* ---- looking ---- */

const struct cluster_node *cluster_node(const struct cluster *c, const char *id)
{
	for (size_t i = 0; i < c->n_nodes; i++)
		if (strcmp(c->nodes[i].id, id) == 0)
			return &c->nodes[i];
	return NULL;
}

const struct cluster_service *cluster_service(const struct cluster *c, const char *id)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (strcmp(c->services[i].id, id) == 0)
			return &c->services[i];
	return NULL;
}

char *cluster_task_name(const struct cluster_task *t, const struct cluster_service *s)
{
	if (t->slot > 0)
		return xasprintf("%s.%lld", s->name, (long long)t->slot);
	return xasprintf("%s.%s", s->name, t->node_id);
}

bool cluster_task_ended(const struct cluster_task *t)
{
	static const char *const ends[] = { "complete", "shutdown", "failed",
					    "rejected", "remove",   "orphaned" };

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (strcmp(t->state, ends[i]) == 0)
			return true;
	return false;
}

const struct cluster_container *cluster_container(const struct cluster *c, const char *id)
{
	for (size_t i = 0; i < c->n_containers; i++)
		if (strcmp(c->containers[i].id, id) == 0)
			return &c->containers[i];
	return NULL;
}

bool cluster_task_runs(const struct cluster *c, const struct cluster_task *t)
{
	const struct cluster_service *s = cluster_service(c, t->service_id);
	bool job = s && s->job_iteration >= 0;

	if (job && t->job_iteration != s->job_iteration)
		return false;
	return strcmp(t->state, "running") == 0 && *t->container_id &&
	       strcmp(t->desired, job ? "complete" : "running") == 0;
}

struct wire_network *cluster_copy_networks(const struct wire_network *list, size_t n)
{
	return wire_networks_copy(list, n);
}

/* ---- the end ---- */

static void release_node(struct cluster_node *n)
{
	free(n->id);
	free(n->name);
	free(n->address);
	free(n->state);
	free(n->availability);
	free(n->os);
	free(n->arch);
	free(n->engine_version);
}

static void release_service(struct cluster_service *s)
{
	free(s->id);
	free(s->name);
	free(s->stack);
}

void cluster_release_networks(struct wire_network *list, size_t n)
{
	wire_networks_release(list, n);
}

static void release_task(struct cluster_task *t)
{
	cluster_release_networks(t->networks, t->n_networks);
	free(t->id);
	free(t->service_id);
	free(t->node_id);
	free(t->state);
	free(t->desired);
	free(t->container_id);
	free(t->image);
	free(t->error);
}

static void release_container(struct cluster_container *k)
{
	cluster_release_networks(k->networks, k->n_networks);
	free(k->id);
	free(k->name);
	free(k->image);
	free(k->node_id);
	free(k->joins);
}

void cluster_release(struct cluster *c)
{
	for (size_t i = 0; i < c->n_nodes; i++)
		release_node(&c->nodes[i]);
	for (size_t i = 0; i < c->n_services; i++)
		release_service(&c->services[i]);
	for (size_t i = 0; i < c->n_tasks; i++)
		release_task(&c->tasks[i]);
	for (size_t i = 0; i < c->n_containers; i++)
		release_container(&c->containers[i]);
	for (size_t i = 0; i < c->n_networks; i++) {
		free(c->networks[i].id);
		free(c->networks[i].name);
	}
	free(c->networks);
	free(c->containers);
	free(c->nodes);
	free(c->services);
	free(c->tasks);
	free(c->id);
	free(c->self_node_id);
	free(c->self_name);
	free(c->self_address);
	*c = (struct cluster)CLUSTER_INIT;
}
