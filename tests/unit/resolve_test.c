/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve_test.c - stacks, tasks, nodes, overlays, patterns, exclusions: what they mean together
 */
#include "select_world.h"

static void test_stacks_and_patterns(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "stack:shop"), 0);
	TASKS(&w, "web2.1", "web2.2");
	assert_int_equal(CHOOSE(&w, "web*"), 0);
	TASKS(&w, "web.1", "web.2", "web.3", "web.4", "web.5", "web2.1", "web2.2");
	assert_int_equal(CHOOSE(&w, "we?", "stack:sh*"), 0);
	assert_int_equal(w.n, 7);
	assert_int_equal(CHOOSE(&w, "nothing*"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "no service's name matches 'nothing*'");
	assert_int_equal(CHOOSE(&w, "stack:web"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "there is no stack 'web' in this Swarm");
	teardown(&w);
}

static int choose_text(struct world *w, char *text)
{
	int rc = CHOOSE(w, text);

	free(text);
	return rc;
}

static void test_tasks(void **state)
{
	struct world w;
	cleanup_free char *id = NULL, *key = NULL, *container = NULL;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "task:web.3"), 0);
	TASKS(&w, "web.3");
	id = xstrdup(w.targets[0].task_id);
	key = xstrdup(w.targets[0].key);
	container = xstrdup(w.targets[0].container_id);
	assert_int_equal(choose_text(&w, xasprintf("task:%s", key)), 0);
	TASKS(&w, "web.3");
	assert_int_equal(choose_text(&w, xasprintf("task:web.3.%s", id)), 0);
	TASKS(&w, "web.3");
	assert_int_equal(choose_text(&w, xasprintf("task:%.10s", id)), 0);
	TASKS(&w, "web.3");
	assert_int_equal(choose_text(&w, xasprintf("container:%.12s", container)), 0);
	TASKS(&w, "web.3");
	assert_int_equal(CHOOSE(&w, "task:web2.*", "task:agent.node2"), 0);
	TASKS(&w, "agent.z0dr6hllh234kks43g1qy5ji4", "web2.1", "web2.2");

	assert_int_equal(CHOOSE(&w, "task:web.6"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "there is no task 'web.6' in this Swarm");
	assert_int_equal(CHOOSE(&w, "task:web"), PLAN_E_NOTHING);
	assert_int_equal(CHOOSE(&w, "task:"), -EINVAL);
	teardown(&w);
}

static void test_exclusions(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "!task:web.2", "web"), 0);
	TASKS(&w, "web.1", "web.3", "web.4", "web.5");
	assert_int_equal(CHOOSE(&w, "web*", "!web2", "!task:web.4", "!nothing*"), 0);
	TASKS(&w, "web.1", "web.2", "web.3", "web.5");
	assert_int_equal(CHOOSE(&w, "!agent", "!hostnet", "!swarmcap-agent", "!job"), 0);
	assert_int_equal(w.n, 5 + 2);
	/* a slip must not capture what was to be left out */
	assert_int_equal(CHOOSE(&w, "web", "!task:web.22"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "there is no task 'web.22' in this Swarm");
	assert_int_equal(CHOOSE(&w, "web", "!web"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "nothing to capture: nothing of what was selected runs");
	teardown(&w);
}

static void test_nodes_and_ingress(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "node:node2", "ingress", "!node:node3"), 0);
	assert_int_equal(w.n, 4);
	assert_int_equal(w.targets[0].kind, WIRE_HOST);
	assert_string_equal(w.targets[0].key, "host");
	assert_string_equal(w.targets[0].node_id, "z0dr6hllh234kks43g1qy5ji4");
	for (size_t i = 1; i < 4; i++) {
		assert_int_equal(w.targets[i].kind, WIRE_INGRESS);
		assert_string_equal(w.targets[i].key, "ingress");
	}
	assert_int_equal(CHOOSE(&w, "node:*", "!node:node1"), 0);
	assert_int_equal(w.n, 2);
	assert_int_equal(CHOOSE(&w, "node:z0dr6"), 0);
	assert_int_equal(CHOOSE(&w, "node:node4"), PLAN_E_NOTHING);
	replace(&node_named(&w, "node2")->name, "node3");
	assert_int_equal(CHOOSE(&w, "node:node3"), -EINVAL);
	assert_string_equal(w.err.text, "'node3' is the name of several nodes: name one by its id");
	replace(&node_named(&w, "node1")->state, "down");
	assert_int_equal(CHOOSE(&w, "ingress"), 0);
	assert_int_equal(w.n, 2);
	check_missing(&w, 0, "ingress", "node1", "node-down", "node node1 is down");
	teardown(&w);
}

/* The host's namespace has one file, whatever else it is. */
static void test_host_network(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "hostnet", "node:node1"), 0);
	assert_int_equal(w.n, 3);
	assert_int_equal(w.targets[0].kind, WIRE_HOST);
	assert_int_equal(w.targets[0].n_also, 1);
	assert_string_equal(w.targets[0].also[0], "task hostnet.1sgwxic6aaq70dgydb1hy1kvo");
	assert_int_equal(w.targets[1].kind, WIRE_TASK);
	assert_int_equal(w.targets[1].n_also, 0);
	assert_int_equal(w.plan.n_notes, 3);
	assert_non_null(strstr(w.plan.notes[0], "has its host's network"));
	teardown(&w);
}

static void test_narrowed(void **state)
{
	struct world w;

	setup(&w, false);
	w.request.only_nodes[0] = "node2,node3";
	w.request.only_nodes[1] = "!node3";
	w.request.n_only_nodes = 2;
	assert_int_equal(CHOOSE(&w, "web", "ingress"), 0);
	assert_int_equal(w.n, 3);
	assert_string_equal(w.targets[1].task, "web.3");
	assert_string_equal(w.targets[2].task, "web.5");
	assert_int_equal(CHOOSE(&w, "task:agent.node1", "web"), 0);
	TASKS(&w, "web.3", "web.5");

	w.request.n_only_nodes = 1;
	w.request.only_nodes[0] = "!node2,!node1";
	assert_int_equal(CHOOSE(&w, "agent"), 0);
	TASKS(&w, "agent.jl5njgn34o6ti71v8kzodanaa");
	w.request.only_nodes[0] = "z0dr";
	assert_int_equal(CHOOSE(&w, "agent"), 0);
	TASKS(&w, "agent.z0dr6hllh234kks43g1qy5ji4");
	assert_int_equal(CHOOSE(&w, "task:web.1"), PLAN_E_NOTHING);
	w.request.only_nodes[0] = "node9";
	assert_int_equal(CHOOSE(&w, "agent"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "there is no node 'node9' in this Swarm");
	teardown(&w);
}

static void test_some_tasks(void **state)
{
	struct world w;

	setup(&w, false);
	w.request.tasks = 2;
	assert_int_equal(CHOOSE(&w, "web", "web2", "agent"), 0);
	TASKS(&w, "agent.1sgwxic6aaq70dgydb1hy1kvo", "agent.z0dr6hllh234kks43g1qy5ji4", "web.1",
	      "web.2", "web2.1", "web2.2");
	assert_int_equal(CHOOSE(&w, "web", "task:web.5", "!task:web.1"), 0);
	TASKS(&w, "web.2", "web.3", "web.5");
	/* one that does not run is not missed: another does as well */
	replace(&task_in(&w, "web", 1)->state, "preparing");
	assert_int_equal(CHOOSE(&w, "web"), 0);
	TASKS(&w, "web.2", "web.3");
	assert_int_equal(w.plan.missing.n, 0);
	teardown(&w);
}

/* ---- overlays ---- */

#define BACK "3lsdskt1cjln54atchtd5e2oz"
#define STRANGER "aeea2416a302084e56164f3f23441a07570e88b55e638477661ad6eb26e0b5b7"

static void decode_with(int decode(const json_t *, struct cluster *, struct err *),
			struct cluster *c, const char *text)
{
	cleanup_json json_t *j = NULL;

	assert_int_equal(jx_parse(text, strlen(text), "test", &j, NULL), 0);
	assert_int_equal(decode(j, c, NULL), 0);
}

static void add_networks(struct world *w)
{
	decode_with(cluster_decode_networks, &w->cluster, "["
		"{\"Id\": \"" BACK "\", \"Name\": \"back\", \"Driver\": \"overlay\", \"Options\": "
		"{\"com.docker.network.driver.overlay.vxlanid_list\": \"4098\", \"encrypted\": \"\"}}, "
		"{\"Id\": \"sxrblvjzdul2w5rkc7g5nqstr\", \"Name\": \"app\", \"Driver\": \"overlay\"}, "
		"{\"Id\": \"cnd41igtef57mgies5lhzrjs2\", \"Name\": \"ingress\", \"Ingress\": true, "
		"\"Driver\": \"overlay\"}, {\"Id\": \"b0\", \"Name\": \"bridge\", \"Driver\": \"bridge\"}]");
	decode_with(cluster_decode_attachments, &w->cluster, "["
		"{\"NodeID\": \"jl5njgn34o6ti71v8kzodanaa\", \"Status\": {\"State\": \"running\"}, "
		"\"Spec\": {\"NetworkAttachmentSpec\": {\"ContainerID\": \"" STRANGER "\"}}, "
		"\"NetworksAttachments\": [{\"Network\": {\"ID\": \"" BACK "\", \"Spec\": {\"Name\": "
		"\"back\"}}, \"Addresses\": [\"10.0.2.9/24\"]}]}, "
		"{\"Spec\": {\"NetworkAttachmentSpec\": {\"ContainerID\": \"../x\"}}}]");
}

/* web2 runs on node1 and node3, the stranger on node3. */
static void test_networks(void **state)
{
	struct world w;

	setup(&w, false);
	add_networks(&w);
	assert_int_equal(w.cluster.n_networks, 3);
	assert_true(w.cluster.networks[0].encrypted && w.cluster.networks[2].ingress);
	assert_int_equal(CHOOSE(&w, "network:back"), 0);
	assert_int_equal(w.n, 4);
	assert_int_equal(w.targets[0].kind, WIRE_NETWORK);
	assert_string_equal(w.targets[0].key, "net.back");
	assert_string_equal(w.targets[0].networks[0].id, BACK);
	assert_int_equal(w.targets[0].networks[0].vni, 4098);
	assert_int_equal(w.targets[1].kind, WIRE_LB);
	assert_string_equal(w.targets[1].key, "lb.back");
	assert_int_equal(w.plan.missing.n, 0);
	assert_int_equal(w.plan.n_notes, 1);
	assert_string_equal(w.plan.notes[0], "network back is not on node2: nothing that is attached "
			    "to it runs there");

	w.request.members = true;
	assert_int_equal(CHOOSE(&w, "network:3lsd"), 0);
	assert_int_equal(w.n, 4 + 2 + 1);
	assert_int_equal(w.targets[6].kind, WIRE_CONTAINER);
	assert_string_equal(w.targets[6].key, "aeea2416a302");
	assert_string_equal(w.targets[6].node_id, "jl5njgn34o6ti71v8kzodanaa");
	assert_string_equal(w.targets[6].networks[0].addresses[0], "10.0.2.9/24");
	w.request.members = false;

	assert_int_equal(CHOOSE(&w, "network:ingress"), 0);
	assert_int_equal(w.n, 3);
	assert_int_equal(CHOOSE(&w, "container:aeea2416"), 0);
	assert_int_equal(w.n, 1);
	assert_int_equal(CHOOSE(&w, "network:bridge"), PLAN_E_NOTHING);
	assert_non_null(strstr(w.err.text, "no overlay network 'bridge'"));
	teardown(&w);
}

static const struct target *host_of(const struct world *w, const char *node)
{
	for (size_t i = 0; i < w->n; i++)
		if (w->targets[i].kind == WIRE_HOST && str_starts(w->targets[i].node_id, node))
			return &w->targets[i];
	return NULL;
}

#define APP_VXLAN "(udp port 4789 and (udp[12:4] >> 8 = 4097 or ip6[52:4] >> 8 = 4097))"

/* web2 runs on node1 and node3, on app and on back, which is encrypted. */
static void test_path(void **state)
{
	struct world w;

	setup(&w, false);
	add_networks(&w);
	w.cluster.networks[1].vni = 4097;
	w.request.filter = xstrdup("tcp port 80");
	assert_int_equal(CHOOSE(&w, "path:web2"), 0);
	/* hosts, tasks; app and its lb everywhere, back where it is */
	assert_int_equal(w.n, 2 + 2 + 3 * 2 + 2 * 2);
	assert_string_equal(host_of(&w, "1sgw")->filter, APP_VXLAN " or esp");
	assert_null(host_of(&w, "z0dr"));
	assert_null(w.targets[2].filter);
	assert_non_null(strstr(w.plan.notes[0], "network back is encrypted"));

	assert_int_equal(CHOOSE(&w, "path:web2", "!network:*", "!vxlan:back"), 0);
	assert_int_equal(w.n, 2 + 2);
	assert_string_equal(host_of(&w, "1sgw")->filter, APP_VXLAN);
	assert_int_equal(CHOOSE(&w, "path:web2", "!node:node1", "!network:*"), 0);
	assert_null(host_of(&w, "1sgw"));

	/* a host that is meant as a whole, or that a task has, is not seen through a filter */
	assert_int_equal(CHOOSE(&w, "path:web2", "node:node1"), 0);
	assert_null(host_of(&w, "1sgw")->filter);
	assert_int_equal(CHOOSE(&w, "path:web2", "hostnet"), 0);
	assert_null(host_of(&w, "1sgw")->filter);
	assert_int_equal(host_of(&w, "1sgw")->n_also, 1);
	assert_int_equal(CHOOSE(&w, "path:web3"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "there is no service 'web3' in this Swarm: 'swarmcap ls' lists "
					"those that there are");

	((struct cluster_service *)recorded_service(&w.cluster, "web2"))->published = true;
	assert_int_equal(CHOOSE(&w, "path:web2", "!network:*", "!task:web2.*"), 0);
	assert_int_equal(w.n, 2 + 3);
	free(w.request.filter);
	teardown(&w);
}

static void test_vxlan(void **state)
{
	struct world w;

	setup(&w, false);
	add_networks(&w);
	w.cluster.networks[1].vni = 4097;
	w.cluster.data_path_port = 7789;
	w.request.filter = xstrdup("host 10.0.0.1");
	w.request.vxlan = true;
	assert_int_equal(CHOOSE(&w, "node:node1", "vxlan:app"), 0);
	assert_int_equal(w.n, 1);
	assert_string_equal(w.targets[0].filter, "((udp port 7789 and (udp[12:4] >> 8 = 4097 or "
			    "ip6[52:4] >> 8 = 4097))) and (host 10.0.0.1)");
	/* back is not on node2 */
	assert_int_equal(CHOOSE(&w, "node:node2", "vxlan:back"), PLAN_E_NOTHING);
	w.request.vxlan = false;
	assert_int_equal(CHOOSE(&w, "vxlan:back"), 0);
	assert_int_equal(w.n, 2);
	free(w.request.filter);
	teardown(&w);
}

/* A side-car has the namespace of the container that it was started beside. */
static void test_side_car(void **state)
{
	cleanup_free char *text = NULL;
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "task:web2.1"), 0);
	text = xasprintf("{\"Id\": \"%064d\", \"Name\": \"/side\", \"State\": {\"Running\": true}, "
			 "\"HostConfig\": {\"NetworkMode\": \"container:%s\"}}", 7,
			 w.targets[0].container_id);
	decode_with(cluster_decode_container, &w.cluster, text);
	assert_int_equal(CHOOSE(&w, "container:side", "web2"), 0);
	TASKS(&w, "web2.1", "web2.2");
	assert_int_equal(w.targets[0].n_also, 1);
	assert_string_equal(w.targets[0].also[0], "container side");
	assert_int_equal(CHOOSE(&w, "container:side"), 0);
	assert_int_equal(w.n, 1);
	assert_string_equal(w.targets[0].key, "side");
	teardown(&w);
}

/* Whose namespace it is has it, whoever comes first: the capture ends with that one's end. */
static void test_side_car_first(void **state)
{
	cleanup_free char *side = xasprintf("{\"Id\": \"%064d\", \"Name\": \"/side\", \"State\": "
					    "{\"Running\": true}, \"HostConfig\": {\"NetworkMode\": "
					    "\"container:%064d\"}}", 7, 8);
	cleanup_free char *alone = xasprintf("{\"Id\": \"%064d\", \"Name\": \"/alone\", \"State\": "
					     "{\"Running\": true}}", 8);
	cleanup_free char *id = xasprintf("%064d", 8);
	struct world w;

	setup(&w, false);
	decode_with(cluster_decode_container, &w.cluster, side);
	decode_with(cluster_decode_container, &w.cluster, alone);
	assert_int_equal(CHOOSE(&w, "container:side", "container:alone"), 0);
	assert_int_equal(w.n, 1);
	assert_string_equal(w.targets[0].key, "alone");
	assert_string_equal(w.targets[0].container_id, id);
	assert_int_equal(w.targets[0].n_also, 1);
	assert_string_equal(w.targets[0].also[0], "container side");
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stacks_and_patterns), cmocka_unit_test(test_tasks),
		cmocka_unit_test(test_exclusions), cmocka_unit_test(test_nodes_and_ingress),
		cmocka_unit_test(test_host_network), cmocka_unit_test(test_narrowed),
		cmocka_unit_test(test_some_tasks), cmocka_unit_test(test_networks),
		cmocka_unit_test(test_side_car), cmocka_unit_test(test_side_car_first),
		cmocka_unit_test(test_path),
		cmocka_unit_test(test_vxlan),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
