/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_decode.c - the manager's JSON as structs; pure
 *
 * An id goes into URLs, comparisons and requests to agents, so an entry without a proper one
 * fails the whole answer: that is no Docker. Everything else may be absent or odd, and is then
 * "" or NULL.
 *
 * Where a node is reached is a trap (moby#35437): Status.Addr is the source address that the
 * leader saw, which for the leader itself may be 0.0.0.0 or 127.0.0.1; ManagerStatus.Addr is
 * what a manager advertises, if it was told to. For the manager that answers, /info knows best.
 */
#include "cluster_parts.h"

#include "buf.h"
#include "utf8.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define ID_MAX 64
#define VXLAN_PORT 4789		/* Docker's, where the Swarm says none (or 0) */
#define VNI_OPTION "Network.DriverState.Options.=" CLUSTER_VNI_OPTION

/* The network of an attachment, and what the driver made of it; its options' names have dots. */
const char *const cluster_task_fields[] = {
	"ID", "ServiceID", "NodeID", "Slot", "DesiredState", "JobIteration", "Status.State",
	"Status.Err", "Status.ContainerStatus.ContainerID", "Spec.ContainerSpec.Image",
	"Spec.NetworkAttachmentSpec.ContainerID", "NetworksAttachments.Addresses",
	"NetworksAttachments.Network.ID", "NetworksAttachments.Network.Spec.Name",
	"NetworksAttachments.Network.DriverState", NULL,
};

const char *const cluster_service_fields[] = {
	"ID", "Spec.Name", "Spec.Labels", "Spec.Mode", "JobStatus", "Endpoint.Ports", NULL,
};

const char *const cluster_node_fields[] = {
	"ID", "Spec.Availability", "Description.Hostname", "Description.Platform",
	"Description.Engine.EngineVersion", "Status", "ManagerStatus", NULL,
};

/* ---- small parts ---- */

static char *dup_text(const char *s)
{
	size_t n = utf8_cut(s, WIRE_TEXT_MAX);
	char *out = xmalloc(n + 1);

	memcpy(out, s, n);
	out[n] = '\0';
	return out;
}

static char *text_at(const json_t *j, const char *path)
{
	return dup_text(jx_str(j, path, ""));
}

static bool is_id(const char *s)
{
	size_t n = 0;

	while (n <= ID_MAX && isalnum((unsigned char)s[n]))
		n++;
	return n > 0 && n <= ID_MAX && s[n] == '\0';
}

/* The id at path, or "" for one that is none. */
static char *id_at(const json_t *j, const char *path)
{
	const char *s = jx_str(j, path, "");

	return xstrdup(is_id(s) ? s : "");
}

static bool is_address(const char *s)
{
	struct in6_addr any;

	return inet_pton(AF_INET, s, &any) == 1 || inet_pton(AF_INET6, s, &any) == 1;
}

/* Where somebody else can reach it. */
static bool is_reachable(const char *s)
{
	return is_address(s) && strcmp(s, "0.0.0.0") != 0 && strcmp(s, "::") != 0 &&
	       !str_starts(s, "127.") && strcmp(s, "::1") != 0;
}

/* "10.99.0.11:2377", "[fd00::1]:2377" */
static char *without_port(const char *s)
{
	const char *colon = strrchr(s, ':');
	size_t n = colon ? (size_t)(colon - s) : strlen(s);
	char *out;

	if (n >= 2 && s[0] == '[' && s[n - 1] == ']') {
		s++;
		n -= 2;
	}
	out = xmalloc(n + 1);
	memcpy(out, s, n);
	out[n] = '\0';
	return out;
}

static int check_list(const json_t *list, size_t have, size_t max, const char *what,
		      struct err *err)
{
	if (!json_is_array(list))
		return err_set(err, -EINVAL, "Docker's answer is no list of %s", what);
	if (json_array_size(list) > max - have)
		return err_set(err, -E2BIG, "more than %zu %s are not supported", max, what);
	return 0;
}

/* ---- info ---- */

static int not_in_swarm(const json_t *info, const char *state, struct err *err)
{
	cleanup_buf struct buf why = BUF_INIT(8 * WIRE_TEXT_MAX);
	cleanup_free char *error = text_at(info, "Swarm.Error");

	if (strcmp(state, "locked") == 0)
		return err_set(err, -EOPNOTSUPP, "this Swarm is locked: run docker swarm unlock");
	if (strcmp(state, "pending") != 0 && strcmp(state, "error") != 0)
		return err_set(err, -EOPNOTSUPP, "this Docker is not part of a Swarm");

	buf_add_safe(&why, error);
	return err_set(err, -EOPNOTSUPP, "this Docker's Swarm is not ready (%s)%s%s", state,
		       why.len ? ": " : "", why.data);
}

static int no_leader(const json_t *info, struct err *err)
{
	cleanup_buf struct buf why = BUF_INIT(8 * WIRE_TEXT_MAX), name = BUF_INIT(8 * WIRE_TEXT_MAX);
	cleanup_free char *hostname = text_at(info, "Name"), *error = text_at(info, "Swarm.Error");

	buf_add_safe(&name, hostname);
	buf_add_safe(&why, error);
	return err_set(err, -EOPNOTSUPP, "%s knows of no leader of its Swarm: bring more than half "
		       "of the managers back, or ask another one (-H)%s%s", name.data,
		       why.len ? "; Docker says: " : "", why.data);
}

static int worker(const json_t *info, struct err *err)
{
	cleanup_buf struct buf name = BUF_INIT(8 * WIRE_TEXT_MAX), managers = BUF_INIT(1024);
	cleanup_free char *hostname = text_at(info, "Name");
	const json_t *manager;
	size_t i;

	buf_add_safe(&name, hostname);
	json_array_foreach(jx_get(info, "Swarm.RemoteManagers"), i, manager) {
		const char *at = jx_str(manager, "Addr", "");
		cleanup_free char *address = without_port(at);

		if (is_address(address) &&
		    buf_addf(&managers, "%s%s", managers.len ? ", " : "", at))
			break;
	}
	return err_set(err, -EOPNOTSUPP,
		       "%s is a worker: run swarmcap against a manager (managers: %s)", name.data,
		       managers.len ? managers.data : "unknown");
}

int cluster_decode_info(const json_t *info, struct cluster *c, struct err *err)
{
	const char *state = jx_str(info, "Swarm.LocalNodeState", "inactive");
	const char *address = jx_str(info, "Swarm.NodeAddr", "");
	const char *id = jx_str(info, "Swarm.Cluster.ID", "");
	int64_t port;
	int rc = engine_check_info(info, err);

	if (rc < 0)
		return rc;
	if (strcmp(state, "active") != 0)
		return not_in_swarm(info, state, err);
	if (!jx_bool(info, "Swarm.ControlAvailable", false))
		return worker(info, err);
	if (cluster_lacks_leader(info))
		return no_leader(info, err);
	if (!is_id(id) || !is_id(jx_str(info, "Swarm.NodeID", "")))
		return err_set(err, -EINVAL, "Docker does not say the id of its Swarm");
	if (c->id)
		return 0;

	c->id = xstrdup(id);
	c->self_node_id = id_at(info, "Swarm.NodeID");
	c->self_name = text_at(info, "Name");
	c->self_address = xstrdup(is_address(address) ? address : "");
	port = jx_int(info, "Swarm.Cluster.DataPathPort", 0);
	c->data_path_port = port > 0 && port <= UINT16_MAX ? (uint16_t)port : VXLAN_PORT;
	return 0;
}

/* ---- nodes ---- */

static char *node_address(const json_t *node, const struct cluster *c, const char *id)
{
	cleanup_free char *manager = without_port(jx_str(node, "ManagerStatus.Addr", ""));
	const char *seen = jx_str(node, "Status.Addr", "");

	if (c->self_node_id && strcmp(id, c->self_node_id) == 0 && *c->self_address)
		return xstrdup(c->self_address);
	if (is_reachable(manager))
		return take_ptr(&manager);
	return xstrdup(is_reachable(seen) ? seen : "");
}

static struct cluster_node decode_node(const json_t *j, const struct cluster *c, const char *id)
{
	return (struct cluster_node){
		.id = xstrdup(id),
		.name = text_at(j, "Description.Hostname"),
		.address = node_address(j, c, id),
		.state = text_at(j, "Status.State"),
		.availability = text_at(j, "Spec.Availability"),
		.os = text_at(j, "Description.Platform.OS"),
		.arch = text_at(j, "Description.Platform.Architecture"),
		.engine_version = text_at(j, "Description.Engine.EngineVersion"),
		.manager = json_is_object(jx_get(j, "ManagerStatus")),
		.leader = jx_bool(j, "ManagerStatus.Leader", false),
	};
}

/* The Engine tells them in the order of their ids, which is none. */
static int compare_names(const void *pa, const void *pb)
{
	const struct cluster_node *a = pa, *b = pb;
	int d = strcmp(a->name, b->name);

	return d ? d : strcmp(a->id, b->id);
}

int cluster_decode_nodes(const json_t *nodes, struct cluster *c, struct err *err)
{
	const json_t *j;
	size_t i;
	int rc = check_list(nodes, c->n_nodes, CLUSTER_NODES_MAX, "nodes", err);

	if (rc < 0)
		return rc;

	c->nodes = xrealloc(c->nodes, c->n_nodes + json_array_size(nodes), sizeof(*c->nodes));
	json_array_foreach(nodes, i, j) {
		const char *id = jx_str(j, "ID", "");

		if (!is_id(id))
			return err_set(err, -EINVAL, "Docker's answer has a node without id");
		if (!cluster_node(c, id))
			c->nodes[c->n_nodes++] = decode_node(j, c, id);
	}
	if (c->n_nodes > 0)
		qsort(c->nodes, c->n_nodes, sizeof(*c->nodes), compare_names);
	return 0;
}

/* ---- services ---- */

static const char *service_mode(const json_t *service)
{
	static const char *const modes[][2] = {
		{ "Replicated", "replicated" },
		{ "Global", "global" },
		{ "ReplicatedJob", "replicated-job" },
		{ "GlobalJob", "global-job" },
	};
	const json_t *mode = jx_get(service, "Spec.Mode");

	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		if (json_object_get(mode, modes[i][0]))
			return modes[i][1];
	return "unknown";
}

/* Index 0, of the first run, is left out by Docker. */
static int64_t job_iteration(const json_t *j, const char *path)
{
	const json_t *iteration = jx_get(j, path);

	return json_is_object(iteration) ? jx_int(iteration, "Index", 0) : -1;
}

/* Without a mode a port is ingress'. */
static bool is_published(const json_t *service)
{
	const json_t *port;
	size_t i;

	json_array_foreach(jx_get(service, "Endpoint.Ports"), i, port) {
		if (strcmp(jx_str(port, "PublishMode", "ingress"), "ingress") == 0)
			return true;
	}
	return false;
}

int cluster_decode_service(const json_t *service, struct cluster *c, struct err *err)
{
	const char *id = jx_str(service, "ID", ""), *name = jx_str(service, "Spec.Name", "");
	const char *stack = jx_str(service, "Spec.Labels.=com.docker.stack.namespace", NULL);
	struct cluster_service *s;

	if (!is_id(id) || !*name)
		return err_set(err, -EINVAL, "Docker's answer has a service without id or name");
	if (cluster_service(c, id))
		return 0;

	c->services = xrealloc(c->services, c->n_services + 1, sizeof(*c->services));
	s = &c->services[c->n_services++];
	*s = (struct cluster_service){
		.id = xstrdup(id), .name = dup_text(name),
		.stack = stack ? dup_text(stack) : NULL, .mode = service_mode(service),
		.job_iteration = job_iteration(service, "JobStatus.JobIteration"),
		.published = is_published(service),
	};
	return 0;
}

/* ---- tasks ---- */

/* "10.0.1.5/24" */
static bool is_cidr(const char *s)
{
	const char *slash = strrchr(s, '/');
	char address[INET6_ADDRSTRLEN];
	size_t n = slash ? (size_t)(slash - s) : strlen(s);

	if (n >= sizeof(address) || (slash && strspn(slash + 1, "0123456789") != strlen(slash + 1)))
		return false;
	memcpy(address, s, n);
	address[n] = '\0';
	return is_address(address) && (!slash || (slash[1] && strlen(slash + 1) <= 3));
}

static void decode_addresses(const json_t *list, struct wire_network *n)
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j) {
		const char *s = json_string_value(j);

		if (n->n_addresses == WIRE_ADDRESSES_MAX)
			return;
		if (!s || !is_cidr(s))
			continue;
		n->addresses = xrealloc(n->addresses, n->n_addresses + 1, sizeof(*n->addresses));
		n->addresses[n->n_addresses++] = xstrdup(s);
	}
}

static void decode_networks(const json_t *list, struct cluster_task *t)
{
	const json_t *j;
	size_t i;

	json_array_foreach(list, i, j) {
		struct wire_network n = { 0 };

		if (t->n_networks == WIRE_NETWORKS_MAX)
			return;
		n.name = text_at(j, "Network.Spec.Name");
		n.id = id_at(j, "Network.ID");
		n.vni = cluster_vni(jx_str(j, VNI_OPTION, "0"));
		decode_addresses(jx_get(j, "Addresses"), &n);
		t->networks = xrealloc(t->networks, t->n_networks + 1, sizeof(*t->networks));
		t->networks[t->n_networks++] = n;
		t->host_network |= strcmp(jx_str(j, "Network.DriverState.Name", ""), "host") == 0;
	}
}

static struct cluster_task decode_task(const json_t *j)
{
	int64_t slot = jx_int(j, "Slot", 0);
	struct cluster_task t = {
		.id = id_at(j, "ID"),
		.service_id = id_at(j, "ServiceID"),
		.node_id = id_at(j, "NodeID"),
		.slot = slot > 0 ? slot : 0,
		.state = text_at(j, "Status.State"),
		.desired = text_at(j, "DesiredState"),
		.container_id = id_at(j, "Status.ContainerStatus.ContainerID"),
		.image = text_at(j, "Spec.ContainerSpec.Image"),
		.error = text_at(j, "Status.Err"),
		.job_iteration = job_iteration(j, "JobIteration"),
	};

	decode_networks(jx_get(j, "NetworksAttachments"), &t);
	return t;
}

int cluster_decode_tasks(const json_t *tasks, struct cluster *c, struct err *err)
{
	const json_t *j;
	size_t i;
	int rc = check_list(tasks, c->n_tasks, CLUSTER_TASKS_MAX, "tasks", err);

	if (rc < 0)
		return rc;

	c->tasks = xrealloc(c->tasks, c->n_tasks + json_array_size(tasks), sizeof(*c->tasks));
	json_array_foreach(tasks, i, j) {
		if (!is_id(jx_str(j, "ID", "")))
			return err_set(err, -EINVAL, "Docker's answer has a task without id");
		c->tasks[c->n_tasks++] = decode_task(j);
	}
	return 0;
}

static bool is_container(const char *id)
{
	return strlen(id) == 64 && strspn(id, "0123456789abcdef") == 64;
}

int cluster_decode_attachments(const json_t *tasks, struct cluster *c, struct err *err)
{
	const json_t *j;
	size_t i;
	int rc = check_list(tasks, c->n_containers, CLUSTER_TASKS_MAX, "tasks", err);

	if (rc < 0)
		return rc;

	c->containers = xrealloc(c->containers, c->n_containers + json_array_size(tasks),
				 sizeof(*c->containers));
	json_array_foreach(tasks, i, j) {
		const char *id = jx_str(j, "Spec.NetworkAttachmentSpec.ContainerID", "");
		struct cluster_task t = { 0 };

		if (!is_container(id) || strcmp(jx_str(j, "Status.State", ""), "running") != 0)
			continue;
		decode_networks(jx_get(j, "NetworksAttachments"), &t);
		cluster_add_attached(c, id, id_at(j, "NodeID"), &t);
	}
	return 0;
}
