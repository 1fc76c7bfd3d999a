/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_test.c - recorded answers of a manager: names, tasks, addresses; hostile ones too
 */
#include "fake_http.h"
#include "recorded.h"

#include <errno.h>
#include <stdatomic.h>

#include <curl/curl.h>

/* ---- decoding what was recorded ---- */

static void test_info(void **state)
{
	struct cluster c;

	recorded_cluster(&c, false);
	assert_string_equal(c.id, "d7twluaii0w0zbvyefaav1t35");
	assert_string_equal(c.self_node_id, "1sgwxic6aaq70dgydb1hy1kvo");
	assert_string_equal(c.self_name, "node1");
	assert_string_equal(c.self_address, "10.96.0.11");
	cluster_release(&c);
}

/* --data-path-port of swarm init; an Engine that says none has Docker's. */
static void test_data_path_port(void **state)
{
	cleanup_json json_t *info = recorded("info");
	struct cluster c = CLUSTER_INIT;

	json_object_set_new(jx_get(info, "Swarm.Cluster"), "DataPathPort", json_integer(7789));
	assert_int_equal(cluster_decode_info(info, &c, NULL), 0);
	assert_int_equal(c.data_path_port, 7789);
	cluster_release(&c);
	json_object_set_new(jx_get(info, "Swarm.Cluster"), "DataPathPort", json_integer(0));
	assert_int_equal(cluster_decode_info(info, &c, NULL), 0);
	assert_int_equal(c.data_path_port, 4789);
	cluster_release(&c);
}

static void check_info(json_t *info, const char *text)
{
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(cluster_decode_info(info, &c, &err), -EOPNOTSUPP);
	assert_string_equal(err.text, text);
	assert_null(c.id);
	json_decref(info);
}

static void test_no_manager(void **state)
{
	check_info(recorded("info_none"), "this Docker is not part of a Swarm");
	check_info(recorded("info_worker"),
		   "node2 is a worker: run swarmcap against a manager (managers: 10.96.0.11:2377)");
	check_info(json_pack("{s:{s:s}}", "Swarm", "LocalNodeState", "locked"),
		   "this Swarm is locked: run docker swarm unlock");
	check_info(json_pack("{s:{s:s, s:s}}", "Swarm", "LocalNodeState", "error", "Error",
			     "no\033 raft"),
		   "this Docker's Swarm is not ready (error): no\\x1b raft");
	check_info(json_pack("{s:s, s:{s:s}}", "Name", "n", "Swarm", "LocalNodeState", "active"),
		   "n is a worker: run swarmcap against a manager (managers: unknown)");
	check_info(json_pack("{s:s, s:{s:s, s:b, s:s}}", "Name", "n", "Swarm", "LocalNodeState", "active", "ControlAvailable", 1,
			     "Error", "rpc error\033"),
		   "n knows of no leader of its Swarm: bring more than half of the managers back, or ask "
		   "another one (-H); Docker says: rpc error\\x1b");
	check_info(json_array(), "this Docker is not part of a Swarm");
	check_info(json_pack("{s:[s, s], s:{s:s}}", "SecurityOptions", "name=seccomp,profile=default",
			     "name=rootless", "Swarm", "LocalNodeState", "active"),
		   "this Docker is rootless: it has no overlays, and its containers' networks are out of "
		   "reach; name one that runs as root (-H)");
}

static void test_nodes(void **state)
{
	struct cluster c;
	const struct cluster_node *n;

	recorded_cluster(&c, true);
	assert_int_equal(c.n_nodes, 3);
	n = cluster_node(&c, "1sgwxic6aaq70dgydb1hy1kvo");
	assert_string_equal(n->name, "node1");
	assert_string_equal(n->address, "10.96.0.11");
	assert_string_equal(n->state, "ready");
	assert_string_equal(n->availability, "active");
	assert_string_equal(n->os, "linux");
	assert_string_equal(n->engine_version, "20.10.24+dfsg1");
	assert_true(n->manager && n->leader);
	n = cluster_node(&c, "jl5njgn34o6ti71v8kzodanaa");
	assert_string_equal(n->name, "node3");
	assert_string_equal(n->state, "down");
	assert_false(n->manager || n->leader);
	assert_null(cluster_node(&c, "jl5njgn34o6ti71v8kzodana"));
	cluster_release(&c);
}

static void test_services(void **state)
{
	struct cluster c;

	recorded_cluster(&c, false);
	assert_int_equal(c.n_services, 11);
	assert_string_equal(recorded_service(&c, "web")->mode, "replicated");
	assert_null(recorded_service(&c, "web")->stack);
	assert_int_equal(recorded_service(&c, "web")->job_iteration, -1);
	assert_string_equal(recorded_service(&c, "web2")->stack, "shop");
	assert_string_equal(recorded_service(&c, "agent")->mode, "global");
	assert_string_equal(recorded_service(&c, "job")->mode, "replicated-job");
	assert_int_equal(recorded_service(&c, "job")->job_iteration, 0);
	assert_string_equal(recorded_service(&c, "gjob")->mode, "global-job");
	cluster_release(&c);
}

static void check_running(const struct cluster *c, const char *service, size_t expected)
{
	const char *id = recorded_service(c, service)->id;
	size_t n = 0;

	for (size_t i = 0; i < c->n_tasks; i++)
		n += strcmp(c->tasks[i].service_id, id) == 0 && cluster_task_runs(c, &c->tasks[i]);
	if (n != expected)
		fail_msg("%zu tasks of %s run", n, service);
}

static void test_tasks_that_run(void **state)
{
	struct cluster c;

	recorded_cluster(&c, false);
	check_running(&c, "web", 5);
	check_running(&c, "web2", 2);
	check_running(&c, "agent", 3);
	check_running(&c, "job", 2);
	check_running(&c, "gjob", 0);
	check_running(&c, "crash", 0);
	check_running(&c, "stuck", 0);
	check_running(&c, "nowhere", 0);
	((struct cluster_service *)recorded_service(&c, "job"))->job_iteration = 1;
	check_running(&c, "job", 0);
	cluster_release(&c);
}

/* As the answer would be parsed. New reference. */
static json_t *some_of(const char *name, const char *const *fields)
{
	cleanup_json json_t *whole = recorded(name);
	cleanup_free char *text = jx_dump(whole);
	json_t *some = NULL;

	assert_int_equal(jx_parse_some(text, strlen(text), fields, name, &some, NULL), 0);
	assert_false(json_equal(whole, some));
	return some;
}

static void check_same_tasks(const struct cluster *a, const struct cluster *b)
{
	assert_int_equal(a->n_tasks, b->n_tasks);
	for (size_t i = 0; i < a->n_tasks; i++) {
		const struct cluster_task *s = &a->tasks[i], *t = &b->tasks[i];
		const char *texts[][2] = {
			{ s->id, t->id }, { s->service_id, t->service_id }, { s->node_id, t->node_id },
			{ s->state, t->state }, { s->desired, t->desired }, { s->image, t->image },
			{ s->container_id, t->container_id }, { s->error, t->error },
		};

		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			assert_string_equal(texts[k][0], texts[k][1]);
		assert_int_equal(s->slot, t->slot);
		assert_int_equal(s->job_iteration, t->job_iteration);
		assert_int_equal(s->host_network, t->host_network);
		assert_int_equal(s->n_networks, t->n_networks);
		for (size_t k = 0; k < s->n_networks; k++) {
			assert_string_equal(s->networks[k].name, t->networks[k].name);
			assert_string_equal(s->networks[k].id, t->networks[k].id);
			assert_int_equal(s->networks[k].vni, t->networks[k].vni);
			assert_int_equal(s->networks[k].n_addresses, t->networks[k].n_addresses);
		}
	}
}

static void check_same_services_and_nodes(const struct cluster *a, const struct cluster *b)
{
	assert_int_equal(a->n_services, b->n_services);
	for (size_t i = 0; i < a->n_services; i++) {
		const struct cluster_service *s = &a->services[i], *t = &b->services[i];

		assert_string_equal(s->name, t->name);
		assert_string_equal(s->stack ? s->stack : "-", t->stack ? t->stack : "-");
		assert_string_equal(s->mode, t->mode);
		assert_int_equal(s->job_iteration, t->job_iteration);
		assert_int_equal(s->published, t->published);
	}
	assert_int_equal(a->n_nodes, b->n_nodes);
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct cluster_node *s = &a->nodes[i], *t = &b->nodes[i];
		const char *texts[][2] = {
			{ s->id, t->id }, { s->name, t->name }, { s->address, t->address },
			{ s->state, t->state }, { s->availability, t->availability },
			{ s->os, t->os }, { s->arch, t->arch }, { s->engine_version, t->engine_version },
		};

		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			assert_string_equal(texts[k][0], texts[k][1]);
		assert_int_equal(s->manager, t->manager);
		assert_int_equal(s->leader, t->leader);
	}
}

/* What the decoders read is all there when only their fields are parsed. */
static void test_fields(void **state)
{
	cleanup_json json_t *info = recorded("info"), *nodes = some_of("nodes", cluster_node_fields);
	cleanup_json json_t *services = some_of("services", cluster_service_fields);
	cleanup_json json_t *tasks = some_of("tasks", cluster_task_fields);
	struct cluster all, some = CLUSTER_INIT;
	const json_t *service;
	size_t i;

	recorded_cluster(&all, false);
	assert_int_equal(cluster_decode_info(info, &some, NULL), 0);
	assert_int_equal(cluster_decode_nodes(nodes, &some, NULL), 0);
	json_array_foreach(services, i, service)
		assert_int_equal(cluster_decode_service(service, &some, NULL), 0);
	assert_int_equal(cluster_decode_tasks(tasks, &some, NULL), 0);
	check_same_tasks(&all, &some);
	check_same_services_and_nodes(&all, &some);
	cluster_release(&all);
	cluster_release(&some);
}

static const struct cluster_task *first_task(const struct cluster *c, const char *service)
{
	const char *id = recorded_service(c, service)->id;

	for (size_t i = 0; i < c->n_tasks; i++)
		if (strcmp(c->tasks[i].service_id, id) == 0)
			return &c->tasks[i];
	fail_msg("no task of %s", service);
	return NULL;
}

static void test_task(void **state)
{
	struct cluster c;
	const struct cluster_task *t;

	recorded_cluster(&c, false);
	t = first_task(&c, "web2");
	assert_string_equal(t->id, "cmc700qsmp4xivsq1iykvyqcl");
	assert_string_equal(t->node_id, "1sgwxic6aaq70dgydb1hy1kvo");
	assert_int_equal(t->slot, 1);
	assert_string_equal(t->container_id,
			    "e59d7ccf1ab2b0bdb6a0922bcf80d7103c9d659e9abce2abe378730ed76897d3");
	assert_string_equal(t->image, "busybox:latest");
	assert_string_equal(t->error, "");
	assert_int_equal(t->job_iteration, -1);
	assert_int_equal(t->n_networks, 2);
	assert_string_equal(t->networks[0].name, "back");
	assert_string_equal(t->networks[0].id, "3lsdskt1cjln54atchtd5e2oz");
	assert_int_equal(t->networks[0].vni, 4098);
	assert_int_equal(t->networks[0].n_addresses, 1);
	assert_string_equal(t->networks[0].addresses[0], "10.0.2.2/24");
	assert_string_equal(t->networks[1].name, "app");

	t = first_task(&c, "hostnet");
	assert_int_equal(t->slot, 0);
	assert_string_equal(t->networks[0].name, "host");
	assert_int_equal(t->networks[0].vni, 0);
	assert_int_equal(t->networks[0].n_addresses, 0);
	assert_string_equal(first_task(&c, "stuck")->error, "No such image: no-such-image:latest");
	assert_string_equal(first_task(&c, "nowhere")->node_id, "");
	cluster_release(&c);
}

/* ---- the address quirk ---- */

static void check_address(const char *id, const char *manager, const char *seen,
			  const char *expected)
{
	struct cluster c = { .self_node_id = xstrdup("self"), .self_address = xstrdup("10.9.9.9") };
	json_t *node = json_pack("{s:s, s:{s:s}}", "ID", id, "Status", "Addr", seen);
	cleanup_json json_t *nodes = json_pack("[o]", node);

	if (manager)
		json_object_set_new(node, "ManagerStatus", json_pack("{s:s}", "Addr", manager));
	assert_int_equal(cluster_decode_nodes(nodes, &c, NULL), 0);
	assert_string_equal(c.nodes[0].address, expected);
	cluster_release(&c);
}

static void test_addresses(void **state)
{
	check_address("n1", NULL, "10.0.0.2", "10.0.0.2");
	check_address("n1", "10.0.0.1:2377", "192.168.1.1", "10.0.0.1");
	check_address("n1", "0.0.0.0:2377", "10.0.0.2", "10.0.0.2");
	check_address("n1", "[fd00::1]:2377", "10.0.0.2", "fd00::1");
	check_address("n1", "[::]:2377", "fd00::2", "fd00::2");
	check_address("n1", "0.0.0.0:2377", "127.0.0.1", "");
	check_address("n1", NULL, "0.0.0.0", "");
	check_address("n1", NULL, "evil.example", "");
	check_address("n1", "evil.example:80", "10.0.0.2", "10.0.0.2");
	check_address("self", "0.0.0.0:2377", "127.0.0.1", "10.9.9.9");
}

/* ---- hostile answers ---- */

static void check_refused(int decode(const json_t *, struct cluster *, struct err *), json_t *j,
			  int code)
{
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(decode(j, &c, &err), code);
	assert_int_equal(err.code, code);
	json_decref(j);
	cluster_release(&c);
}

static void test_refused(void **state)
{
	json_t *many = json_array(), *item = json_pack("{s:s}", "ID", "x");

	for (int i = 0; i <= CLUSTER_NODES_MAX; i++)
		json_array_append(many, item);
	json_decref(item);
	check_refused(cluster_decode_nodes, many, -E2BIG);
	check_refused(cluster_decode_nodes, json_object(), -EINVAL);
	check_refused(cluster_decode_nodes, json_pack("[{s:s}]", "ID", "../x"), -EINVAL);
	check_refused(cluster_decode_nodes, json_pack("[{s:i}]", "ID", 1), -EINVAL);
	check_refused(cluster_decode_tasks, json_string("x"), -EINVAL);
	check_refused(cluster_decode_tasks, json_pack("[{s:s}]", "ID", ""), -EINVAL);
	check_refused(cluster_decode_service, json_pack("{s:s}", "ID", "x"), -EINVAL);
	check_refused(cluster_decode_service, json_pack("{s:{s:s}}", "Spec", "Name", "x"), -EINVAL);
}

static void test_odd_task(void **state)
{
	struct cluster c = CLUSTER_INIT;
	cleanup_free char *name = xmalloc(3 * WIRE_TEXT_MAX + 1);
	cleanup_json json_t *tasks = NULL, *addresses = json_array();

	for (int i = 0; i < WIRE_TEXT_MAX; i++)
		memcpy(name + 3 * i, "\xe2\x82\xac", 4);
	for (int i = 0; i < WIRE_ADDRESSES_MAX + 5; i++)
		json_array_append_new(addresses,
				      json_string(i ? "10.0.0.1/24" : "10.0.0.1/24; rm"));
	tasks = json_pack("[{s:s, s:i, s:{s:{s:s}}, s:[{s:{s:s, s:{s:s}}, s:O}, n]}]", "ID", "x",
			  "Slot", -4, "Status", "ContainerStatus", "ContainerID", "../../etc",
			  "NetworksAttachments", "Network", "ID", "a b", "Spec", "Name", name,
			  "Addresses", addresses);
	assert_int_equal(cluster_decode_tasks(tasks, &c, NULL), 0);
	assert_int_equal(c.tasks[0].slot, 0);
	assert_string_equal(c.tasks[0].container_id, "");
	assert_string_equal(c.tasks[0].networks[0].id, "");
	assert_int_equal(strlen(c.tasks[0].networks[0].name), WIRE_TEXT_MAX / 3 * 3);
	assert_int_equal(c.tasks[0].networks[0].n_addresses, WIRE_ADDRESSES_MAX);
	assert_false(cluster_task_runs(&c, &c.tasks[0]));
	cluster_release(&c);
}

/* ---- asking a manager ---- */

static struct fake server;
static json_t *answers[4];		/* info, nodes, services, tasks */
static json_t *leaderless;		/* what /info answers so many times before */
static atomic_uint n_leaderless;
static char *asked_tasks;		/* the filters of the last /tasks */

static enum MHD_Result answer_json(struct MHD_Connection *c, const json_t *j)
{
	cleanup_free char *text = jx_dump(j);

	return fake_answer(c, 200, text, strlen(text), NULL);
}

static enum MHD_Result answer_message(struct MHD_Connection *c, unsigned int status,
				      const char *text)
{
	cleanup_free char *body = xasprintf("{\"message\":\"%s\"}", text);

	return fake_answer(c, status, body, strlen(body), NULL);
}

/* As Docker does: the full id, the full name (in any case), a unique beginning of an id. */
static enum MHD_Result answer_service(struct MHD_Connection *c, const char *name)
{
	const json_t *service, *found = NULL;
	size_t i, n = 0;

	json_array_foreach(answers[2], i, service) {
		if (strcasecmp(jx_str(service, "Spec.Name", ""), name) == 0)
			return answer_json(c, service);
		if (str_starts(jx_str(service, "ID", ""), name)) {
			found = service;
			n++;
		}
	}
	if (n > 1)
		return answer_message(c, 400, "service x is ambiguous (2 matches found)");
	return n ? answer_json(c, found) : answer_message(c, 404, "service x not found");
}

static enum MHD_Result answer_services(struct MHD_Connection *c)
{
	const char *filters = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "filters");
	cleanup_json json_t *list = json_array();
	json_t *service;
	size_t i;

	json_array_foreach(answers[2], i, service)
		if (!filters || jx_get(service, "Spec.Labels.=swarmcap.port"))
			json_array_append(list, service);
	return answer_json(c, list);
}

static const char networks[] = "[{\"Id\": \"sxrblvjzdul2w5rkc7g5nqstr\", \"Name\": \"app\", "
			       "\"Driver\": \"overlay\", \"Options\": {"
			       "\"com.docker.network.driver.overlay.vxlanid_list\": \"4097\"}}]";

static enum MHD_Result serve(void *arg, struct MHD_Connection *c, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *size, void **state)
{
	static const char *const headers[] = { "Api-Version", "1.41", NULL };
	const char *filters;

	if (strcmp(url, "/_ping") == 0)
		return fake_answer(c, 200, "OK", 2, headers);
	if (strcmp(url, "/v1.41/info") == 0 && n_leaderless) {
		n_leaderless--;
		return answer_json(c, leaderless);
	}
	if (strcmp(url, "/v1.41/info") == 0)
		return answer_json(c, answers[0]);
	if (strcmp(url, "/v1.41/nodes") == 0)
		return answer_json(c, answers[1]);
	if (strcmp(url, "/v1.41/networks") == 0)
		return fake_answer(c, 200, networks, strlen(networks), NULL);
	if (str_starts(url, "/v1.41/containers/"))
		return answer_message(c, 404, "No such container: x");
	if (strcmp(url, "/v1.41/services") == 0)
		return answer_services(c);
	if (str_starts(url, "/v1.41/services/"))
		return answer_service(c, url + strlen("/v1.41/services/"));
	if (strcmp(url, "/v1.41/tasks") != 0)
		return answer_message(c, 500, url);
	filters = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "filters");
	if (filters && strstr(filters, "attachment"))
		return fake_answer(c, 200, "[]", 2, NULL);
	free(asked_tasks);
	asked_tasks = xstrdup(filters ? filters : "");
	return answer_json(c, answers[3]);
}

static int start(void **state)
{
	static const char *const names[] = { "info", "nodes", "services", "tasks" };

	curl_global_init(CURL_GLOBAL_DEFAULT);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		answers[i] = recorded(names[i]);
	fake_start_unix(&server, serve, NULL);
	return 0;
}

static int stop(void **state)
{
	fake_stop(&server);
	for (size_t i = 0; i < ARRAY_SIZE(answers); i++)
		json_decref(answers[i]);
	free(asked_tasks);
	curl_global_cleanup();
	return 0;
}

static int load(const char *a, const char *b, struct cluster *c, struct err *err)
{
	cleanup_free char *host = xasprintf("unix://%s", server.path);
	char *names[] = { (char *)a, (char *)b };
	struct engine *e = NULL;
	int rc;

	*c = (struct cluster)CLUSTER_INIT;
	err_reset(err);
	assert_int_equal(engine_open_host(&e, host, err), 0);
	rc = cluster_load(e, names, a ? b ? 2 : 1 : 0, c, err);
	engine_close(e);
	return rc;
}

static void test_load(void **state)
{
	struct err err = ERR_INIT;
	struct cluster c;

	assert_int_equal(load("web", "opbh", &c, &err), 0);
	assert_int_equal(c.agent_port, 9474);
	assert_int_equal(c.n_nodes, 3);
	assert_int_equal(c.n_services, 2);
	assert_string_equal(c.services[0].name, "web");
	assert_string_equal(c.services[1].name, "crash");
	assert_string_equal(asked_tasks, "{\"service\":[\"d2r35afdhd8194onezb7fm8xy\","
					 "\"opbhlbsxw9r0qf91jxn942tp1\"]}");
	cluster_release(&c);

	/* twice the same */
	assert_int_equal(load("web", "d2r35", &c, &err), 0);
	assert_int_equal(c.n_services, 1);
	cluster_release(&c);

	assert_int_equal(load(NULL, NULL, &c, &err), 0);
	assert_int_equal(c.n_services, 11);
	cluster_release(&c);
}

/* What is not a service by name takes the lists, and no more of them than it may mean. */
static void test_lists(void **state)
{
	struct err err = ERR_INIT;
	struct cluster c;

	assert_int_equal(load("we*", "stack:shop", &c, &err), 0);
	assert_int_equal(c.n_services, 2);
	assert_non_null(strstr(asked_tasks, "d2r35afdhd8194onezb7fm8xy"));
	assert_int_equal(c.n_networks, 0);
	cluster_release(&c);
	assert_int_equal(load("task:web.3", NULL, &c, &err), 0);
	assert_string_equal(asked_tasks, "");
	assert_int_equal(c.n_services, 11);
	cluster_release(&c);
	assert_int_equal(load("network:app", "vxlan:sxrb", &c, &err), 0);
	assert_int_equal(c.networks[0].vni, 4097);
	cluster_release(&c);
	assert_int_equal(load("node:node2", "ingress", &c, &err), 0);
	assert_int_equal(c.n_services + c.n_tasks, 0);
	cluster_release(&c);
	/* not here: a task's, by the beginning of its id */
	assert_int_equal(load("container:e59d7ccf1ab2", NULL, &c, &err), 0);
	cluster_release(&c);
	assert_int_equal(load("container:nosuch", NULL, &c, &err), CLUSTER_E_UNKNOWN);
	assert_string_equal(err.text, "there is no container 'nosuch' on node1, and none of this id in "
				      "a task or on an overlay");
	cluster_release(&c);
	assert_int_equal(load("stack:nosuch", NULL, &c, &err), CLUSTER_E_UNKNOWN);
	cluster_release(&c);
	assert_int_equal(load("pod:x", NULL, &c, &err), -EINVAL);
	cluster_release(&c);
}

/* A manager during an election: neither id nor nodes, only words. */
static void test_no_leader(void **state)
{
	cleanup_free char *host = xasprintf("unix://%s", server.path);
	struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;
	struct engine *e = NULL;

	leaderless = recorded("info");
	json_object_set_new(jx_get(leaderless, "Swarm"), "Cluster", json_null());
	json_object_set_new(jx_get(leaderless, "Swarm"), "Error",
			    json_string("rpc error: The swarm does not have a leader."));
	n_leaderless = 2;
	assert_int_equal(load("web", NULL, &c, &err), 0);
	assert_int_equal(c.n_nodes, 3);
	assert_int_equal(n_leaderless, 0);
	cluster_release(&c);

	/* who asks again by itself is not kept waiting */
	assert_int_equal(engine_open_host(&e, host, &err), 0);
	n_leaderless = 2;
	c = (struct cluster)CLUSTER_INIT;
	assert_int_equal(cluster_load_services(e, NULL, 0, &c, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "node1 knows of no leader of its Swarm: "));
	assert_int_equal(n_leaderless, 1);
	n_leaderless = 0;
	engine_close(e);
	cluster_release(&c);
	json_decref(leaderless);
}

static void check_unknown(const char *name)
{
	struct err err = ERR_INIT;
	struct cluster c;

	assert_int_equal(load("web", name, &c, &err), CLUSTER_E_UNKNOWN);
	assert_non_null(strstr(err.text, name));
	cluster_release(&c);
}

static void test_unknown(void **state)
{
	struct err err = ERR_INIT;
	struct cluster c;

	check_unknown("we");
	check_unknown("WEB");
	check_unknown("web3");
	check_unknown("..");
	check_unknown("?ebb");
	check_unknown("web?status*");
	assert_int_equal(load("../info", NULL, &c, &err), -EINVAL);
	cluster_release(&c);
	assert_int_equal(load("o", NULL, &c, &err), -EINVAL);
	assert_string_equal(err.text, "'o' is the beginning of several services' ids");
	cluster_release(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info), cmocka_unit_test(test_data_path_port),
		cmocka_unit_test(test_no_manager),
		cmocka_unit_test(test_nodes), cmocka_unit_test(test_services),
		cmocka_unit_test(test_fields), cmocka_unit_test(test_tasks_that_run), cmocka_unit_test(test_task),
		cmocka_unit_test(test_addresses), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_odd_task), cmocka_unit_test(test_load),
		cmocka_unit_test(test_lists), cmocka_unit_test(test_no_leader),
		cmocka_unit_test(test_unknown),
	};

	return cmocka_run_group_tests_name("cluster", tests, start, stop);
}
