/* SPDX-License-Identifier: Apache-2.0
 *
 * plan_test.c - from a recorded Swarm to a plan, to what agents are told, and back from reports
 */
#include "recorded.h"

#include <errno.h>

#include "../../coordinator/plan.h"

#define ID "20261123T143905Z-3fa9c1"

struct world {
	struct cluster cluster;
	struct request request;
	struct plan plan;
	struct err err;
};

static void setup(struct world *w, const char *service, const char *other)
{
	*w = (struct world){ .err = ERR_INIT };
	recorded_cluster(&w->cluster, false);
	w->request.selectors[w->request.n_selectors++] = (char *)service;
	if (other)
		w->request.selectors[w->request.n_selectors++] = (char *)other;
	w->request.snaplen = WIRE_SNAPLEN_MAX;
}

static void make(struct world *w)
{
	if (plan_make(&w->request, &w->cluster, ID, &w->plan, &w->err) != 0)
		fail_msg("%s", w->err.text);
}

static void teardown(struct world *w)
{
	plan_release(&w->plan);
	cluster_release(&w->cluster);
}

static void replace(char **text, const char *with)
{
	free(*text);
	*text = xstrdup(with);
}

/* ---- grouping and naming ---- */

static void test_groups(void **state)
{
	struct world w;

	setup(&w, "web2", "web");
	make(&w);
	assert_string_equal(w.plan.id, ID);
	assert_int_equal(w.plan.n_nodes, 3);
	assert_int_equal(plan_targets(&w.plan), 7);
	assert_string_equal(w.plan.nodes[0].name, "node1");
	assert_string_equal(w.plan.nodes[0].file_host, "node1");
	assert_string_equal(w.plan.nodes[0].address, "10.96.0.11");
	assert_string_equal(w.plan.nodes[0].route, "agent");
	assert_string_equal(w.plan.nodes[0].targets[0].task, "web.1");
	assert_string_equal(w.plan.nodes[0].targets[1].task, "web2.1");
	assert_string_equal(w.plan.nodes[1].name, "node2");
	assert_string_equal(w.plan.nodes[1].targets[0].task, "web.3");
	assert_string_equal(w.plan.nodes[1].targets[1].task, "web.5");
	assert_string_equal(w.plan.nodes[2].name, "node3");
	for (size_t i = 0; i < w.plan.nodes[2].n_targets; i++)
		assert_string_equal(w.plan.nodes[2].targets[i].node_id, w.plan.nodes[2].id);
	teardown(&w);
}

static void test_nothing(void **state)
{
	struct world w;

	setup(&w, "none", NULL);
	assert_int_equal(plan_make(&w.request, &w.cluster, ID, &w.plan, &w.err), PLAN_E_NOTHING);
	assert_int_equal(plan_targets(&w.plan), 0);
	assert_int_equal(w.plan.n_notes, 1);
	teardown(&w);
}

static void check_file_host(struct world *w, size_t i, const char *expected)
{
	assert_string_equal(w->plan.nodes[i].file_host, expected);
}

static struct cluster_node *node(struct world *w, const char *id)
{
	for (size_t i = 0; i < w->cluster.n_nodes; i++)
		if (str_starts(w->cluster.nodes[i].id, id))
			return &w->cluster.nodes[i];
	return NULL;
}

static void test_file_hosts(void **state)
{
	struct cluster_node *other;
	struct world w;

	setup(&w, "agent", NULL);
	replace(&node(&w, "1sgw")->name, "host");
	replace(&node(&w, "jl5n")->name, "a/b\033");
	replace(&node(&w, "z0dr")->name, "host");
	make(&w);
	check_file_host(&w, 0, "a_b_");
	check_file_host(&w, 1, "host_1sgwxi");
	check_file_host(&w, 2, "host_z0dr6h");
	teardown(&w);

	/* alike in name and in the beginning of the id; names that differ become alike */
	setup(&w, "agent", NULL);
	replace(&node(&w, "1sgw")->name, "a b");
	replace(&node(&w, "z0dr")->name, "a_B");
	other = node(&w, "jl5n");
	replace(&other->name, "a_b");
	replace(&other->id, "1sgwxiOTHER");
	for (size_t i = 0; i < w.cluster.n_tasks; i++)
		if (str_starts(w.cluster.tasks[i].node_id, "jl5n"))
			replace(&w.cluster.tasks[i].node_id, "1sgwxiOTHER");
	make(&w);
	check_file_host(&w, 0, "a_b_1sgwxic6aaq70dgydb1hy1kvo");
	check_file_host(&w, 1, "a_B_z0dr6h");
	check_file_host(&w, 2, "a_b_1sgwxiOTHER");
	teardown(&w);
}

static void test_hosts(void **state)
{
	struct world w;

	setup(&w, "web2", "web");
	make(&w);
	/* web2's tasks have two addresses each */
	assert_int_equal(w.plan.n_hosts, 5 + 2 * 2);
	for (size_t i = 0; i < w.plan.n_hosts; i++) {
		assert_null(strchr(w.plan.hosts[i].address, '/'));
		assert_true(str_starts(w.plan.hosts[i].name, "web"));
	}
	assert_string_equal(w.plan.hosts[0].address, "10.0.1.2");
	assert_string_equal(w.plan.hosts[8].address, "10.0.2.3");
	teardown(&w);
}

static void test_too_many_on_a_node(void **state)
{
	struct world w;
	struct cluster_task *t = NULL;
	size_t more = WIRE_TARGETS_MAX + 10;

	setup(&w, "web", NULL);
	for (size_t i = 0; !t; i++)
		if (cluster_task_runs(&w.cluster, &w.cluster.tasks[i]))
			t = &w.cluster.tasks[i];
	assert_string_equal(t->image, "busybox:latest");
	for (size_t i = 0; i < w.cluster.n_tasks; i++)
		w.cluster.tasks[i].slot = 1000;

	w.cluster.tasks = xrealloc(w.cluster.tasks, w.cluster.n_tasks + more, sizeof(*t));
	for (size_t i = 0; i < more; i++)
		w.cluster.tasks[w.cluster.n_tasks++] = (struct cluster_task){
			.id = xasprintf("task%zu", i),
			.service_id = xstrdup("d2r35afdhd8194onezb7fm8xy"),
			.node_id = xstrdup("1sgwxic6aaq70dgydb1hy1kvo"),
			.slot = (int64_t)i + 1,
			.state = xstrdup("running"),
			.desired = xstrdup("running"),
			.container_id = xasprintf("c0ffee%zu", i),
			.image = xstrdup("i"),
			.error = xstrdup(""),
		};
	make(&w);
	assert_int_equal(w.plan.nodes[0].n_targets, WIRE_TARGETS_MAX);
	assert_int_equal(w.plan.missing.n, 10 + 1);
	assert_string_equal(w.plan.missing.items[0].reason, "too-many");
	assert_string_equal(w.plan.missing.items[0].what, "task web.513");
	teardown(&w);
}

/* ---- printing ---- */

static char *print(const struct plan *p, bool json)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	plan_print(f, p, json);
	fclose(f);
	return text;
}

static void test_table(void **state)
{
	struct world w;

	setup(&w, "web2", "none");
	make(&w);
	missing_add(&w.plan.missing, "task web2.3", "node3", "node-down", "node node3 is down");
	cleanup_free char *text = print(&w.plan, false);

	assert_string_equal(text, "NODE   ADDRESS     ROUTE  TASK    CONTAINER     NETWORKS\n"
				  "node1  10.96.0.11  agent  web2.1  e59d7ccf1ab2  back "
				  "10.0.2.2/24, app 10.0.1.7/24\n"
				  "node3  10.96.0.13  agent  web2.2  822484b0f787  back "
				  "10.0.2.3/24, app 10.0.1.8/24\n"
				  "missing: task web2.3 on node3: node node3 is down\n"
				  "note: service none has no running task\n");
	teardown(&w);
}

static void test_hostile_names_are_shown(void **state)
{
	struct world w;

	setup(&w, "web2", NULL);
	replace(&w.cluster.nodes[0].name, "\033]0;x\a\n");
	make(&w);
	missing_add(&w.plan.missing, "task \033[2J", NULL, "x", "\r\n");
	plan_note(&w.plan, "\x80\x1b");
	cleanup_free char *text = print(&w.plan, false), *json = print(&w.plan, true);

	assert_non_null(strstr(text, "\\x1b]0;x\\x07\\x0a"));
	for (const char *p = text; *p; p++)
		assert_true(*p == '\n' || (*p >= ' ' && *p < 0x7f));
	for (const char *p = json; *p; p++)
		assert_true(*p == '\n' || (*p >= ' ' && *p < 0x7f));
	teardown(&w);
}

static void test_json(void **state)
{
	struct world w;
	int lines = 0;

	setup(&w, "web2", "none");
	make(&w);
	missing_add(&w.plan.missing, "task web2.3", "node3", "node-down", NULL);
	cleanup_free char *text = print(&w.plan, true);

	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++) {
		cleanup_json json_t *j = NULL;

		assert_int_equal(jx_parse(line, strlen(line), "line", &j, NULL), 0);
		if (lines == 0) {
			assert_string_equal(jx_str(j, "event", ""), "target");
			assert_string_equal(jx_str(j, "task", ""), "web2.1");
			assert_int_equal(jx_int(j, "slot", 0), 1);
			assert_int_equal(jx_len(j, "networks"), 2);
		}
		if (lines == 2)
			assert_string_equal(jx_str(j, "event", ""), "missing");
		if (lines == 3)
			assert_string_equal(jx_str(j, "event", ""), "note");
	}
	assert_int_equal(lines, 4);
	teardown(&w);
}

/* ---- to the agents and back ---- */

static void test_arm(void **state)
{
	struct world w;
	struct wire_arm a, b;

	setup(&w, "web", "none");
	w.request.filter = xstrdup("host web");
	w.request.filter_resolved = xstrdup("host 10.0.0.1");
	w.request.duration_ms = 30000;
	w.request.max_packets = 100;
	w.request.rotate_bytes = 1 << 20;
	w.request.rotate_ms = 60000;
	w.request.keep_files = 7;
	make(&w);
	plan_arm(&w.plan, &w.plan.nodes[0], &w.request, &w.cluster, &a);
	assert_string_equal(a.id, ID);
	assert_string_equal(a.node_name, "node1");
	assert_true(a.attached);
	assert_int_equal(a.lease_ms, 60000);
	assert_int_equal(a.deadline_ms, 40000);
	assert_string_equal(a.filter, "host 10.0.0.1");
	assert_int_equal(a.max_packets, 100);
	assert_int_equal(a.n_targets, w.plan.nodes[0].n_targets);
	assert_string_equal(a.targets[0].label, a.targets[0].key);
	assert_int_equal(a.n_hosts, 5);

	/* an agent takes it */
	cleanup_json json_t *j = wire_arm_encode(&a);
	if (wire_arm_decode(j, &b, &w.err) < 0)
		fail_msg("%s", w.err.text);
	assert_int_equal(b.rotate_bytes, 1 << 20);
	assert_int_equal(b.rotate_ms, 60000);
	assert_int_equal(b.keep_files, 7);
	wire_arm_release(&a);
	wire_arm_release(&b);

	w.request.duration_ms = 0;
	plan_arm(&w.plan, &w.plan.nodes[0], &w.request, &w.cluster, &a);
	assert_int_equal(a.deadline_ms, WIRE_DEADLINE_MAX_MS);
	wire_arm_release(&a);
	free(w.request.filter);
	free(w.request.filter_resolved);
	teardown(&w);
}

/* What node i of the plan would give back. */
static void make_report(struct world *w, size_t i, struct wire_report *out)
{
	const struct plan_node *n = &w->plan.nodes[i];
	struct wire_arm a;

	plan_arm(&w->plan, n, &w->request, &w->cluster, &a);
	*out = (struct wire_report){ .id = ID,
				     .node_id = xstrdup(n->id),
				     .node_name = xstrdup(n->name),
				     .version = xstrdup("0.1.0"),
				     .context = json_incref(a.context) };
	out->n_targets = n->n_targets;
	out->targets = xcalloc(n->n_targets, sizeof(*out->targets));
	for (size_t j = 0; j < n->n_targets; j++)
		out->targets[j].key = xstrdup(n->targets[j].key);
	wire_arm_release(&a);
}

static void check_same_node(const struct plan_node *a, const struct plan_node *b)
{
	assert_string_equal(a->id, b->id);
	assert_string_equal(a->name, b->name);
	assert_string_equal(a->address, b->address);
	assert_string_equal(a->file_host, b->file_host);
	assert_int_equal(a->n_targets, b->n_targets);
	for (size_t i = 0; i < a->n_targets; i++) {
		const struct target *s = &a->targets[i], *t = &b->targets[i];

		assert_string_equal(s->key, t->key);
		assert_string_equal(s->service, t->service);
		assert_string_equal(s->service_id, t->service_id);
		assert_string_equal(s->task, t->task);
		assert_string_equal(s->task_id, t->task_id);
		assert_string_equal(s->container_id, t->container_id);
		assert_string_equal(s->image, t->image);
		assert_string_equal(s->node_id, t->node_id);
		assert_int_equal(s->slot, t->slot);
		assert_int_equal(s->n_networks, t->n_networks);
		assert_string_equal(s->networks[0].addresses[0], t->networks[0].addresses[0]);
	}
}

/* Node 2 of the three never answered. */
static void test_from_reports(void **state)
{
	struct world w;
	struct wire_report reports[2];
	struct plan p = PLAN_INIT;
	struct request r = { 0 };
	struct cluster c = CLUSTER_INIT;

	setup(&w, "web", "none");
	w.request.filter = xstrdup("tcp");
	w.request.duration_ms = 5000;
	w.request.max_bytes = 77;
	w.request.rotate_bytes = 1 << 20;
	w.request.rotate_ms = 60000;
	w.request.keep_files = 7;
	w.request.format = WIRE_PCAP;
	make(&w);
	missing_add(&w.plan.missing, "task web.9", "node9", "node-down", "gone");
	make_report(&w, 2, &reports[0]);
	make_report(&w, 0, &reports[1]);
	assert_int_equal(plan_from_reports(reports, 2, &p, &r, &c, &w.err), 0);

	assert_string_equal(p.id, ID);
	assert_int_equal(p.n_nodes, 2);
	check_same_node(&p.nodes[0], &w.plan.nodes[0]);
	check_same_node(&p.nodes[1], &w.plan.nodes[2]);
	assert_int_equal(p.n_notes, 1);
	assert_int_equal(p.missing.n, 1 + w.plan.nodes[1].n_targets);
	assert_string_equal(p.missing.items[0].what, "task web.9");
	assert_string_equal(p.missing.items[1].what, "task web.3");
	assert_string_equal(p.missing.items[1].node, "node2");
	assert_string_equal(p.missing.items[1].reason, "no-report");
	assert_int_equal(p.n_hosts, 3);
	assert_int_equal(r.n_selectors, 2);
	assert_string_equal(r.selectors[0], "web");
	assert_string_equal(r.filter, "tcp");
	assert_int_equal(r.duration_ms, 5000);
	assert_int_equal(r.max_bytes, 77);
	assert_int_equal(r.rotate_bytes, 1 << 20);
	assert_int_equal(r.rotate_ms, 60000);
	assert_int_equal(r.keep_files, 7);
	assert_int_equal(r.format, WIRE_PCAP);
	assert_int_equal(r.snaplen, WIRE_SNAPLEN_MAX);
	assert_string_equal(c.id, w.cluster.id);
	assert_string_equal(c.self_name, "node1");
	assert_int_equal(c.n_nodes, 2);

	wire_report_release(&reports[0]);
	wire_report_release(&reports[1]);
	free(r.filter);
	free(w.request.filter);
	plan_release(&p);
	cluster_release(&c);
	teardown(&w);
}

/* A context of another capture, one that is none at all: what the report itself says remains. */
static void test_bad_contexts(void **state)
{
	struct world w;
	struct wire_report reports[3];
	struct plan p = PLAN_INIT;
	struct request r = { 0 };
	struct cluster c = CLUSTER_INIT;

	setup(&w, "web", NULL);
	make(&w);
	for (size_t i = 0; i < 3; i++)
		make_report(&w, i, &reports[i]);
	json_object_set_new(json_object_get(reports[0].context, "arm"), "id",
			    json_string("20261123T143905Z-000000"));
	json_object_set_new(json_object_get(reports[1].context, "arm"), "targets", json_integer(7));
	assert_int_equal(plan_from_reports(reports, 2, &p, &r, &c, &w.err), -EINVAL);
	plan_release(&p);
	assert_int_equal(plan_from_reports(reports, 3, &p, &r, &c, NULL), 0);
	assert_int_equal(p.n_nodes, 3);
	assert_int_equal(p.n_notes, 2);
	assert_int_equal(p.missing.n, 0);
	assert_string_equal(p.nodes[0].targets[0].key, w.plan.nodes[0].targets[0].key);
	check_same_node(&p.nodes[2], &w.plan.nodes[2]);

	for (size_t i = 0; i < 3; i++)
		wire_report_release(&reports[i]);
	free(r.filter);
	plan_release(&p);
	cluster_release(&c);
	teardown(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_groups), cmocka_unit_test(test_nothing),
		cmocka_unit_test(test_file_hosts), cmocka_unit_test(test_hosts),
		cmocka_unit_test(test_too_many_on_a_node), cmocka_unit_test(test_table),
		cmocka_unit_test(test_hostile_names_are_shown), cmocka_unit_test(test_json),
		cmocka_unit_test(test_arm), cmocka_unit_test(test_from_reports),
		cmocka_unit_test(test_bad_contexts),
	};

	return cmocka_run_group_tests_name("plan", tests, NULL, NULL);
}
