/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_test.c - the account of a capture: golden file, missing, names, exit status
 *
 * The golden file is tests/unit/data/manifest.json; UPDATE_GOLDEN=1 in the environment writes it
 * anew, to be looked at before it is committed.
 */
#include "../../coordinator/manifest.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define GOLDEN "tests/unit/data/manifest.json"
#define START 1795444745120334551LL	/* 2026-11-23T14:39:05.120334551Z */
#define STOP (START + 30 * NS_PER_S)
#define SHA "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static char *web_addresses[] = { (char *)"10.0.1.5/24" };
static struct wire_network web_networks[] = {
	{ (char *)"app", (char *)"net1", 4097, web_addresses, 1 },
	{ (char *)"bridge", (char *)"net2", 0, NULL, 0 },
};
static char *web_offloads[] = { (char *)"tx-checksum", (char *)"gso" };
static struct wire_interface web_interfaces[] = {
	{ .name = (char *)"eth0", .index = 12, .mtu = 1450, .mac = (char *)"02:42:0a:00:01:05",
	  .link_type = (char *)"EN10MB", .addresses = web_addresses, .n_addresses = 1, .peer = 13,
	  .master = (char *)"br0", .vni = 4097, .offloads = web_offloads, .n_offloads = 2 },
	{ .name = (char *)"lo", .index = 1, .mtu = 65536, .link_type = (char *)"EN10MB" },
};

#define TARGET(k, t, i) { \
	.kind = WIRE_TASK, .key = (char *)(k), .service = (char *)"web", .task = (char *)(t), \
	.task_id = (char *)"k7x2a9", .container_id = (char *)"c0ffee", .image = (char *)"nginx:1", \
	.slot = (i), .networks = web_networks, .n_networks = 2 }

#define FILE_OF(n, s, x)                                                                           \
	{                                                                                          \
		.name = (char *)(n), .bytes = 1000, .packets = 10, .first_ns = START + 1,          \
		.last_ns = STOP - 1, .sha256 = SHA, .segment = (s), .suffix = (char *)(x)          \
	}

/* A capture with a bit of everything; every test changes what it is about. */
struct world {
	struct target targets1[2], targets2[2], targets3[1], targets4[1];
	struct plan_node plan_nodes[4];
	struct wire_host hosts[4];
	struct missing missing[1];
	char *notes[1];
	struct plan plan;
	struct request request;
	struct cluster cluster;
	struct wire_file files1[1], files2[4];
	char *notes_of_target[1];
	struct wire_target reports1[2], reports2[2], reports4[1];
	char *fetched1[5];
	struct fleet_node nodes[4];
	struct manifest_input in;
};

static void make_plan(struct world *w)
{
	w->targets1[0] = (struct target)TARGET("web.1.k7x2a9", "web.1", 1);
	w->targets1[1] = (struct target)TARGET("web.2.aaaaaa", "web.2", 2);
	w->targets2[0] = (struct target)TARGET("web.3.bbbbbb", "web.3", 3);
	w->targets2[1] = (struct target)TARGET("web.4.cccccc", "web.4", 4);
	w->targets3[0] = (struct target)TARGET("web.n3.dddddd", "web.n3", 0);
	w->targets4[0] = (struct target)TARGET("web.5.eeeeee", "web.5", 5);

	for (int i = 0; i < 4; i++) {
		static const char *names[] = { "node1", "node2", "node3", "node4" };
		static const char *addresses[] = { "10.99.0.11", "10.99.0.12", "10.99.0.13",
						   "10.99.0.14" };

		w->plan_nodes[i] = (struct plan_node){
			.id = (char *)names[i],
			.name = (char *)names[i],
			.address = (char *)addresses[i],
			.file_host = (char *)names[i],
			.route = "agent",
			.n_targets = i < 2 ? 2 : 1,
		};
	}
	w->plan_nodes[0].targets = w->targets1;
	w->plan_nodes[1].targets = w->targets2;
	w->plan_nodes[2].targets = w->targets3;
	w->plan_nodes[3].targets = w->targets4;

	w->hosts[0] = (struct wire_host){ (char *)"10.0.1.10", (char *)"web.2.aaaaaa" };
	w->hosts[1] = (struct wire_host){ (char *)"fd00::5", (char *)"web.1.k7x2a9" };
	w->hosts[2] = (struct wire_host){ (char *)"10.0.1.9", (char *)"web.1.k7x2a9" };
	w->hosts[3] = w->hosts[0];
	w->missing[0] = (struct missing){
		.what = (char *)"task web.6",
		.node = (char *)"node5",
		.reason = (char *)"node-down",
		.error = (char *)"node node5 is down",
		.from_ns = START,
	};
	w->notes[0] = (char *)"service db has no running task";
	w->plan = (struct plan){
		.id = "20261123T143905Z-3fa9c1",
		.nodes = w->plan_nodes,
		.n_nodes = 4,
		.missing = { w->missing, 1 },
		.notes = w->notes,
		.n_notes = 1,
		.hosts = w->hosts,
		.n_hosts = 4,
	};
}

static void make_reports(struct world *w)
{
	const struct wire_target ended = {
		.state = WIRE_ENDED,
		.end = WIRE_END_DURATION,
		.container_id = (char *)"c0ffee",
		.started_ns = START - 2000,
		.stopped_ns = STOP,
		.packets = 10,
		.bytes = 1000,
		.received = 10,
		.interfaces = web_interfaces,
		.n_interfaces = 2,
	};

	w->files1[0] = (struct wire_file)FILE_OF("0-000.pcapng", 0, NULL);
	w->files2[0] = (struct wire_file)FILE_OF("1-000.pcapng", 0, NULL);
	w->files2[1] = (struct wire_file)FILE_OF("1-001.pcapng", 1, NULL);
	w->files2[2] = (struct wire_file)FILE_OF("1-000-raw.pcapng", 0, "raw");
	w->files2[3] = (struct wire_file)FILE_OF("1-002.pcapng", 2, NULL);
	w->files2[1].recovered = true;
	w->files2[2].packets = 0;
	w->reports1[0] = w->reports1[1] = ended;
	w->reports1[0].key = (char *)"web.1.k7x2a9";
	w->reports1[0].files = w->files1;
	w->reports1[0].n_files = 1;
	w->reports1[1].key = (char *)"web.2.aaaaaa";
	w->reports1[1].end = WIRE_END_TASK_ENDED;
	w->reports1[1].dropped_kernel = 7;
	w->reports1[1].files = w->files2;
	w->reports1[1].n_files = 4;
	w->notes_of_target[0] = (char *)"interface eth1 went away";
	w->reports1[1].notes = w->notes_of_target;
	w->reports1[1].n_notes = 1;
	w->reports2[0] = (struct wire_target){
		.key = (char *)"web.3.bbbbbb", .state = WIRE_FAILED, .end = WIRE_END_ERROR,
		.error = (char *)"cannot enter the namespace of web.3: propagation is broken",
	};
	w->reports4[0] = (struct wire_target){ .key = (char *)"web.5.eeeeee", .state = WIRE_ARMED };
}

static void make_nodes(struct world *w)
{
	static const char *fetched[] = { "0-0-000.pcapng", "0-1-000.pcapng", "0-1-001.pcapng",
					 "0-1-000-raw.pcapng" };

	for (int i = 0; i < 4; i++)
		w->nodes[i] = (struct fleet_node){
			.plan = &w->plan_nodes[i],
			.has_report = i != 2,
			.version = (char *)(i != 2 ? "0.1.0" : NULL),
			.clock = { .offset_ns = -1000, .error_ns = 88000, .probes = 5 },
			.armed = i != 2,
		};
	for (int i = 0; i < 4; i++)
		w->fetched1[i] = (char *)fetched[i];
	w->nodes[0].report.targets = w->reports1;
	w->nodes[0].report.n_targets = 2;
	w->nodes[0].fetched = w->fetched1;
	w->nodes[0].n_fetched = 5;
	err_set(&w->nodes[0].fetch_err, -5, "cannot fetch 1-002.pcapng: the digest does not match");
	w->nodes[1].report.targets = w->reports2;
	w->nodes[1].report.n_targets = 1;
	w->nodes[2].clock.probes = 0;
	w->nodes[2].reason = "agent-missing";
	err_set(&w->nodes[2].err, -111, "no agent answers at 10.99.0.13:9473");
	w->nodes[3].report.targets = w->reports4;
	w->nodes[3].report.n_targets = 1;
	w->nodes[3].clock.probes = 0;
	w->nodes[3].reason = "node-lost";
	err_set(&w->nodes[3].err, -110, "no answer from 10.99.0.14:9473 within 5 s");
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));

	make_plan(w);
	make_reports(w);
	make_nodes(w);
	w->request = (struct request){
		.command = "capture", .selectors = { (char *)"web" }, .n_selectors = 1,
		.filter = (char *)"tcp port 80", .snaplen = 262144, .duration_ms = 30000,
	};
	w->cluster = (struct cluster){ .id = (char *)"swarm1", .self_name = (char *)"node1" };
	w->in = (struct manifest_input){
		.plan = &w->plan,
		.request = &w->request,
		.cluster = &w->cluster,
		.nodes = w->nodes,
		.n_nodes = 4,
		.start_ns = START,
		.stop_ns = STOP,
		.arm_spread_ns = 8100000,
	};
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* Only node1 with its first target, which went well. */
static void all_well(struct world *w)
{
	w->plan.missing.n = 0;
	w->plan.n_notes = 0;
	w->in.n_nodes = w->plan.n_nodes = 1;
	w->plan_nodes[0].n_targets = 1;
	w->nodes[0].report.n_targets = 1;
}

static const json_t *entry(const struct manifest *m, const char *list, size_t i)
{
	return json_array_get(jx_get(m->json, list), i);
}

static void test_golden(void **state)
{
	struct world *w = *state;
	struct manifest m;
	cleanup_free char *text = NULL, *want = NULL;

	manifest_make(&w->in, &m);
	text = json_dumps(m.json, JSON_INDENT(2));
	assert_non_null(text);
	if (getenv("UPDATE_GOLDEN"))
		assert_int_equal(json_dump_file(m.json, GOLDEN, JSON_INDENT(2)), 0);
	want = util_read_file(GOLDEN, 1 << 20);
	assert_non_null(want);
	assert_string_equal(text, want);
	manifest_release(&m);
}

/* A target that went on after its agent was away: an entry, and what was not captured meanwhile. */
static void test_gap(void **state)
{
	struct wire_gap gaps[] = { { START + 5 * NS_PER_S, START + 7 * NS_PER_S, (char *)"away" },
				   { START + 9 * NS_PER_S, 0, (char *)"away again" } };
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->reports1[0].gaps = gaps;
	w->reports1[0].n_gaps = 2;
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_targets, 1);
	assert_int_equal(m.n_missing, 2);
	assert_true(m.partial);
	assert_string_equal(jx_str(entry(&m, "missing", 0), "what", ""), "task web.1");
	assert_string_equal(jx_str(entry(&m, "missing", 0), "node", ""), "node1");
	assert_string_equal(jx_str(entry(&m, "missing", 0), "reason", ""), "agent-lost");
	assert_string_equal(jx_str(entry(&m, "missing", 0), "error", ""), "away");
	/* by the coordinator's clock: the node's is 1000 ns behind */
	assert_string_equal(jx_str(entry(&m, "missing", 0), "from", ""),
			    "2026-11-23T14:39:10.120335551Z");
	assert_string_equal(jx_str(entry(&m, "missing", 0), "to", ""),
			    "2026-11-23T14:39:12.120335551Z");
	assert_true(json_is_null(jx_get(entry(&m, "missing", 1), "to")));
	manifest_release(&m);
}

static void test_nothing_is_absent(void **state)
{
	struct world *w = *state;
	struct manifest m;

	manifest_make(&w->in, &m);
	assert_int_equal(m.n_targets, 2);
	/* web.6 by the plan, one file of web.2, web.3, web.4, web.n3, web.5 */
	assert_int_equal(m.n_missing, 6);
	assert_true(m.partial);
	assert_int_equal(m.n_files, 4);
	assert_int_equal(m.packets, 20);
	assert_int_equal(m.dropped_kernel, 7);
	assert_int_equal(m.dropped_agent, 0);
	assert_int_equal(manifest_dropped(&m), 7);
	assert_int_equal(m.bytes, 4000);
	assert_int_equal(m.stop_ns, STOP);
	manifest_release(&m);
}

static void test_all_well_is_whole(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	manifest_make(&w->in, &m);
	assert_false(m.partial);
	assert_int_equal(m.n_missing, 0);
	assert_int_equal(m.n_targets, 1);
	assert_string_equal(m.files[0].name, "node1-web.1.k7x2a9-2026-11-23_14-39-05.pcapng");
	assert_string_equal(m.files[0].staged, "0-0-000.pcapng");
	assert_string_equal(m.files[0].sha256, SHA);
	manifest_release(&m);
}

/* By the inode web.2 is web.1: one entry with both names, and nothing is missing. */
static void test_one_namespace_of_two(void **state)
{
	struct world *w = *state;
	struct wire_target *second = &w->reports1[1];
	struct manifest m;

	all_well(w);
	w->plan_nodes[0].n_targets = w->nodes[0].report.n_targets = 2;
	*second = (struct wire_target){
		.key = (char *)"web.2.aaaaaa", .state = WIRE_FAILED, .same_as = (char *)"web.1.k7x2a9",
		.error = (char *)"its network namespace is captured as web.1.k7x2a9",
	};
	manifest_make(&w->in, &m);
	assert_false(m.partial);
	assert_int_equal(m.n_targets, 1);
	assert_int_equal(m.n_missing, 0);
	assert_int_equal(jx_len(entry(&m, "targets", 0), "names"), 2);
	assert_string_equal(json_string_value(json_array_get(jx_get(entry(&m, "targets", 0), "names"), 1)),
			    "task web.2");
	manifest_release(&m);
	/* an agent that speaks of a target that it does not capture */
	second->same_as = (char *)"web.2.aaaaaa";
	manifest_make(&w->in, &m);
	assert_true(m.partial);
	assert_int_equal(m.n_missing, 1);
	manifest_release(&m);
}

/* The manager knew web.2's container, and not the one that says that it is web.9. */
static struct confirm *confirmed(void)
{
	struct cluster_task t = {
		.id = (char *)"k7x2a9", .service_id = (char *)"svc1", .node_id = (char *)"node1",
		.container_id = (char *)"c0ffee",
	};
	const struct cluster c = { .tasks = &t, .n_tasks = 1 };
	struct confirm *out = confirm_new();

	confirm_take(out, &c);
	return out;
}

static struct wire_joined joined(const char *key, const char *task, const char *task_id)
{
	return (struct wire_joined){
		.key = (char *)key, .service = (char *)"web", .service_id = (char *)"svc1",
		.task = (char *)task, .task_id = (char *)task_id, .slot = 2,
		.joined_ns = START + 65 * NS_PER_S, .networks = web_networks, .n_networks = 1,
	};
}

static void test_joined(void **state)
{
	struct confirm *confirm = confirmed();
	struct wire_joined list[] = { joined("web.2.aaaaaa", "web.2", "k7x2a9"),
				      joined("web.9.x", "web.9", "forged") };
	struct wire_target reports[3];
	struct world *w = *state;
	const json_t *e;
	struct manifest m;

	all_well(w);
	memcpy(reports, w->reports1, sizeof(w->reports1));
	reports[1].n_files = 3;
	reports[2] = (struct wire_target){ .key = (char *)"web.9.x", .state = WIRE_ENDED,
					   .end = WIRE_END_STOPPED, .container_id = (char *)"c9" };
	w->nodes[0].report.targets = reports;
	w->nodes[0].report.n_targets = 3;
	w->nodes[0].report.joined = list;
	w->nodes[0].report.n_joined = 2;
	w->in.confirm = confirm;
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_targets, 3);
	assert_false(m.partial);
	e = entry(&m, "targets", 0);
	assert_false(jx_bool(e, "joined", true));
	assert_true(jx_bool(e, "confirmed", false));
	e = entry(&m, "targets", 1);
	assert_true(jx_bool(e, "joined", false));
	assert_true(jx_bool(e, "confirmed", false));
	assert_string_equal(jx_str(e, "service", ""), "web");
	assert_string_equal(jx_str(e, "container_id", ""), "c0ffee");
	assert_int_equal(jx_int(json_array_get(jx_get(e, "networks"), 0), "vni", 0), 4097);
	/* named after its own beginning, by our clock */
	assert_string_equal(m.files[1].name, "node1-web.2.aaaaaa-2026-11-23_14-40-10-000.pcapng");
	e = entry(&m, "targets", 2);
	assert_true(jx_bool(e, "joined", false));
	assert_false(jx_bool(e, "confirmed", true));
	assert_non_null(strstr(m.hosts, "10.0.1.5\tweb.2.aaaaaa\n"));
	assert_null(strstr(m.hosts, "web.9"));
	manifest_release(&m);

	/* a forged one that fails is a note; a real one is missing, and so are those for whom no room was left */
	reports[1].state = reports[2].state = WIRE_FAILED;
	w->nodes[0].report.not_joined = 7;
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_missing, 2);
	assert_string_equal(jx_str(entry(&m, "missing", 0), "what", ""), "task web.2");
	assert_string_equal(jx_str(entry(&m, "missing", 1), "reason", ""), "too-many");
	assert_non_null(strstr(json_string_value(entry(&m, "notes", 0)), "web.9"));
	manifest_release(&m);
	confirm_free(confirm);
}

static void test_late_missing(void **state)
{
	struct world *w = *state;
	struct missing_list late = { 0 };
	struct manifest m;

	all_well(w);
	missing_add(&late, "task web.7", "node2", "not-followed", "no agent told of it");
	w->in.late = &late;
	manifest_make(&w->in, &m);
	assert_true(m.partial);
	assert_string_equal(jx_str(entry(&m, "missing", 0), "reason", ""), "not-followed");
	manifest_release(&m);
	missing_release(&late);
}

static void test_ends_that_are_partial(void **state)
{
	static const struct {
		enum wire_end end;
		bool partial;
	} rows[] = {
		{ WIRE_END_DURATION, false },	{ WIRE_END_BYTES, false },
		{ WIRE_END_PACKETS, false },	{ WIRE_END_STOPPED, false },
		{ WIRE_END_TASK_ENDED, false }, { WIRE_END_LEASE_EXPIRED, true },
		{ WIRE_END_DISK_FLOOR, true },	{ WIRE_END_QUOTA, true },
		{ WIRE_END_AGENT_LOST, true },	{ WIRE_END_NODE_LOST, true },
		{ WIRE_END_ERROR, true },
	};
	struct world *w = *state;

	all_well(w);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct manifest m;

		w->reports1[0].end = rows[i].end;
		manifest_make(&w->in, &m);
		assert_int_equal(m.partial, rows[i].partial);
		assert_int_equal(m.n_missing, 0);
		assert_string_equal(jx_str(entry(&m, "targets", 0), "end", ""),
				    wire_end_text(rows[i].end));
		manifest_release(&m);
	}
}

/* Nobody told the agents when the window closed: it did with the last target, by our clock. */
static void test_window_after_a_deadline(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->in.stop_ns = 0;
	w->reports1[0].stopped_ns = STOP - 1000;	/* the node's clock is 1 us behind */
	manifest_make(&w->in, &m);
	assert_int_equal(m.stop_ns, STOP);
	assert_string_equal(jx_str(m.json, "window.stop", ""), jx_str(entry(&m, "targets", 0),
								      "stopped", "?"));
	manifest_release(&m);
}

/* Fetched while it goes on: nothing is missing, and nothing has ended. */
static void test_goes_on(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->in.stop_ns = 0;
	w->nodes[0].report.running = true;
	w->reports1[0].state = WIRE_ARMED;
	w->reports1[0].end = WIRE_END_NONE;
	w->reports1[0].stopped_ns = 0;
	manifest_make(&w->in, &m);
	assert_false(m.partial);
	assert_int_equal(m.n_missing, 0);
	assert_int_equal(m.stop_ns, 0);
	assert_true(json_is_null(jx_get(m.json, "window.stop")));
	assert_true(json_is_null(jx_get(entry(&m, "targets", 0), "end")));
	assert_int_equal(json_array_size(jx_get(entry(&m, "targets", 0), "files")), 1);
	assert_non_null(strstr(json_string_value(json_array_get(
		jx_get(entry(&m, "targets", 0), "notes"), 0)), "goes on"));
	manifest_release(&m);
}

/* A node that fell silent, whose first segment was here already */
static void test_lost_with_some_files(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->reports1[0].state = WIRE_ARMED;
	w->reports1[0].end = WIRE_END_NONE;
	w->reports1[0].stopped_ns = 0;
	w->nodes[0].reason = "node-lost";
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_targets, 1);
	assert_int_equal(m.n_missing, 1);
	assert_string_equal(jx_str(entry(&m, "targets", 0), "end", ""), "node-lost");
	assert_true(json_is_null(jx_get(entry(&m, "targets", 0), "stopped")));
	assert_string_equal(jx_str(entry(&m, "missing", 0), "reason", ""), "node-lost");
	assert_true(m.partial);
	manifest_release(&m);
}

static void test_dropped_by_the_spool(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->nodes[0].report.dropped = (char *)"quota: dropped to make room";
	w->nodes[0].n_fetched = 0;
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_files, 0);
	assert_string_equal(jx_str(entry(&m, "missing", 0), "reason", ""), "dropped");
	assert_string_equal(jx_str(entry(&m, "missing", 0), "error", ""),
			    "quota: dropped to make room");
	manifest_release(&m);
}

static void test_times_are_corrected(void **state)
{
	struct world *w = *state;
	struct manifest m;
	const json_t *t;

	all_well(w);
	w->nodes[0].clock.offset_ns = NS_PER_S;
	w->reports1[0].started_ns = START + NS_PER_S;
	manifest_make(&w->in, &m);
	t = entry(&m, "targets", 0);
	assert_string_equal(jx_str(t, "started", ""), "2026-11-23T14:39:05.120334551Z");
	assert_string_equal(jx_str(t, "stopped", ""), "2026-11-23T14:39:34.120334551Z");
	/* the packets' own times stay as they are in the file */
	assert_string_equal(jx_str(json_array_get(jx_get(t, "files"), 0), "first", ""),
			    "2026-11-23T14:39:05.120334552Z");
	manifest_release(&m);
}

static void test_names(void **state)
{
	struct world *w = *state;
	struct manifest m;

	w->request.format = WIRE_PCAP;
	manifest_make(&w->in, &m);
	assert_string_equal(m.files[0].name, "node1-web.1.k7x2a9-2026-11-23_14-39-05.pcap");
	assert_string_equal(m.files[1].name, "node1-web.2.aaaaaa-2026-11-23_14-39-05-000.pcap");
	assert_string_equal(m.files[2].name, "node1-web.2.aaaaaa-2026-11-23_14-39-05-001.pcap");
	assert_string_equal(m.files[3].name, "node1-web.2.aaaaaa-2026-11-23_14-39-05-raw.pcap");
	manifest_release(&m);
}

static const char *name_in(const struct manifest *m, size_t target, size_t file)
{
	return jx_str(json_array_get(jx_get(entry(m, "targets", target), "files"), file), "name", "");
}

/* Each file of a rotation has its number, also where it is the only one. */
static void test_names_of_a_rotation(void **state)
{
	struct world *w = *state;
	struct manifest m;

	w->request.rotate_ms = 1000;
	manifest_make(&w->in, &m);
	assert_string_equal(name_in(&m, 0, 0), "node1-web.1.k7x2a9-2026-11-23_14-39-05-000.pcapng");
	assert_string_equal(name_in(&m, 1, 0), "node1-web.2.aaaaaa-2026-11-23_14-39-05-000.pcapng");
	assert_string_equal(name_in(&m, 1, 1), "node1-web.2.aaaaaa-2026-11-23_14-39-05-001.pcapng");
	assert_string_equal(name_in(&m, 1, 2),
			    "node1-web.2.aaaaaa-2026-11-23_14-39-05-000-raw.pcapng");
	manifest_release(&m);

	w->request.rotate_ms = 0;
	w->request.rotate_bytes = 1 << 20;
	w->files1[0].segment = 1234;
	manifest_make(&w->in, &m);
	assert_string_equal(name_in(&m, 0, 0), "node1-web.1.k7x2a9-2026-11-23_14-39-05-1234.pcapng");
	manifest_release(&m);
}

/* Files of a report stand as they ended; here by suffix and number, each with its own bytes. */
static void test_files_are_in_order(void **state)
{
	struct world *w = *state;
	struct manifest m;

	w->request.rotate_bytes = 1 << 20;
	w->files2[0].segment = 1000;
	w->files2[1].segment = 998;
	w->files2[3].segment = 999;
	w->files2[0].packets = 1;
	w->fetched1[4] = (char *)"0-1-002.pcapng";
	manifest_make(&w->in, &m);
	assert_string_equal(name_in(&m, 1, 0), "node1-web.2.aaaaaa-2026-11-23_14-39-05-998.pcapng");
	assert_string_equal(name_in(&m, 1, 1), "node1-web.2.aaaaaa-2026-11-23_14-39-05-999.pcapng");
	assert_string_equal(name_in(&m, 1, 2), "node1-web.2.aaaaaa-2026-11-23_14-39-05-1000.pcapng");
	assert_string_equal(name_in(&m, 1, 3),
			    "node1-web.2.aaaaaa-2026-11-23_14-39-05-000-raw.pcapng");
	assert_string_equal(m.files[1].staged, "0-1-001.pcapng");
	assert_string_equal(m.files[2].staged, "0-1-002.pcapng");
	assert_string_equal(m.files[3].staged, "0-1-000.pcapng");
	assert_int_equal(jx_int(json_array_get(jx_get(entry(&m, "targets", 1), "files"), 2),
				"packets", 0), 1);
	manifest_release(&m);
}

/* A ring of files: the target counts more packets than its files hold, and nothing is amiss. */
static void test_a_ring_forgets(void **state)
{
	static char note[] = "112 older files were removed: 2 are kept";
	struct world *w = *state;
	struct manifest m;
	const json_t *t;

	all_well(w);
	w->request.rotate_bytes = 1 << 20;
	w->request.keep_files = 2;
	w->files1[0].segment = 113;
	w->reports1[0].packets = 100000;
	w->notes_of_target[0] = note;
	w->reports1[0].notes = w->notes_of_target;
	w->reports1[0].n_notes = 1;
	manifest_make(&w->in, &m);
	assert_false(m.partial);
	assert_int_equal(m.n_missing, 0);
	assert_int_equal(m.packets, 100000);
	t = entry(&m, "targets", 0);
	assert_int_equal(jx_int(t, "packets", 0), 100000);
	assert_string_equal(json_string_value(json_array_get(jx_get(t, "notes"), 0)), note);
	assert_int_equal(jx_int(m.json, "capture.limits.rotate_bytes", 0), 1 << 20);
	assert_true(json_is_null(jx_get(m.json, "capture.limits.rotate_ms")));
	assert_int_equal(jx_int(m.json, "capture.limits.keep_files", 0), 2);
	manifest_release(&m);
}

/* An agent that numbers two segments alike, and a name as long as they get */
static void test_names_are_unique(void **state)
{
	struct world *w = *state;
	struct manifest m;
	char host[301];

	memset(host, 'h', 300);
	host[300] = '\0';
	w->plan_nodes[0].file_host = host;
	w->files2[1].segment = 0;
	w->files2[3].segment = 0;
	w->fetched1[4] = (char *)"0-1-002.pcapng";
	manifest_make(&w->in, &m);
	assert_int_equal(m.n_files, 5);
	for (size_t i = 0; i < m.n_files; i++) {
		assert_true(strlen(m.files[i].name) <= 200);
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(m.files[i].name, m.files[j].name);
	}
	assert_non_null(strstr(m.files[2].name, "_2.pcapng"));
	assert_non_null(strstr(m.files[3].name, "_3.pcapng"));
	manifest_release(&m);
}

static void test_drops_are_told_apart(void **state)
{
	struct world *w = *state;
	struct manifest m;
	const json_t *t;

	w->reports1[0].dropped_agent = 3;
	w->reports1[1].dropped_agent = 1;
	manifest_make(&w->in, &m);
	assert_int_equal(m.dropped_kernel, 7);
	assert_int_equal(m.dropped_agent, 4);
	assert_int_equal(manifest_dropped(&m), 11);
	t = entry(&m, "targets", 0);
	assert_int_equal(jx_int(t, "dropped_kernel", -1), 0);
	assert_int_equal(jx_int(t, "dropped_agent", -1), 3);
	assert_string_equal(json_string_value(json_array_get(jx_get(t, "notes"), 0)),
			    "dropped packets: 0 by the kernel, 3 by the agent");
	manifest_release(&m);
}

static void test_hosts(void **state)
{
	struct world *w = *state;
	struct manifest m;

	manifest_make(&w->in, &m);
	assert_string_equal(
		m.hosts,
		"10.0.1.9\tweb.1.k7x2a9\n10.0.1.10\tweb.2.aaaaaa\nfd00::5\tweb.1.k7x2a9\n");
	manifest_release(&m);
}

static void test_hostile_names(void **state)
{
	static char evil[] = "a\033[2J\"\n../\xff";
	struct world *w = *state;
	struct manifest m;
	cleanup_free char *text = NULL;

	w->plan_nodes[0].name = w->plan_nodes[0].file_host = evil;
	w->targets1[0].task = w->targets1[0].service = evil;
	w->nodes[2].err.code = 0;
	err_reset(&w->nodes[2].err);
	err_set(&w->nodes[2].err, -1, "%s", evil);
	w->hosts[0].name = evil;
	w->hosts[1].address = evil;
	w->files2[2].suffix = evil;
	w->in.plan = &w->plan;
	manifest_make(&w->in, &m);
	text = json_dumps(m.json, 0);
	assert_non_null(text);
	assert_null(strchr(text, '\033'));
	assert_null(strstr(text, "a\033"));
	assert_null(strchr(text, '\xff'));
	assert_null(strchr(m.hosts, '\033'));
	for (size_t i = 0; i < m.n_files; i++)
		assert_int_equal(strspn(m.files[i].name,
					"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789._-"),
				 strlen(m.files[i].name));
	manifest_release(&m);
}

/* Numbers of a lying agent do not overflow */
static void test_sums_are_capped(void **state)
{
	struct world *w = *state;
	struct manifest m;

	w->reports1[0].packets = w->reports1[1].packets = INT64_MAX;
	w->reports1[0].dropped_kernel = w->reports1[1].dropped_agent = INT64_MAX;
	w->reports1[0].started_ns = INT64_MAX;
	manifest_make(&w->in, &m);
	assert_true(m.packets == INT64_MAX);
	assert_true(manifest_dropped(&m) == INT64_MAX);
	manifest_release(&m);
}

static void test_another_version_is_noted(void **state)
{
	struct world *w = *state;
	struct manifest m;

	all_well(w);
	w->nodes[0].version = (char *)"0.0.9";
	manifest_make(&w->in, &m);
	assert_false(m.partial);
	assert_string_equal(
		json_string_value(json_array_get(jx_get(entry(&m, "nodes", 0), "notes"), 0)),
		"its agent is of version 0.0.9, the coordinator of 0.1.0");
	manifest_release(&m);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_joined),
		T(test_late_missing),
		T(test_golden),
		T(test_nothing_is_absent), T(test_one_namespace_of_two),
		T(test_gap),
		T(test_all_well_is_whole),
		T(test_ends_that_are_partial),
		T(test_window_after_a_deadline),
		T(test_goes_on),
		T(test_lost_with_some_files),
		T(test_dropped_by_the_spool),
		T(test_times_are_corrected),
		T(test_names),
		T(test_names_of_a_rotation),
		T(test_files_are_in_order),
		T(test_a_ring_forgets),
		T(test_names_are_unique),
		T(test_drops_are_told_apart),
		T(test_hosts),
		T(test_hostile_names),
		T(test_sums_are_capped),
		T(test_another_version_is_noted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
