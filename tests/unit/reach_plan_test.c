/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_plan_test.c - which routes may work where, from what a manager says
 */
#include "../../coordinator/reach_parts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/utsname.h>

#include <cmocka.h>

struct world {
	struct request request;
	struct reach reach;
	struct cluster cluster;
	struct cluster_node nodes[3];
	struct plan plan;
	struct utsname u;
};

/* n0 is where we are; n0 and n1 have an agent; n2 is of another architecture. */
static void setup(struct world *w)
{
	static const char *const ids[] = { "id0", "id1", "id2" };

	*w = (struct world){ 0 };
	uname(&w->u);
	w->reach.request = &w->request;
	w->reach.at.kind = ENDPOINT_UNIX;
	w->reach.has_image = true;
	w->cluster.self_node_id = (char *)"id0";
	w->cluster.agent_port = 9473;
	w->cluster.nodes = w->nodes;
	w->cluster.n_nodes = 3;
	for (size_t i = 0; i < 3; i++)
		w->nodes[i] = (struct cluster_node){
			.id = (char *)ids[i], .name = (char *)ids[i], .address = (char *)"10.0.0.1",
			.state = (char *)"ready", .availability = (char *)"active",
			.os = (char *)"linux", .agent = i < 2,
			.arch = i == 2 ? (char *)"riscv64" : w->u.machine,
		};
	plan_all_nodes(&w->plan, &w->cluster);
}

static void teardown(struct world *w)
{
	plan_release(&w->plan);
	free(w->reach.manager_node);
}

static void expect(const struct world *w, size_t node, const char *wanted)
{
	const struct plan_node *n = &w->plan.nodes[node];
	char text[128] = "";

	for (size_t i = 0; i < n->n_routes; i++) {
		strcat(text, i ? " " : "");
		strcat(text, route_text(n->routes[i]));
	}
	assert_string_equal(text, wanted);
	if (n->n_routes)
		assert_string_equal(n->route, route_text(n->routes[0]));
	else
		assert_null(n->route);
}

static void test_what_may_work(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, true, false };

	setup(&w);
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 0, "agent local ssh-push ssh-nsenter ssh-helper");
	expect(&w, 1, "agent ssh-push ssh-nsenter ssh-helper");
	expect(&w, 2, "ssh-nsenter ssh-helper");
	assert_int_equal(w.plan.nodes[2].n_notes, 1);
	assert_non_null(strstr(w.plan.nodes[2].notes[0], "riscv64"));
	/* planned again: nothing is there twice */
	reach_plan(&w.reach, &f, &w.plan);
	assert_int_equal(w.plan.nodes[2].n_notes, 1);
	teardown(&w);
}

static void test_without_credentials_or_agents(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, false, false };

	setup(&w);
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 0, "local ssh-push ssh-nsenter ssh-helper");
	f.creds = true;
	w.cluster.agent_port = 0;
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 1, "ssh-push ssh-nsenter ssh-helper");
	teardown(&w);
}

static void test_from_far_nothing_is_local(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, true, false };

	setup(&w);
	w.reach.at.kind = ENDPOINT_SSH;
	w.reach.has_image = false;
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 0, "agent ssh-nsenter ssh-helper");
	assert_string_equal(w.plan.nodes[0].notes[0], "ssh-push: no image.tar of the agent is here");
	teardown(&w);
}

static void test_forced(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, false, false };

	setup(&w);
	w.request.route = "agent";
	reach_plan(&w.reach, &f, &w.plan);
	for (size_t i = 0; i < 3; i++)
		expect(&w, i, "agent");
	teardown(&w);
}

/* What keeps nothing on its node is no way to fetch; what was sent needs not be sent again. */
static void test_attached(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, true, true };

	setup(&w);
	w.reach.has_image = false;
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 0, "agent local ssh-push");
	expect(&w, 2, "ssh-push");
	teardown(&w);
}

static void test_docker_names_machines_twice(void **state)
{
	struct world w;
	struct reach_facts f = { &w.cluster, false, false };

	setup(&w);
	if (strcmp(w.u.machine, "x86_64") && strcmp(w.u.machine, "aarch64"))
		skip();
	w.nodes[1].arch = (char *)(strcmp(w.u.machine, "x86_64") ? "arm64" : "amd64");
	w.nodes[2].arch = (char *)"";
	reach_plan(&w.reach, &f, &w.plan);
	expect(&w, 1, "ssh-push ssh-nsenter ssh-helper");
	expect(&w, 2, "ssh-push ssh-nsenter ssh-helper");
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_may_work),
		cmocka_unit_test(test_without_credentials_or_agents),
		cmocka_unit_test(test_from_far_nothing_is_local),
		cmocka_unit_test(test_forced),
		cmocka_unit_test(test_attached),
		cmocka_unit_test(test_docker_names_machines_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
