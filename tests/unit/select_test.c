/* SPDX-License-Identifier: Apache-2.0
 *
 * select_test.c - who is meant, from a recorded Swarm: running tasks, and why others are missing
 */
#include "select_world.h"

/* ---- services ---- */

static void test_a_service(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "web"), 0);
	TASKS(&w, "web.1", "web.2", "web.3", "web.4", "web.5");
	assert_int_equal(w.plan.n_notes, 0);
	assert_int_equal(w.plan.missing.n, 0);

	assert_int_equal(w.targets[0].kind, WIRE_TASK);
	assert_string_equal(w.targets[0].service, "web");
	assert_string_equal(w.targets[0].service_id, "d2r35afdhd8194onezb7fm8xy");
	assert_int_equal(w.targets[0].slot, 1);
	assert_int_equal(strlen(w.targets[0].container_id), 64);
	assert_string_equal(w.targets[0].image, "busybox:latest");
	assert_memory_equal(w.targets[0].key, "web.1.", 6);
	assert_int_equal(strlen(w.targets[0].key), 12);
	assert_int_equal(strncmp(w.targets[0].key + 6, w.targets[0].task_id, 6), 0);
	assert_string_equal(w.targets[0].networks[0].name, "app");
	teardown(&w);
}

static void test_union(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "web2", "web", "web", "d2r35", "ksc3ux0ea1o2ubk30d20sgpb2"), 0);
	TASKS(&w, "web.1", "web.2", "web.3", "web.4", "web.5", "web2.1", "web2.2");
	teardown(&w);
}

static void test_everything(void **state)
{
	struct world w;

	setup(&w, false);
	w.request.n_selectors = 0;
	assert_int_equal(select_targets(&w.request, &w.cluster, &w.targets, &w.n, &w.plan, &w.err),
			 0);
	assert_int_equal(w.n, 3 + 3 + 2 + 3 + 5 + 2);
	assert_string_equal(w.targets[0].service, "agent");
	assert_string_equal(w.targets[w.n - 1].task, "web2.2");
	teardown(&w);
}

/* Task by node, in order of the nodes' names. */
static void test_global(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "agent"), 0);
	TASKS(&w, "agent.1sgwxic6aaq70dgydb1hy1kvo", "agent.z0dr6hllh234kks43g1qy5ji4",
	      "agent.jl5njgn34o6ti71v8kzodanaa");
	assert_memory_equal(w.targets[0].key, "agent.1sgwxi.", 13);
	assert_int_equal(w.targets[0].slot, 0);
	teardown(&w);
}

static void test_job(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "job", "gjob"), 0);
	assert_int_equal(w.n, 2);
	assert_int_equal(w.plan.missing.n, 0);
	assert_int_equal(w.plan.n_notes, 1);
	assert_string_equal(w.plan.notes[0], "service gjob has no running task");
	teardown(&w);
}

/* ---- what does not run ---- */

static void test_nothing_runs(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "none"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "nothing to capture: service none has no running task");
	assert_int_equal(w.plan.missing.n, 0);

	assert_int_equal(CHOOSE(&w, "stuck"), PLAN_E_NOTHING);
	assert_string_equal(w.err.text, "nothing to capture: service stuck has no running task: "
					"No such image: no-such-image:latest");
	assert_int_equal(CHOOSE(&w, "none", "gjob"), PLAN_E_NOTHING);
	assert_non_null(strstr(w.err.text, "(and 1 more)"));
	assert_int_equal(w.n, 0);
	teardown(&w);
}

static void test_one_beside(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "web", "none"), 0);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.plan.n_notes, 1);
	assert_int_equal(w.plan.missing.n, 0);
	teardown(&w);
}

static void test_should_run(void **state)
{
	struct world w;

	setup(&w, false);
	replace(&task_in(&w, "web", 5)->state, "preparing");
	replace(&task_in(&w, "web", 4)->state, "pending");
	replace(&task_in(&w, "web", 4)->error, "no suitable node");
	replace(&task_in(&w, "web", 4)->node_id, "");
	assert_int_equal(CHOOSE(&w, "web"), 0);
	TASKS(&w, "web.1", "web.2", "web.3");
	assert_int_equal(w.plan.missing.n, 2);
	check_missing(&w, 0, "task web.4", NULL, "not-running",
		      "it is 'pending': no suitable node");
	check_missing(&w, 1, "task web.5", "node2", "not-running", "it is 'preparing'");
	teardown(&w);
}

/* In the middle of an update: a dead task, and one that Swarm holds back. */
static void test_waits(void **state)
{
	struct world w;

	setup(&w, false);
	replace(&task_in(&w, "web", 1)->state, "ready");
	replace(&task_in(&w, "web", 1)->desired, "ready");
	replace(&task_in(&w, "web", 2)->state, "failed");
	replace(&task_in(&w, "web", 3)->desired, "shutdown");
	assert_int_equal(CHOOSE(&w, "web"), 0);
	TASKS(&w, "web.4", "web.5");
	assert_int_equal(w.plan.missing.n, 0);
	assert_int_equal(w.plan.n_notes, 1);
	assert_string_equal(w.plan.notes[0],
			    "task web.1 does not run: Swarm has not started its next attempt");
	teardown(&w);
}

/* A service of which nothing runs is a note, not a lack: crash has ten dead tasks and a new one. */
static void test_without_running_tasks(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "crash", "nowhere", "web"), 0);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.plan.missing.n, 0);
	assert_int_equal(w.plan.n_notes, 2);
	assert_string_equal(w.plan.notes[1],
			    "service crash has no running task: task: non-zero exit (1)");
	assert_string_equal(w.plan.notes[0],
			    "service nowhere has no running task: no suitable node "
			    "(scheduling constraints not satisfied on 3 nodes)");
	teardown(&w);
}

/* ---- nodes out of reach ---- */

/* Replicas were replaced elsewhere, a global service's task was not. */
static void test_node_down(void **state)
{
	struct world w;

	setup(&w, true);
	assert_int_equal(CHOOSE(&w, "web", "agent"), 0);
	assert_int_equal(w.n, 5 + 2);
	assert_int_equal(w.plan.missing.n, 1);
	check_missing(&w, 0, "task agent.jl5njgn34o6ti71v8kzodanaa", "node3", "node-down",
		      "node node3 is down");
	teardown(&w);
}

/* Its only task ran on a node that is down, and the next one finds no other: that is a lack. */
static void test_lost_without_another(void **state)
{
	static const char *const wants[] = { "ready", "running" };
	struct world w;

	for (size_t i = 0; i < ARRAY_SIZE(wants); i++) {
		setup(&w, false);
		for (int slot = 1; slot <= 5; slot++) {
			replace(&task_in(&w, "web", slot)->desired, "shutdown");
			replace(&task_in(&w, "web", slot)->state, slot == 2 ? "running" : "failed");
		}
		replace(&task_in(&w, "web", 4)->desired, wants[i]);
		replace(&task_in(&w, "web", 4)->state, "pending");
		replace(&task_in(&w, "web", 4)->node_id, "");
		task_in(&w, "web", 4)->slot = 2;
		replace(&node_named(&w, "node3")->state, "down");
		assert_int_equal(CHOOSE(&w, "web", "agent"), 0);
		assert_int_equal(w.plan.missing.n, 2);
		check_missing(&w, 1, "task web.2", "node3", "node-down", "node node3 is down");
		teardown(&w);
	}
}

/*
 * A manager that has just become the leader has not heard of its nodes yet: they are asked all the same, and
 * who is gone does not answer. One that it calls "disconnected" it has heard of.
 */
static void test_node_unknown(void **state)
{
	struct world w;

	setup(&w, false);
	replace(&node_named(&w, "node3")->state, "unknown");
	assert_int_equal(CHOOSE(&w, "web"), 0);
	assert_int_equal(w.n, 5);
	assert_int_equal(w.plan.missing.n, 0);
	forget_targets(&w);
	replace(&node_named(&w, "node3")->state, "disconnected");
	assert_int_equal(CHOOSE(&w, "web"), 0);
	TASKS(&w, "web.1", "web.3", "web.5");
	assert_int_equal(w.plan.missing.n, 2);
	check_missing(&w, 0, "task web.2", "node3", "node-down", "node node3 is disconnected");
	check_missing(&w, 1, "task web.4", "node3", "node-down", "node node3 is disconnected");
	teardown(&w);
}

static void test_other_nodes(void **state)
{
	struct world w;

	setup(&w, false);
	replace(&node_named(&w, "node1")->os, "windows");
	replace(&node_named(&w, "node2")->address, "");
	replace(&node_named(&w, "node3")->id, "another");
	assert_int_equal(CHOOSE(&w, "agent"), PLAN_E_NOTHING);
	assert_int_equal(w.plan.missing.n, 3);
	check_missing(&w, 0, "task agent.jl5njgn34o6ti71v8kzodanaa", NULL, "node-down",
		      "its node is no part of the Swarm any more");
	check_missing(&w, 1, "task agent.1sgwxic6aaq70dgydb1hy1kvo", "node1", "not-linux",
		      "node node1 runs windows, and only Linux can be captured; leave it out with "
		      "--node '!node1'");
	check_missing(&w, 2, "task agent.z0dr6hllh234kks43g1qy5ji4", "node2", "no-address",
		      "the address of node node2 is not known");
	teardown(&w);
}

/* ---- following ---- */

static const struct wire_service *followed(const struct world *w, const char *name)
{
	for (size_t i = 0; i < w->plan.n_follow; i++)
		if (!strcmp(w->plan.follow[i].name, name))
			return &w->plan.follow[i];
	return NULL;
}

static void test_follows_whole_services_only(void **state)
{
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "web", "task:agent.*"), 0);
	assert_int_equal(w.plan.n_follow, 1);
	assert_non_null(followed(&w, "web"));
	assert_int_equal(w.plan.follow[0].n_except, 0);
	assert_int_equal(CHOOSE(&w, "task:web.1"), 0);
	assert_int_equal(w.plan.n_follow, 0);
	assert_int_equal(CHOOSE(&w, "*", "!web"), 0);
	assert_null(followed(&w, "web"));
	assert_non_null(followed(&w, "agent"));
	w.request.tasks = 1;
	assert_int_equal(CHOOSE(&w, "web"), 0);
	assert_int_equal(w.plan.n_follow, 0);
	w.request.tasks = 0;
	w.request.no_follow = true;
	assert_int_equal(CHOOSE(&w, "web"), 0);
	assert_int_equal(w.plan.n_follow, 0);
	teardown(&w);
}

static void test_left_out_slots_do_not_join(void **state)
{
	const struct wire_service *f;
	struct world w;

	setup(&w, false);
	assert_int_equal(CHOOSE(&w, "web", "!task:web.2", "!task:web.4"), 0);
	f = followed(&w, "web");
	assert_non_null(f);
	assert_int_equal(f->n_except, 2);
	assert_null(wire_service_takes(f, 1, f->id, "web.2", "t"));
	assert_null(wire_service_takes(f, 1, f->id, "web.4", "t"));
	assert_ptr_equal(wire_service_takes(f, 1, f->id, "web.1", "t"), f);
	assert_ptr_equal(wire_service_takes(f, 1, f->id, "web.20", "t"), f);
	assert_null(wire_service_takes(f, 1, "another", "web.1", "t"));
	teardown(&w);
}

/* Its namespace is captured as the host's already: an agent that finds it may not capture it again. */
static void test_shared_namespaces_do_not_join(void **state)
{
	const struct wire_service *f;
	struct world w;
	size_t own = 0;

	setup(&w, false);
	for (size_t i = 0; i < w.cluster.n_tasks; i++)
		if (cluster_service(&w.cluster, w.cluster.tasks[i].service_id) ==
		    recorded_service(&w.cluster, "web"))
			w.cluster.tasks[i].host_network = true;
	assert_int_equal(CHOOSE(&w, "node:node1", "web"), 0);
	for (size_t i = 0; i < w.n; i++)
		own += w.targets[i].kind == WIRE_TASK;
	f = followed(&w, "web");
	assert_non_null(f);
	assert_int_equal(f->n_except, 5 - own);
	for (size_t i = 0; i < w.n; i++)
		if (w.targets[i].kind == WIRE_TASK)
			assert_ptr_equal(wire_service_takes(f, 1, f->id, w.targets[i].task,
							    w.targets[i].task_id), f);
	for (size_t i = 0; i < f->n_except; i++)
		assert_null(wire_service_takes(f, 1, f->id, "web.1", f->except[i]));
	teardown(&w);
}

/* ---- hostile names ---- */

static void test_keys_are_clean_and_unique(void **state)
{
	struct world w;
	char name[WIRE_TEXT_MAX];

	setup(&w, false);
	memset(name, '/', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	replace((char **)(uintptr_t)&recorded_service(&w.cluster, "web")->name, name);
	for (size_t i = 0; i < w.cluster.n_tasks; i++) {
		replace(&w.cluster.tasks[i].node_id, w.cluster.nodes[0].id);
		replace(&w.cluster.tasks[i].id, "sameid");
		w.cluster.tasks[i].slot = INT64_MAX;
	}
	assert_int_equal(CHOOSE(&w, "d2r35afdhd8194onezb7fm8xy"), 0);
	assert_int_equal(w.n, 5);
	for (size_t i = 0; i < w.n; i++) {
		cleanup_free char *clean = names_clean(w.targets[i].key, 128);

		assert_string_equal(w.targets[i].key, clean);
		for (size_t j = 0; j < i; j++)
			assert_true(strcmp(w.targets[i].key, w.targets[j].key) != 0 ||
				    strcmp(w.targets[i].node_id, w.targets[j].node_id) != 0);
	}
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_service), cmocka_unit_test(test_union),
		cmocka_unit_test(test_everything), cmocka_unit_test(test_global),
		cmocka_unit_test(test_job), cmocka_unit_test(test_nothing_runs),
		cmocka_unit_test(test_one_beside), cmocka_unit_test(test_should_run),
		cmocka_unit_test(test_waits),
		cmocka_unit_test(test_without_running_tasks), cmocka_unit_test(test_node_down),
		cmocka_unit_test(test_lost_without_another),
		cmocka_unit_test(test_node_unknown), cmocka_unit_test(test_other_nodes),
		cmocka_unit_test(test_follows_whole_services_only),
		cmocka_unit_test(test_left_out_slots_do_not_join),
		cmocka_unit_test(test_shared_namespaces_do_not_join),
		cmocka_unit_test(test_keys_are_clean_and_unique),
	};

	return cmocka_run_group_tests_name("select", tests, NULL, NULL);
}
