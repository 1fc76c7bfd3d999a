/* SPDX-License-Identifier: Apache-2.0
 *
 * lookout_test.c - when a capture that follows is over, whom nobody told of, and who is real
 */
#include "../../coordinator/lookout.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define S(text) ((char *)(uintptr_t)(text))

/* One service on two nodes; each test sets tasks and reports. */
struct world {
	struct cluster_node nodes[2];
	struct cluster_service services[2];
	struct cluster_task tasks[4];
	struct cluster cluster;
	struct wire_service follow[1];
	struct target planned[1];
	struct plan_node plan_nodes[1];
	struct plan plan;
	struct wire_target targets[3];
	struct fleet_node fleet[2];
	struct lookout_view view;
	struct lookout *lookout;
};

static struct cluster_task task(const char *id, const char *state, const char *desired,
				const char *container)
{
	return (struct cluster_task){
		.id = S(id), .service_id = S("svc1"), .node_id = S("n1"), .slot = 3,
		.state = S(state), .desired = S(desired), .container_id = S(container),
		.image = S(""), .error = S(""), .job_iteration = -1,
	};
}

static void make(struct world *w)
{
	*w = (struct world){ 0 };
	for (int i = 0; i < 2; i++)
		w->nodes[i] = (struct cluster_node){
			.id = S(i ? "n2" : "n1"), .name = S(i ? "node2" : "node1"),
			.address = S("10.0.0.1"), .state = S("ready"), .os = S("linux"),
		};
	w->services[0] = (struct cluster_service){ .id = S("svc1"), .name = S("web"),
						   .mode = "replicated", .job_iteration = -1 };
	w->services[1] = (struct cluster_service){ .id = S("svc2"), .name = S("db"),
						   .mode = "replicated", .job_iteration = -1 };
	w->cluster = (struct cluster){
		.nodes = w->nodes, .n_nodes = 2, .services = w->services, .n_services = 2,
		.tasks = w->tasks,
	};
	w->follow[0] = (struct wire_service){ .id = S("svc1"), .name = S("web") };
	w->planned[0] = (struct target){ .container_id = S("c1") };
	w->plan_nodes[0] = (struct plan_node){ .id = S("n1"), .name = S("node1"),
					       .targets = w->planned, .n_targets = 1 };
	w->plan = (struct plan){ .nodes = w->plan_nodes, .n_nodes = 1, .follow = w->follow,
				 .n_follow = 1 };
	w->targets[0] = (struct wire_target){ .key = S("web.1"), .state = WIRE_ARMED,
					      .container_id = S("c1") };
	w->fleet[0] = (struct fleet_node){
		.plan = &w->plan_nodes[0], .has_report = true, .stage = FLEET_ARMED,
		.report = { .targets = w->targets, .n_targets = 1 },
	};
	w->view = (struct lookout_view){
		.cluster = &w->cluster, .plan = &w->plan, .nodes = w->fleet, .n_nodes = 1,
		.now_ns = 100 * NS_PER_S, .wall_ns = 1000,
	};
	w->lookout = lookout_new();
}

static void tasks(struct world *w, size_t n, ...)
{
	va_list ap;

	va_start(ap, n);
	for (size_t i = 0; i < n; i++)
		w->tasks[i] = va_arg(ap, struct cluster_task);
	va_end(ap);
	w->cluster.n_tasks = n;
}

/* After so many looks in a row, one each second, it is over; 0: it never is. */
static void over_after(struct world *w, unsigned looks)
{
	for (unsigned i = 1; i <= 9; i++, w->view.now_ns += NS_PER_S)
		if (lookout_take(w->lookout, &w->view)) {
			assert_int_equal(i, looks);
			lookout_free(w->lookout);
			return;
		}
	assert_int_equal(looks, 0);
	lookout_free(w->lookout);
}

static void ended(struct wire_target *t, enum wire_end end)
{
	t->state = WIRE_ENDED;
	t->end = end;
}

static void test_goes_on(void **state)
{
	struct world w;

	make(&w);
	tasks(&w, 1, task("t1", "running", "running", "c1"));
	over_after(&w, 0);
}

static void test_limits_end_it_at_once(void **state)
{
	struct world w;

	make(&w);
	tasks(&w, 1, task("t1", "running", "running", "c1"));
	ended(&w.targets[0], WIRE_END_PACKETS);
	over_after(&w, 1);
}

/* The manager is late: so it is asked some times. */
static void test_scaled_to_zero(void **state)
{
	struct world w;

	make(&w);
	tasks(&w, 1, task("t1", "shutdown", "shutdown", "c1"));
	ended(&w.targets[0], WIRE_END_TASK_ENDED);
	over_after(&w, 3);
	make(&w);
	tasks(&w, 0);			/* removed */
	ended(&w.targets[0], WIRE_END_TASK_ENDED);
	over_after(&w, 3);
}

static void test_a_slot_waits(void **state)
{
	static const char *const states[][2] = {
		{ "running", "running" },	/* the manager has not heard of its death */
		{ "failed", "shutdown" },
		{ "preparing", "running" },
		{ "ready", "ready" },		/* Swarm holds the next attempt back */
	};

	for (size_t i = 0; i < ARRAY_SIZE(states); i++) {
		struct world w;

		make(&w);
		tasks(&w, 1, task("t1", states[i][0], states[i][1], i < 2 ? "c1" : ""));
		ended(&w.targets[0], WIRE_END_TASK_ENDED);
		over_after(&w, i == 1 ? 3 : 0);
	}
}

static void test_dead_nodes_hold_nothing_up(void **state)
{
	struct world w;

	make(&w);
	tasks(&w, 1, task("t1", "running", "running", "c1"));
	w.nodes[0].state = S("down");
	w.fleet[0].stage = FLEET_LOST;
	over_after(&w, 1);
}

static void test_others_services(void **state)
{
	struct world w;

	make(&w);
	tasks(&w, 2, task("t1", "running", "running", "c1"), task("t2", "running", "running", "c2"));
	w.tasks[1].service_id = S("svc2");
	ended(&w.targets[0], WIRE_END_BYTES);
	over_after(&w, 1);
}

static size_t late(struct world *w, struct missing_list *l)
{
	missing_release(l);
	lookout_missing(w->lookout, l);
	return l->n;
}

/* Left out by slot, or on a node that is not meant: it runs, nobody tells of it, and nobody misses it. */
static void test_left_out(void **state)
{
	const bool only[] = { false, true };
	struct missing_list missing = { 0 };
	char *except[] = { S("web.3") };
	struct world w;

	make(&w);
	w.follow[0].except = except;
	w.follow[0].n_except = 1;
	ended(&w.targets[0], WIRE_END_PACKETS);
	tasks(&w, 1, task("t2", "running", "running", "c2"));
	over_after(&w, 1);
	make(&w);
	w.view.only = only;
	ended(&w.targets[0], WIRE_END_PACKETS);
	tasks(&w, 1, task("t2", "running", "running", "c2"));
	assert_true(lookout_take(w.lookout, &w.view));
	w.view.now_ns += 2 * LOOKOUT_PATIENCE_NS;
	assert_true(lookout_take(w.lookout, &w.view));
	lookout_missing(w.lookout, &missing);
	assert_int_equal(missing.n, 0);
	lookout_free(w.lookout);
}

static void test_strangers(void **state)
{
	struct missing_list l = { 0 };
	struct world w;

	make(&w);
	tasks(&w, 2, task("t1", "running", "running", "c1"), task("t9", "running", "running", "c9"));
	w.tasks[1].node_id = S("n2");
	assert_false(lookout_take(w.lookout, &w.view));
	assert_int_equal(late(&w, &l), 0);
	w.view.now_ns += LOOKOUT_PATIENCE_NS;
	w.view.wall_ns = 2000;
	assert_false(lookout_take(w.lookout, &w.view));
	assert_int_equal(late(&w, &l), 1);
	assert_string_equal(l.items[0].what, "task web.3");
	assert_string_equal(l.items[0].node, "node2");
	assert_string_equal(l.items[0].reason, "not-followed");
	assert_int_equal(l.items[0].from_ns, 1000);

	/* its end does not make it captured; it joining late does */
	w.cluster.n_tasks = 1;
	lookout_take(w.lookout, &w.view);
	assert_int_equal(late(&w, &l), 1);
	w.cluster.n_tasks = 2;
	w.targets[1] = (struct wire_target){ .key = S("web.3"), .state = WIRE_ARMED,
					     .container_id = S("c9") };
	w.fleet[0].report.n_targets = 2;
	lookout_take(w.lookout, &w.view);
	assert_int_equal(late(&w, &l), 0);
	missing_release(&l);
	lookout_free(w.lookout);
}

/* One that came and went is no stranger. */
static void test_short_lives(void **state)
{
	struct missing_list l = { 0 };
	struct world w;

	make(&w);
	tasks(&w, 1, task("t9", "running", "running", "c9"));
	lookout_take(w.lookout, &w.view);
	w.tasks[0].state = S("failed");
	w.view.now_ns += 2 * LOOKOUT_PATIENCE_NS;
	lookout_take(w.lookout, &w.view);
	assert_int_equal(late(&w, &l), 0);
	lookout_free(w.lookout);
}

static void test_confirm(void **state)
{
	struct confirm *c = confirm_new();
	struct wire_joined j = { .service_id = S("svc1"), .task_id = S("t1") };
	struct world w;

	make(&w);
	tasks(&w, 2, task("t1", "failed", "shutdown", "c1"), task("t2", "preparing", "running", ""));
	confirm_take(c, &w.cluster);
	w.cluster.n_tasks = 0;
	confirm_take(c, &w.cluster);	/* what was said once stays */
	assert_true(confirm_has(c, "n1", &j, "c1"));
	assert_false(confirm_has(c, "n2", &j, "c1"));
	assert_false(confirm_has(c, "n1", &j, "c2"));
	assert_false(confirm_has(c, "n1", &j, ""));
	assert_false(confirm_has(c, "n1", &j, NULL));
	assert_false(confirm_has(NULL, "n1", &j, "c1"));
	j.service_id = S("svc2");
	assert_false(confirm_has(c, "n1", &j, "c1"));
	j = (struct wire_joined){ .service_id = S("svc1"), .task_id = S("t2") };
	assert_false(confirm_has(c, "n1", &j, ""));
	j.task_id = NULL;
	assert_false(confirm_has(c, "n1", &j, "c1"));
	confirm_free(c);
	lookout_free(w.lookout);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(test_goes_on),
		cmocka_unit_test(test_limits_end_it_at_once),
		cmocka_unit_test(test_scaled_to_zero),
		cmocka_unit_test(test_a_slot_waits),
		cmocka_unit_test(test_dead_nodes_hold_nothing_up),
		cmocka_unit_test(test_others_services),
		cmocka_unit_test(test_left_out),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_short_lives),
		cmocka_unit_test(test_confirm),
	};

	return cmocka_run_group_tests(all, NULL, NULL);
}
