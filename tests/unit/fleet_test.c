/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_test.c - conversations with fake agents on unix sockets
 */
#include "../../coordinator/fleet.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>

#include "fake_http.h"

#define ID "20261123T143905Z-3fa9c1"
#define TOKEN "0123456789abcdef0123456789abcdef"
#define NODES 3
#define BYTES "some packets"

/* One node's agent; what it does wrong is set before the fleet starts. */
struct agent {
	struct fake fake;
	char id[8];
	const char *says_id;		/* another node's, or NULL */
	bool absent, target_fails, wrong_digest, hangs_in_stop, knows_nothing;
	bool mute;			/* after arm it answers nothing of use */
	bool joins;			/* its target was not asked for */
	bool joins_late;		/* it has none before the first poll */
	enum wire_end ends_by;		/* seen from the first poll on */
	/* what happened */
	int arms, stops, removes;
	int64_t window_start_ns;
	char reason[16];
	bool running;
};

struct stage {
	struct agent agents[NODES];
	struct plan plan;
	struct request request;
	struct cluster cluster;
	int64_t fetch_rate;
	fleet_look *look;		/* then the last node is followed only */
	struct cluster_node followed;
	bool comes_later;		/* the followed node: after the start */
	int looks;
	char dir[32];
	int dirfd;
};

static char *report_of(struct agent *a, bool with_token)
{
	struct wire_file file = { .name = (char *)"0-000.pcapng",
				  .bytes = strlen(BYTES),
				  .packets = 3 };
	struct wire_target target = { .key = (char *)"web.1", .state = WIRE_ARMED, .packets = 3,
				      .bytes = strlen(BYTES), .dropped_kernel = 3,
				      .dropped_agent = 1 };
	struct wire_report r = { .node_id = (char *)(a->says_id ? a->says_id : a->id),
				 .node_name = (char *)"node", .version = (char *)"0.1.0",
				 .running = a->running, .attached = true, .armed_ns = 1000,
				 .window_start_ns = a->window_start_ns,
				 .targets = &target,
				 .n_targets = !(a->joins_late && with_token) };
	struct wire_joined joined = { .key = target.key, .service_id = (char *)"s",
				      .task_id = (char *)"t9", .joined_ns = 1 };
	struct checksum *c = checksum_new();
	json_t *j;
	char *text;

	strcpy(r.id, ID);
	if (with_token)
		strcpy(r.token, TOKEN);
	checksum_add(c, BYTES, strlen(BYTES));
	checksum_end(c, file.xxh128);
	if (a->wrong_digest)
		memset(file.xxh128, '0', 32);
	if (a->joins) {
		target.container_id = (char *)"c9";
		r.joined = &joined;
		r.n_joined = r.n_targets;
	}
	if (a->target_fails)
		target.state = WIRE_FAILED;
	else if (!a->running || (a->ends_by && !with_token))
		target.state = WIRE_ENDED;
	if (target.state == WIRE_ENDED) {
		target.end = a->ends_by ? a->ends_by : WIRE_END_STOPPED;
		target.files = &file;
		target.n_files = 1;
	}
	j = wire_report_encode(&r);
	text = jx_dump(j);
	json_decref(j);
	return text;
}

static enum MHD_Result answer_report(struct agent *a, struct MHD_Connection *c, unsigned int status)
{
	char *text = report_of(a, status == 201);
	enum MHD_Result rc = fake_answer(c, status, text, strlen(text), NULL);

	free(text);
	return rc;
}

static void read_words(struct agent *a, const char *url, const char *body)
{
	json_t *j = NULL;

	if (jx_parse(body, strlen(body), "test", &j, NULL) < 0)
		return;
	if (strstr(url, "/renew"))
		a->window_start_ns = jx_int(j, "window_start_ns", 0);
	if (strstr(url, "/stop"))
		snprintf(a->reason, sizeof(a->reason), "%s", jx_str(j, "reason", ""));
	json_decref(j);
}

static enum MHD_Result answer(struct agent *a, struct MHD_Connection *c, const char *method,
			      const char *url)
{
	static const char time[] = "{\"now_ns\": 1763908745000000000}";
	static const char unknown[] =
		"{\"error\": {\"code\": \"not-found\", \"message\": \"none\"}}";

	if (!strcmp(url, "/v1/time"))
		return fake_answer(c, 200, time, strlen(time), NULL);
	if (a->knows_nothing)
		return fake_answer(c, 404, unknown, strlen(unknown), NULL);
	if (a->mute && a->running && strcmp(method, "DELETE") != 0 && !strstr(url, "/stop"))
		return fake_answer(c, 500, "", 0, NULL);
	if (!strcmp(method, "DELETE")) {
		a->removes++;
		return fake_answer(c, 204, "", 0, NULL);
	}
	if (strstr(url, "/files/"))
		return fake_answer(c, 200, BYTES, strlen(BYTES), NULL);
	if (strstr(url, "/stop")) {
		a->stops++;
		if (a->hangs_in_stop)
			clock_sleep_ms(2500);
		a->running = false;
	}
	if (!strcmp(url, "/v1/captures")) {
		a->arms++;
		a->running = true;
		return answer_report(a, c, 201);
	}
	return answer_report(a, c, 200);
}

static void done(void *arg, struct MHD_Connection *c, void **con,
		 enum MHD_RequestTerminationCode why)
{
	free(*con);
	*con = NULL;
}

static enum MHD_Result handle(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **con)
{
	struct agent *a = arg;

	if (!*con) {
		*con = xcalloc(1, 1 << 20);
		return MHD_YES;
	}
	if (*upload_size) {
		strncat(*con, upload, *upload_size);
		*upload_size = 0;
		return MHD_YES;
	}
	read_words(a, url, *con);
	return answer(a, c, method, url);
}

static void start_agent(struct agent *a)
{
	if (a->absent) {
		strcpy(a->fake.path, "/tmp/swarmcap-test-none/socket");
		return;
	}
	a->fake = (struct fake){ 0 };
	a->fake.daemon = MHD_start_daemon(FAKE_FLAGS, 0, NULL, NULL, handle, a,
					  MHD_OPTION_LISTEN_SOCKET, fake_listen_unix(&a->fake),
					  MHD_OPTION_NOTIFY_COMPLETED, done, NULL, MHD_OPTION_END);
	assert_non_null(a->fake.daemon);
}

static void raise_stage(struct stage *s)
{
	s->plan.nodes = xcalloc(NODES, sizeof(*s->plan.nodes));
	s->plan.n_nodes = NODES;
	strcpy(s->plan.id, ID);
	for (size_t i = 0; i < NODES; i++) {
		struct plan_node *n = &s->plan.nodes[i];

		snprintf(s->agents[i].id, sizeof(s->agents[i].id), "id%zu", i);
		start_agent(&s->agents[i]);
		*n = (struct plan_node){ .id = xstrdup(s->agents[i].id),
					 .name = xasprintf("node%zu", i),
					 .address = xstrdup(s->agents[i].fake.path),
					 .file_host = xstrdup("x"),
					 .route = "agent",
					 .targets = xcalloc(1, sizeof(*n->targets)),
					 .n_targets = 1 };
		n->targets[0] = (struct target){
			.key = xstrdup("web.1"),
			.service = xstrdup("web"),
			.service_id = xstrdup("s"),
			.task = xstrdup("web.1"),
			.task_id = xstrdup("t"),
			.container_id = xstrdup("c"),
			.image = xstrdup("i"),
			.node_id = xstrdup(n->id),
			.slot = 1,
		};
	}
	s->request = (struct request){ .command = "capture", .snaplen = 96 };
	s->cluster = (struct cluster){ .id = (char *)"c", .self_name = (char *)"node0" };
	strcpy(s->dir, "/tmp/swarmcap-test-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	s->dirfd = open(s->dir, O_DIRECTORY | O_CLOEXEC);
}

static void strike_stage(struct stage *s)
{
	for (size_t i = 0; i < NODES; i++)
		if (!s->agents[i].absent)
			fake_stop(&s->agents[i].fake);
	plan_release(&s->plan);
	close(s->dirfd);
	util_remove_tree_at(AT_FDCWD, s->dir);
}

/* The last node has no task of the plan, and an agent. */
static void follow(struct stage *s)
{
	struct plan_node *last = &s->plan.nodes[--s->plan.n_nodes];

	s->followed = (struct cluster_node){
		.id = xstrdup(last->id), .name = xstrdup(last->name),
		.address = xstrdup(last->address), .state = xstrdup("ready"),
		.availability = xstrdup("active"), .os = xstrdup("linux"), .agent = true,
	};
	plan_node_release(last);
	s->cluster.nodes = &s->followed;
	s->cluster.n_nodes = s->comes_later ? 0 : 1;
	s->plan.follow = xcalloc(1, sizeof(*s->plan.follow));
	s->plan.follow[0] = (struct wire_service){ .id = xstrdup("s"), .name = xstrdup("web") };
	s->plan.n_follow = 1;
}

static char *copy(const char *s)
{
	return xstrdup(s);
}

/* The manager knows the followed node, and a task that runs there. */
static int look(void *arg, const struct plan *p, struct cluster *out, struct err *err)
{
	struct stage *s = arg;
	const struct cluster_node *n = &s->followed;

	__atomic_fetch_add(&s->looks, 1, __ATOMIC_RELAXED);
	out->nodes = xcalloc(1, sizeof(*out->nodes));
	out->nodes[out->n_nodes++] = (struct cluster_node){
		.id = copy(n->id), .name = copy(n->name), .address = copy(n->address),
		.state = copy("ready"), .availability = copy("active"), .os = copy("linux"),
		.arch = copy(""), .engine_version = copy(""), .agent = true,
	};
	out->services = xcalloc(1, sizeof(*out->services));
	out->services[out->n_services++] = (struct cluster_service){
		.id = copy("s"), .name = copy("web"), .mode = "replicated", .job_iteration = -1,
	};
	out->tasks = xcalloc(1, sizeof(*out->tasks));
	out->tasks[out->n_tasks++] = (struct cluster_task){
		.id = copy("t9"), .service_id = copy("s"), .node_id = copy(n->id), .slot = 9,
		.state = copy("running"), .desired = copy("running"), .container_id = copy("c9"),
		.image = copy(""), .error = copy(""), .job_iteration = -1,
	};
	return 0;
}

static void forget_followed(struct stage *s)
{
	char *texts[] = { s->followed.id, s->followed.name, s->followed.address, s->followed.state,
			  s->followed.availability, s->followed.os };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		free(texts[i]);
}

static const struct fleet_watch alone = { .wake_fd = -1 };

static struct fleet *arm(struct stage *s)
{
	struct err err = ERR_INIT;
	const struct fleet_job job = {
		.plan = &s->plan, .request = &s->request, .cluster = &s->cluster, .staging_fd = -1,
		.fetch_rate = s->fetch_rate, .look = s->look, .look_arg = s,
	};
	struct fleet *f = NULL;

	raise_stage(s);
	if (s->look)
		follow(s);
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	return f;
}

static void capture(struct stage *s, struct fleet *f)
{
	fleet_open_window(f, 4711);
	fleet_run(f, clock_mono_ns() + 100 * NS_PER_MS, &alone);
	fleet_stop(f, "duration", 4712);
	assert_int_equal(fleet_gather(f, s->dirfd, &alone), FLEET_WAKE_READY);
}

static bool take_event(struct fleet *f, enum fleet_event_kind kind, const char *node)
{
	struct fleet_event *e;
	bool found = false;

	while (!found && (e = fleet_next_event(f))) {
		found = e->kind == kind && !strcmp(e->node, node);
		fleet_event_free(e);
	}
	return found;
}

static void all_goes_well(void **state)
{
	struct stage s = { 0 };
	struct fleet *f = arm(&s);
	struct fleet_counts c;
	struct fleet_node *nodes;
	size_t n;

	fleet_counts(f, &c);
	assert_int_equal(c.nodes_armed, NODES);
	assert_int_equal(c.targets_armed, NODES);
	assert_int_equal(c.targets, NODES);
	capture(&s, f);
	nodes = fleet_nodes(f, &n);
	assert_int_equal(n, NODES);
	for (size_t i = 0; i < NODES; i++) {
		char name[32];

		assert_int_equal(nodes[i].stage, FLEET_DONE);
		assert_null(nodes[i].reason);
		assert_int_equal(nodes[i].n_fetched, 1);
		snprintf(name, sizeof(name), "%zu-0-000.pcapng", i);
		assert_string_equal(nodes[i].fetched[0], name);
		assert_int_equal(faccessat(s.dirfd, name, R_OK, 0), 0);
		assert_int_equal(nodes[i].clock.probes, 8);
		assert_string_equal(nodes[i].version, "0.1.0");
		assert_int_equal(s.agents[i].window_start_ns, 4711);
		assert_string_equal(s.agents[i].reason, "duration");
		assert_int_equal(s.agents[i].removes, 0);
	}
	fleet_remove(f, false);
	for (size_t i = 0; i < NODES; i++) {
		assert_int_equal(s.agents[i].arms, 1);
		assert_int_equal(s.agents[i].removes, 1);
		assert_true(nodes[i].removed);
	}
	fleet_counts(f, &c);
	assert_int_equal(c.fetched_bytes, NODES * strlen(BYTES));
	assert_int_equal(c.dropped_kernel, NODES * 3);
	assert_int_equal(c.dropped_agent, NODES);
	assert_int_equal(c.dropped, NODES * 4);
	fleet_free(f);
	strike_stage(&s);
}

/* 12 bytes at 10 bytes per second, from all nodes at the same time. */
static bool wait_event(struct fleet *f, enum fleet_event_kind kind, const char *node)
{
	for (int i = 0; i < 1000; i++, clock_sleep_ms(10))
		if (take_event(f, kind, node))
			return true;
	return false;
}

static void joined_by(struct stage *s)
{
	struct wire_joined j = { .service_id = (char *)"s", .task_id = (char *)"t9" };
	const struct fleet_node *nodes;
	struct fleet_counts counts;
	struct fleet *f;
	size_t n;

	s->look = look;
	s->agents[2].joins = s->agents[2].joins_late = true;
	f = arm(s);
	fleet_counts(f, &counts);
	assert_int_equal(counts.nodes, 2);
	assert_int_equal(counts.targets, 2);
	fleet_open_window(f, 4711);
	assert_true(wait_event(f, FLEET_TARGET_JOINED, "node2"));
	fleet_stop(f, "stopped", 4712);
	assert_int_equal(fleet_gather(f, s->dirfd, &alone), FLEET_WAKE_READY);
	nodes = fleet_nodes(f, &n);
	assert_int_equal(n, 3);
	assert_true(nodes[2].follows_only);
	assert_string_equal(nodes[2].plan->file_host, "node2");
	assert_non_null(nodes[2].fetched[0]);
	assert_int_equal(s->agents[2].arms, 1);
	assert_int_equal(s->agents[2].window_start_ns, 4711);
	assert_true(s->looks > 0);
	assert_true(confirm_has(fleet_confirm(f), "id2", &j, "c9"));
	fleet_counts(f, &counts);
	assert_int_equal(counts.targets, 3);
	fleet_remove(f, false);
	assert_int_equal(s->agents[2].removes, 1);
	fleet_free(f);
	forget_followed(s);
	strike_stage(s);
}

static void others_are_armed_and_join(void **state)
{
	struct stage s = { 0 };

	joined_by(&s);
}

static void a_node_that_comes_later_joins(void **state)
{
	struct stage s = { .comes_later = true };

	joined_by(&s);
}

/* Nobody waits for a node without tasks that cannot be armed; it makes nothing fail. */
static void others_are_not_waited_for(void **state)
{
	struct stage s = { .look = look };
	const struct fleet_node *nodes;
	struct missing_list l = { 0 };
	struct fleet *f;
	size_t n;

	s.agents[2].absent = true;
	f = arm(&s);
	nodes = fleet_nodes(f, &n);
	assert_int_equal(n, 3);
	assert_int_equal(nodes[2].stage, FLEET_ARMING);
	capture(&s, f);
	assert_int_equal(nodes[2].stage, FLEET_LOST);
	assert_non_null(nodes[2].reason);
	assert_int_equal(nodes[0].stage, FLEET_DONE);
	fleet_missing(f, &l);		/* it has not run for long enough to be missed */
	assert_int_equal(l.n, 0);
	fleet_remove(f, false);
	fleet_free(f);
	forget_followed(&s);
	strike_stage(&s);
}

static void each_node_is_fetched_at_the_rate(void **state)
{
	struct stage s = { .fetch_rate = 10 };
	struct fleet *f = arm(&s);
	struct fleet_counts c;
	int64_t before = clock_mono_ns(), ms;

	capture(&s, f);
	ms = (clock_mono_ns() - before) / NS_PER_MS;
	assert_in_range(ms, 1200, 3500);
	fleet_counts(f, &c);
	assert_int_equal(c.fetched_bytes, NODES * strlen(BYTES));
	fleet_free(f);
	strike_stage(&s);
}

static void a_missing_agent_delays_nobody(void **state)
{
	struct stage s = { .agents[1].absent = true };
	int64_t start = clock_mono_ns();
	struct fleet *f = arm(&s);
	struct fleet_node *nodes;
	size_t n;

	assert_true(clock_mono_ns() - start < NS_PER_S);
	assert_true(take_event(f, FLEET_NODE_FAILED, "node1"));
	capture(&s, f);
	nodes = fleet_nodes(f, &n);
	assert_int_equal(nodes[1].stage, FLEET_LOST);
	assert_string_equal(nodes[1].reason, "agent-missing");
	assert_true(*nodes[1].err.text);
	assert_int_equal(nodes[0].stage, FLEET_DONE);
	assert_int_equal(nodes[2].n_fetched, 1);
	fleet_free(f);
	strike_stage(&s);
}

static void another_node_answers(void **state)
{
	struct stage s = { .agents[2].says_id = "other" };
	struct fleet *f = arm(&s);
	struct fleet_node *nodes;
	size_t n;

	nodes = fleet_nodes(f, &n);
	assert_string_equal(nodes[2].reason, "wrong-node");
	assert_false(nodes[2].armed);
	fleet_free(f);
	strike_stage(&s);
}

static void another_api_is_a_missing_agent(void **state)
{
	struct stage s = { .agents[0].knows_nothing = true };
	struct fleet *f = arm(&s);
	size_t n;

	assert_string_equal(fleet_nodes(f, &n)[0].reason, "agent-missing");
	fleet_free(f);
	strike_stage(&s);
}

static void targets_may_fail(void **state)
{
	struct stage s = { .agents[0].target_fails = true };
	struct fleet *f = arm(&s);
	struct fleet_counts c;
	size_t n;

	fleet_counts(f, &c);
	assert_int_equal(c.targets_armed, NODES - 1);
	assert_int_equal(c.nodes_armed, NODES - 1);
	assert_true(take_event(f, FLEET_TARGET_FAILED, "node0"));
	capture(&s, f);
	assert_int_equal(fleet_nodes(f, &n)[0].stage, FLEET_DONE);
	fleet_free(f);
	strike_stage(&s);
}

static void ends_when_all_targets_ended(void **state)
{
	struct stage s = { .agents = { { .ends_by = WIRE_END_PACKETS },
				       { .ends_by = WIRE_END_PACKETS },
				       { .ends_by = WIRE_END_TASK_ENDED } } };
	struct fleet *f = arm(&s);

	fleet_open_window(f, 1);
	assert_int_equal(fleet_run(f, clock_mono_ns() + 20 * NS_PER_S, &alone), FLEET_WAKE_READY);
	assert_true(take_event(f, FLEET_TARGET_ENDED, "node2"));
	fleet_stop(f, "duration", 2);
	assert_int_equal(fleet_gather(f, s.dirfd, &alone), FLEET_WAKE_READY);
	fleet_free(f);
	strike_stage(&s);
}

static void only_whole_nodes_are_removed(void **state)
{
	struct stage s = { .agents[1].wrong_digest = true };
	struct fleet *f = arm(&s);
	struct fleet_node *nodes;
	size_t n;

	capture(&s, f);
	fleet_remove(f, false);
	nodes = fleet_nodes(f, &n);
	assert_null(nodes[1].fetched[0]);
	assert_int_equal(nodes[1].fetch_err.code, -EBADMSG);
	assert_false(nodes[1].removed);
	assert_int_equal(s.agents[1].removes, 0);
	assert_int_equal(s.agents[0].removes, 1);
	fleet_free(f);
	strike_stage(&s);
}

static void a_wake_then_abandon(void **state)
{
	struct stage s = { .agents[0].hangs_in_stop = true };
	struct fleet *f = arm(&s);
	int wake = eventfd(1, EFD_CLOEXEC);
	struct fleet_watch watch = { .wake_fd = wake };
	int64_t start;

	fleet_open_window(f, 1);
	assert_int_equal(fleet_run(f, 0, &watch), FLEET_WAKE_FD);
	fleet_stop(f, "stopped", 2);
	assert_int_equal(fleet_gather(f, s.dirfd, &watch), FLEET_WAKE_FD);
	start = clock_mono_ns();
	fleet_abandon(f);
	fleet_free(f);
	assert_true(clock_mono_ns() - start < 2 * NS_PER_S);
	for (size_t i = 0; i < NODES; i++)
		assert_int_equal(s.agents[i].removes, 0);
	close(wake);
	strike_stage(&s);
}

static void our_disk_fails(void **state)
{
	struct stage s = { 0 };
	struct fleet *f = arm(&s);
	struct err err = ERR_INIT;

	assert_int_equal(fleet_disk_error(f, &err), 0);
	util_remove_tree_at(AT_FDCWD, s.dir);
	capture(&s, f);
	assert_int_equal(fleet_disk_error(f, &err), -ENOENT);
	assert_non_null(strstr(err.text, "cannot create"));
	fleet_free(f);
	strike_stage(&s);
}

static void nothing_that_was_armed_stays(void **state)
{
	struct stage s = { .agents = { { .target_fails = true }, { .target_fails = true },
				       { .absent = true } } };
	struct fleet *f = arm(&s);
	struct fleet_counts c;

	fleet_counts(f, &c);
	assert_int_equal(c.targets_armed, 0);
	fleet_stop(f, "stopped", 1);
	fleet_remove(f, true);
	assert_int_equal(s.agents[0].removes, 1);
	assert_int_equal(s.agents[1].removes, 1);
	fleet_free(f);
	strike_stage(&s);
}

/* node0 is closed twice and opens at the third; node1 has two refusals; node2 cannot be reached. */
static int open_third(struct reach *x, const struct plan_node *n, enum route route,
		      const struct reach_job *job, struct link **out, struct err *err)
{
	const struct link_place at = { .address = n->address, .cancel = job->cancel };

	assert_string_equal(job->capture_id, ID);
	if (!strcmp(n->name, "node2"))
		return err_set(err, -ETIMEDOUT, "no answer by %s", route_text(route));
	if (!strcmp(n->name, "node0") && route == ROUTE_SSH_NSENTER)
		return link_new(out, &at, err);
	if (route == ROUTE_AGENT)
		return err_set(err, -ECONNREFUSED, "connection refused");
	err_set(err, -ENOSYS, "no sudo by %s", route_text(route));
	return REACH_E_CLOSED;
}

static void the_next_route_when_one_is_closed(void **state)
{
	static const enum route ways[] = { ROUTE_AGENT, ROUTE_SSH_PUSH, ROUTE_SSH_NSENTER };
	struct stage s = { 0 };
	const struct fleet_job job = {
		.plan = &s.plan, .request = &s.request, .cluster = &s.cluster, .staging_fd = -1,
		.open = open_third,
	};
	struct err err = ERR_INIT;
	struct fleet *f = NULL;
	struct fleet_node *nodes;
	size_t n;

	raise_stage(&s);
	for (size_t i = 0; i < NODES; i++) {
		memcpy(s.plan.nodes[i].routes, ways, sizeof(ways));
		s.plan.nodes[i].n_routes = 3;
	}
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	nodes = fleet_nodes(f, &n);
	assert_true(nodes[0].armed);
	assert_string_equal(fleet_route(&nodes[0]), "ssh-nsenter");
	assert_int_equal(nodes[0].n_notes, 2);
	assert_string_equal(nodes[0].notes[0], "agent: connection refused");
	assert_string_equal(nodes[0].notes[1], "ssh-push: no sudo by ssh-push");
	assert_string_equal(nodes[1].reason, "agent-missing");
	assert_string_equal(nodes[1].err.text, "connection refused; ssh-push: no sudo by ssh-push; "
			    "ssh-nsenter: no sudo by ssh-nsenter");
	/* one time-out, and no second */
	assert_string_equal(nodes[2].reason, "node-lost");
	assert_string_equal(nodes[2].err.text, "no answer by agent");
	capture(&s, f);
	fleet_free(f);
	strike_stage(&s);
}

/* An agent knows nothing of it, and nobody listens for ssh. */
static int open_no_ssh(struct reach *x, const struct plan_node *n, enum route route,
		       const struct reach_job *job, struct link **out, struct err *err)
{
	if (route == ROUTE_AGENT)
		return -ENODATA;
	return err_set(err, -ECONNREFUSED, "nobody listens");
}

/* node0 keeps nothing, node1 may not be looked at, and of node2 one way is told to keep nothing. */
static int open_hidden(struct reach *x, const struct plan_node *n, enum route route,
		       const struct reach_job *job, struct link **out, struct err *err)
{
	if (!strcmp(n->name, "node2") && route == ROUTE_AGENT)
		return -ENODATA;
	if (!strcmp(n->name, "node0") || route == ROUTE_AGENT)
		err_set(err, -ENOENT, "no such capture");
	else
		err_set(err, -EACCES, "sudo asks for a password");
	return REACH_E_CLOSED;
}

static void what_may_not_be_looked_at_is_told(void **state)
{
	static const enum route ways[] = { ROUTE_AGENT, ROUTE_SSH_PUSH };
	struct stage s = { 0 };
	const struct fleet_job job = {
		.plan = &s.plan, .cluster = &s.cluster, .staging_fd = -1, .open = open_hidden,
	};
	struct err err = ERR_INIT;
	struct fleet *f = NULL;
	struct fleet_node *nodes;
	size_t n;

	raise_stage(&s);
	for (size_t i = 0; i < NODES; i++) {
		memcpy(s.plan.nodes[i].routes, ways, sizeof(ways));
		s.plan.nodes[i].n_routes = 2;
	}
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	nodes = fleet_nodes(f, &n);
	assert_int_equal(nodes[0].stage, FLEET_DONE);
	assert_null(nodes[0].reason);
	assert_int_equal(nodes[1].stage, FLEET_LOST);
	assert_string_equal(nodes[1].reason, "error");
	assert_string_equal(nodes[1].err.text, "sudo asks for a password");
	assert_int_equal(nodes[2].stage, FLEET_DONE);
	assert_null(nodes[2].reason);
	fleet_free(f);
	strike_stage(&s);
}

static void a_node_without_ssh_keeps_nothing(void **state)
{
	struct stage s = { 0 };
	const struct fleet_job job = {
		.plan = &s.plan, .cluster = &s.cluster, .staging_fd = -1, .open = open_no_ssh,
	};
	struct fleet *f = NULL;
	struct fleet_node *nodes;
	size_t n;

	raise_stage(&s);
	for (size_t i = 0; i < NODES; i++) {
		s.plan.nodes[i].routes[0] = i == 1 ? ROUTE_SSH_PUSH : ROUTE_AGENT;
		s.plan.nodes[i].routes[1] = i == 1 ? ROUTE_AGENT : ROUTE_SSH_PUSH;
		s.plan.nodes[i].n_routes = 2;
	}
	assert_int_equal(fleet_start(&f, &job, NULL), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	nodes = fleet_nodes(f, &n);
	assert_null(nodes[0].reason);
	assert_string_equal(nodes[1].err.text, "nobody listens");
	assert_null(nodes[2].reason);
	fleet_free(f);
	strike_stage(&s);
}

static void attaches_to_what_is_there(void **state)
{
	struct stage s = { .agents[1].knows_nothing = true };
	const struct fleet_job job = {
		.plan = &s.plan, .request = NULL, .cluster = &s.cluster, .staging_fd = -1,
	};
	struct err err = ERR_INIT;
	struct fleet *f = NULL;
	struct fleet_node *nodes;
	size_t n;

	raise_stage(&s);
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	nodes = fleet_nodes(f, &n);
	assert_true(nodes[0].has_report);
	assert_false(nodes[1].has_report);
	assert_null(nodes[1].reason);
	assert_int_equal(fleet_gather(f, s.dirfd, &alone), FLEET_WAKE_READY);
	assert_non_null(nodes[0].fetched[0]);
	fleet_remove(f, false);
	assert_int_equal(s.agents[0].arms + s.agents[0].stops, 0);
	assert_int_equal(s.agents[0].removes, 1);
	assert_int_equal(s.agents[1].removes, 0);
	fleet_free(f);
	strike_stage(&s);
}

/* Who was armed and then falls silent does not count as live; who ended already does. */
static void who_is_live(void **state)
{
	struct stage s = { .agents = { { .mute = true }, { .ends_by = WIRE_END_PACKETS } } };
	struct fleet *f = arm(&s);
	enum fleet_wake woken;
	int wake = eventfd(1, EFD_CLOEXEC);
	struct fleet_watch watch = { .wake_fd = wake };

	fleet_open_window(f, 1);
	assert_int_equal(fleet_wait_live(f, clock_mono_ns() + 3 * NS_PER_S, &alone, &woken), 2);
	assert_int_equal(woken, FLEET_WAKE_TIME);
	fleet_wait_live(f, clock_mono_ns() + 60 * NS_PER_S, &watch, &woken);
	assert_int_equal(woken, FLEET_WAKE_FD);
	s.agents[0].mute = false;
	assert_int_equal(fleet_wait_live(f, clock_mono_ns() + 60 * NS_PER_S, &alone, &woken), 3);
	assert_int_equal(woken, FLEET_WAKE_READY);
	close(wake);
	fleet_free(f);
	strike_stage(&s);
}

static void a_detached_one_is_left(void **state)
{
	struct stage s = { .agents[1].absent = true };
	const struct fleet_job job = {
		.plan = &s.plan, .request = &s.request, .cluster = &s.cluster, .staging_fd = -1,
	};
	struct fleet *f = NULL;
	struct fleet_counts c;

	raise_stage(&s);
	s.request.detached = true;
	assert_int_equal(fleet_start(&f, &job, NULL), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	fleet_open_window(f, 4711);
	assert_int_equal(fleet_wait_left(f, &alone), FLEET_WAKE_READY);
	fleet_counts(f, &c);
	assert_int_equal(c.nodes_done, 2);
	assert_int_equal(c.nodes_lost, 1);
	fleet_free(f);
	for (size_t i = 0; i < NODES; i += 2) {
		assert_int_equal(s.agents[i].window_start_ns, 4711);
		assert_int_equal(s.agents[i].stops + s.agents[i].removes, 0);
		assert_true(s.agents[i].running);
	}
	strike_stage(&s);
}

/* `stop` of what runs, from anywhere; what has ended is left alone. */
static void attached_and_stopped(void **state)
{
	struct stage s = { .agents = { { .running = true }, { .knows_nothing = true } } };
	const struct fleet_job job = {
		.plan = &s.plan, .stop = true, .cluster = &s.cluster, .staging_fd = -1,
	};
	struct err err = ERR_INIT;
	struct fleet *f = NULL;

	raise_stage(&s);
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	fleet_stop(f, "stopped", 9);
	assert_int_equal(fleet_gather(f, -1, &alone), FLEET_WAKE_READY);
	fleet_free(f);
	assert_int_equal(s.agents[0].stops, 1);
	assert_string_equal(s.agents[0].reason, "stopped");
	assert_int_equal(s.agents[1].stops + s.agents[2].stops, 0);
	strike_stage(&s);
}

/* A fetch while it goes on takes what is there and removes nothing. */
static void what_goes_on_is_not_removed(void **state)
{
	struct stage s = { .agents = { { .running = true }, { .running = true } } };
	const struct fleet_job job = {
		.plan = &s.plan, .cluster = &s.cluster, .staging_fd = -1,
	};
	struct err err = ERR_INIT;
	struct fleet *f = NULL;

	raise_stage(&s);
	assert_int_equal(fleet_start(&f, &job, &err), 0);
	assert_int_equal(fleet_wait_armed(f, &alone), FLEET_WAKE_READY);
	assert_int_equal(fleet_gather(f, s.dirfd, &alone), FLEET_WAKE_READY);
	fleet_remove(f, false);
	fleet_free(f);
	assert_int_equal(s.agents[0].removes + s.agents[1].removes, 0);
	assert_int_equal(s.agents[0].stops + s.agents[1].stops, 0);
	assert_int_equal(s.agents[2].removes, 1);
	strike_stage(&s);
}

static int start_curl(void **state)
{
	return curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int stop_curl(void **state)
{
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_goes_well),
		cmocka_unit_test(a_missing_agent_delays_nobody),
		cmocka_unit_test(another_node_answers),
		cmocka_unit_test(others_are_armed_and_join),
		cmocka_unit_test(a_node_that_comes_later_joins),
		cmocka_unit_test(others_are_not_waited_for),
		cmocka_unit_test(each_node_is_fetched_at_the_rate),
		cmocka_unit_test(another_api_is_a_missing_agent),
		cmocka_unit_test(targets_may_fail),
		cmocka_unit_test(ends_when_all_targets_ended),
		cmocka_unit_test(only_whole_nodes_are_removed),
		cmocka_unit_test(a_wake_then_abandon),
		cmocka_unit_test(our_disk_fails),
		cmocka_unit_test(nothing_that_was_armed_stays),
		cmocka_unit_test(the_next_route_when_one_is_closed),
		cmocka_unit_test(what_may_not_be_looked_at_is_told),
		cmocka_unit_test(a_node_without_ssh_keeps_nothing),
		cmocka_unit_test(attaches_to_what_is_there),
		cmocka_unit_test(who_is_live),
		cmocka_unit_test(a_detached_one_is_left),
		cmocka_unit_test(attached_and_stopped),
		cmocka_unit_test(what_goes_on_is_not_removed),
	};

	return cmocka_run_group_tests(tests, start_curl, stop_curl);
}
