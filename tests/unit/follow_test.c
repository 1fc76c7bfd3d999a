/* SPDX-License-Identifier: Apache-2.0
 *
 * follow_test.c - tasks that start during a capture: their first packets, their entries, bounds
 */
#include "agent_netns.h"
#include "fake_http.h"
#include "../../agent/follow.h"
#include "../../agent/recover.h"
#include "../../agent/resume.h"

#include <curl/curl.h>

#define WAIT_MS 20000
#define TASK(id, service, started) \
	"{'Id': '" id "', 'State': {'Running': " started ", 'StartedAt': '0001-01-01T00:00:00Z'}, " \
	"'Config': {'Image': 'nginx:1', 'Labels': {'com.docker.swarm.task.id': 't" id "', " \
	"'com.docker.swarm.task.name': 'web.3.t" id "', 'com.docker.swarm.service.name': 'web', " \
	"'com.docker.swarm.service.id': '" service "'}}, 'HostConfig': {'NetworkMode': 'app'}, " \
	"'NetworkSettings': {'SandboxKey': '/var/run/docker/netns/aaaa0000000" id "', 'Networks': " \
	"{'app': {'NetworkID': 'net1', 'IPAddress': '10.0.1.5', 'IPPrefixLen': 24}}}}"

static bool root;
static struct world w;
static struct fake fake;
static struct follow *follow;
static atomic_bool slow_runs;	/* container 3's process */
static atomic_int asked;
static atomic_int refusals;	/* of questions about container 5, and of lists that would have it */
static atomic_bool lists_five;
static atomic_bool holds_six;	/* the second answer about container 6: the first is follow's, then it is opened */
static atomic_int asked_six;

static const char *const version_header[] = { "Api-Version", "1.41", NULL };

static enum MHD_Result answer_json(struct MHD_Connection *c, const char *quoted)
{
	cleanup_free char *body = xstrdup(quoted);

	for (char *p = body; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return fake_answer(c, 200, body, strlen(body), version_header);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	static const char missing[] = "{\"message\": \"No such container\"}";
	static const char busy[] = "{\"message\": \"context deadline exceeded\"}";

	if (strstr(url, "/_ping"))
		return fake_answer(c, 200, "OK", 2, version_header);
	if (strstr(url, "/containers/json") && atomic_load(&lists_five) &&
	    atomic_fetch_sub(&refusals, 1) > 0) {
		atomic_fetch_add(&asked, 1);
		return fake_answer(c, 500, busy, sizeof(busy) - 1, version_header);
	}
	if (strstr(url, "/containers/json"))
		return answer_json(c, atomic_load(&lists_five) ? "[{'Id': '4'}, {'Id': '5'}]"
							       : "[{'Id': '4'}]");
	atomic_fetch_add(&asked, 1);
	if (strstr(url, "/containers/1/"))
		return answer_json(c, TASK("1", "svc1", "true"));
	if (strstr(url, "/containers/2/"))
		return answer_json(c, TASK("2", "svc2", "true"));
	if (strstr(url, "/containers/3/"))
		return answer_json(c, atomic_load(&slow_runs) ? TASK("3", "svc1", "true")
							      : TASK("3", "svc1", "false"));
	if (strstr(url, "/containers/5/") && atomic_fetch_sub(&refusals, 1) > 0)
		return fake_answer(c, 500, busy, sizeof(busy) - 1, version_header);
	if (strstr(url, "/containers/5/"))
		return answer_json(c, TASK("5", "svc1", "true"));
	if (strstr(url, "/containers/6/")) {
		for (int n = atomic_fetch_add(&asked_six, 1); n > 0 && atomic_load(&holds_six);)
			clock_sleep_ms(1);
		return answer_json(c, TASK("6", "svc1", "true"));
	}
	if (strstr(url, "/containers/4/"))
		return answer_json(c, TASK("4", "svc1", "true"));
	return fake_answer(c, 404, missing, sizeof(missing) - 1, version_header);
}

static struct capture *start(void)
{
	struct wire_arm a = world_arm(WORLD_ID, 0);

	a.follow = xcalloc(1, sizeof(*a.follow));
	a.follow[0] = (struct wire_service){ .id = xstrdup("svc1"), .name = xstrdup("web") };
	a.n_follow = 1;
	return world_start(&w, &a);
}

static void await_candidates(struct capture *c, size_t n)
{
	for (int i = 0; i < WAIT_MS / 10; i++, clock_sleep_ms(10))
		if (capture_follow_tick(c) == n)
			return;
	fail_msg("not %zu candidates", n);
}

/* The target with that key, once it is in that state. */
static struct wire_target *await(struct capture *c, struct wire_report *r, const char *key,
				 enum wire_state state)
{
	for (int i = 0; i < WAIT_MS / 10; i++, clock_sleep_ms(10)) {
		world_report(c, r);
		for (size_t k = 0; k < r->n_targets; k++)
			if (!strcmp(r->targets[k].key, key) && r->targets[k].state == state)
				return &r->targets[k];
		wire_report_release(r);
	}
	fail_msg("%s is not in state %d", key, state);
	return NULL;
}

static void end(struct capture *c)
{
	assert_int_equal(captures_remove(w.captures, WORLD_ID, NULL), 0);
	capture_unref(c);
}

/* A connection to the fake engine that asks nothing: follow_container does not ask once no capture follows. */
static void knock(void)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", fake.path);
	assert_return_code(connect(s, (struct sockaddr *)&to, sizeof(to)), errno);
	close(s);
}

/* Packets before anybody knows whose namespace it is are in the file. */
static void test_first_packets(void **state)
{
	cleanup_free char *path = NULL;
	struct pcapng_summary sum;
	struct wire_target *t;
	struct wire_report r;
	struct capture *c;
	struct capture_facts f;
	size_t before;

	WORLD_SKIP(root);
	before = count_descriptors();
	c = start();
	capture_facts(c, &f);
	assert_true(f.running);
	await(c, &r, "web.3.t4", WIRE_FAILED);	/* it ran before: the sweep's */
	wire_report_release(&r);
	netns_make(&w, "aaaa00000001");
	await_candidates(c, 1);
	netns_send(&w, "aaaa00000001", 7);
	follow_container(follow, "1");
	t = await(c, &r, "web.3.t1", WIRE_ARMED);
	assert_string_equal(t->container_id, "1");
	assert_int_equal(r.n_joined, 2);
	wire_report_release(&r);
	capture_container_died(c, "1");
	t = await(c, &r, "web.3.t1", WIRE_ENDED);
	assert_int_equal(t->end, WIRE_END_TASK_ENDED);
	assert_int_equal(t->packets, 7);
	assert_true(r.running);
	for (size_t i = 0; i < r.n_joined; i++) {
		const struct wire_joined *j = &r.joined[i];

		if (strcmp(j->key, "web.3.t1"))
			continue;
		assert_string_equal(j->task, "web.3");
		assert_string_equal(j->service_id, "svc1");
		assert_string_equal(j->networks[0].addresses[0], "10.0.1.5/24");
		assert_int_equal(j->slot, 3);
		assert_true(j->joined_ns > 0 && j->joined_ns <= t->files[0].first_ns);
		path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, t->files[0].name);
	}
	assert_non_null(path);
	world_summarize(path, &sum);
	assert_int_equal(sum.packets, 7);
	wire_report_release(&r);
	end(c);
	netns_remove(&w, "aaaa00000001");
	/* the fake engine closes connections when the next one comes: some came side by side */
	for (int i = 1; i < WAIT_MS / 10 && count_descriptors() > before + 1; i++, clock_sleep_ms(10))
		if (i % 100 == 0)
			knock();
	assert_true(count_descriptors() <= before + 1);
}

/* A namespace of others is let go at once; nobody else's container joins. */
static void test_foreign(void **state)
{
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	netns_make(&w, "aaaa00000002");
	await_candidates(c, 1);
	follow_container(follow, "2");
	await_candidates(c, 0);
	follow_container(follow, "absent");
	follow_container(follow, "../containers/1");
	world_report(c, &r);
	assert_int_equal(r.n_joined, 1);
	wire_report_release(&r);
	end(c);
	netns_remove(&w, "aaaa00000002");
}

/* An engine too busy to answer at the last event is asked again: no other event may come. */
static void test_no_answer(void **state)
{
	struct wire_report r;
	struct capture *c;
	int before;

	WORLD_SKIP(root);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	atomic_store(&lists_five, true);
	netns_make(&w, "aaaa00000005");
	await_candidates(c, 1);
	netns_send(&w, "aaaa00000005", 5);
	/* nor is it rushed, though a candidate waits */
	atomic_store(&refusals, 1000000);
	before = atomic_load(&asked);
	follow_container(follow, "5");
	clock_sleep_ms(1100);
	assert_in_range(atomic_load(&asked) - before, 2, 12);
	atomic_store(&refusals, 2);
	await(c, &r, "web.3.t5", WIRE_ARMED);
	wire_report_release(&r);
	capture_container_died(c, "5");
	assert_int_equal(await(c, &r, "web.3.t5", WIRE_ENDED)->packets, 5);
	wire_report_release(&r);
	end(c);
	netns_remove(&w, "aaaa00000005");
	atomic_store(&lists_five, false);
}

/* Asked at its first event, when its process does not run yet, and again at the next. */
static void test_slow_start(void **state)
{
	struct wire_report r;
	struct capture *c;
	int before;

	WORLD_SKIP(root);
	atomic_store(&slow_runs, false);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	netns_make(&w, "aaaa00000003");
	await_candidates(c, 1);
	before = atomic_load(&asked);
	follow_container(follow, "3");
	while (atomic_load(&asked) == before)
		clock_sleep_ms(1);
	await_candidates(c, 1);
	netns_send(&w, "aaaa00000003", 3);
	atomic_store(&slow_runs, true);
	follow_container(follow, "3");
	await(c, &r, "web.3.t3", WIRE_ARMED);
	wire_report_release(&r);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	assert_int_equal(await(c, &r, "web.3.t3", WIRE_ENDED)->packets, 3);
	assert_false(r.running);
	wire_report_release(&r);
	follow_container(follow, "1");		/* too late */
	end(c);
	netns_remove(&w, "aaaa00000003");
}

/* While a namespace is being opened nobody is told of its target, least of all that it has failed. */
static void test_being_opened(void **state)
{
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	netns_make(&w, "aaaa00000006");		/* before the capture: no candidate */
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	atomic_store(&asked_six, 0);
	atomic_store(&holds_six, true);
	follow_container(follow, "6");
	while (atomic_load(&asked_six) < 2)
		clock_sleep_ms(1);
	world_report(c, &r);
	assert_int_equal(r.n_targets, 1);
	assert_int_equal(r.n_joined, 1);
	assert_string_equal(r.targets[0].key, "web.3.t4");
	assert_string_equal(r.joined[0].key, "web.3.t4");
	wire_report_release(&r);
	atomic_store(&holds_six, false);
	assert_string_equal(await(c, &r, "web.3.t6", WIRE_ARMED)->container_id, "6");
	assert_int_equal(r.n_joined, 2);
	wire_report_release(&r);
	end(c);
	netns_remove(&w, "aaaa00000006");
}

static struct local_task nobody(int i)
{
	return (struct local_task){
		.container_id = xasprintf("c%d", i), .image = xstrdup(""), .service = xstrdup("web"),
		.service_id = xstrdup("svc1"), .task_id = xstrdup("same"), .task = xstrdup("web.1"),
		.slot = 1, .started = true,
	};
}

/* Its death is told while it joins: a target that nobody would end. */
static void test_dies_while_it_joins(void **state)
{
	struct local_task t = nobody(1);
	struct wire_report r;
	struct capture *c;
	int ns;

	WORLD_SKIP(root);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	netns_make(&w, "bbbb00000001");
	await_candidates(c, 1);
	t.netns_file = xstrdup("bbbb00000001");
	t.running = true;
	capture_container_died(c, "c1");
	capture_join(c, &t, NULL, NULL);
	assert_int_equal(await(c, &r, "web.1.same", WIRE_ENDED)->end, WIRE_END_TASK_ENDED);
	wire_report_release(&r);
	/* once more, of another container: alive */
	assert_int_equal(netns_open(&ns, w.node.netns_dir, "bbbb00000001", NULL), 0);
	capture_offer(c, "bbbb00000001", ns);
	close(ns);
	free(t.container_id);
	t.container_id = xstrdup("c2");
	capture_join(c, &t, NULL, NULL);
	await(c, &r, "web.1.same_2", WIRE_ARMED);
	wire_report_release(&r);
	local_task_release(&t);
	end(c);
	netns_remove(&w, "bbbb00000001");
}

/* What came before the stop is claimed after it, and what nobody claims holds it up for a moment only. */
static void test_stop_while_it_starts(void **state)
{
	struct local_task t = nobody(7);
	struct wire_target *target;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	netns_make(&w, "bbbb00000007");
	netns_make(&w, "bbbb00000008");
	await_candidates(c, 2);
	netns_send(&w, "bbbb00000007", 4);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	netns_send(&w, "bbbb00000007", 3);	/* too late */
	t.netns_file = xstrdup("bbbb00000007");
	t.running = true;
	capture_join(c, &t, NULL, NULL);
	capture_wait(c);
	target = await(c, &r, "web.1.same", WIRE_ENDED);
	assert_int_equal(target->end, WIRE_END_STOPPED);
	assert_int_equal(target->packets, 4);
	assert_false(r.running);
	wire_report_release(&r);
	assert_int_equal(capture_follow_tick(c), 0);
	local_task_release(&t);
	end(c);
	netns_remove(&w, "bbbb00000007");
	netns_remove(&w, "bbbb00000008");
}

/* In the agent's next life it follows on, and who had joined goes on. */
static void test_next_life(void **state)
{
	const struct spool_limits limits = { .quota = 256 << 20, .floor = 0 };
	struct wire_target *t;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	netns_make(&w, "aaaa00000001");
	await_candidates(c, 1);
	netns_send(&w, "aaaa00000001", 5);
	follow_container(follow, "1");
	await(c, &r, "web.3.t1", WIRE_ARMED);
	wire_report_release(&r);
	capture_unref(c);
	follow_stop(follow);
	resume_suspend_all(w.captures);
	world_close(&w);

	world_open(&w, &limits);
	recover_all(w.captures, &w.env);
	assert_int_equal(follow_start(&follow, &w.node, w.captures, NULL), 0);
	c = captures_find(w.captures, WORLD_ID);
	assert_non_null(c);
	capture_wait_armed(c);
	await(c, &r, "web.3.t1", WIRE_ARMED);
	wire_report_release(&r);
	netns_make(&w, "aaaa00000003");
	await_candidates(c, 1);
	atomic_store(&slow_runs, true);
	follow_container(follow, "3");
	await(c, &r, "web.3.t3", WIRE_ARMED);
	wire_report_release(&r);
	netns_send(&w, "aaaa00000001", 2);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	t = await(c, &r, "web.3.t1", WIRE_ENDED);
	assert_int_equal(t->packets, 7);
	assert_int_equal(t->n_files, 2);
	assert_int_equal(t->n_gaps, 1);
	assert_int_equal(r.n_joined, 3);
	assert_int_equal(r.n_targets, 3);
	assert_false(r.running);
	wire_report_release(&r);
	end(c);
	netns_remove(&w, "aaaa00000001");
	netns_remove(&w, "aaaa00000003");
}

static void test_bounded(void **state)
{
	struct err why = ERR_INIT;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	err_set(&why, -ENOTCONN, "no engine");
	c = start();
	await(c, &r, "web.3.t4", WIRE_FAILED);
	wire_report_release(&r);
	for (int i = 0; i < WIRE_JOINED_MAX + 9; i++) {
		struct local_task t = nobody(i);

		capture_join(c, &t, NULL, &why);
		capture_join(c, &t, NULL, &why);	/* known by its container */
		local_task_release(&t);
	}
	world_report(c, &r);
	assert_int_equal(r.n_joined, WIRE_JOINED_MAX);
	assert_int_equal(r.n_targets, WIRE_JOINED_MAX);
	assert_true(r.not_joined >= 10);
	assert_string_equal(r.targets[1].key, "web.1.same");
	assert_string_equal(r.targets[2].key, "web.1.same_2");
	assert_true(r.running);
	wire_report_release(&r);
	end(c);
}

static int set_up(void **state)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	root = world_enter();
	world_make(&w);
	fake_start_unix(&fake, answer, NULL);
	free(w.node.engine);
	w.node.engine = xasprintf("unix://%s", fake.path);
	return follow_start(&follow, &w.node, w.captures, NULL);
}

static int tear_down(void **state)
{
	follow_stop(follow);
	world_free(&w);
	fake_stop(&fake);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_packets),
		cmocka_unit_test(test_foreign),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_being_opened),
		cmocka_unit_test(test_dies_while_it_joins),
		cmocka_unit_test(test_stop_while_it_starts),
		cmocka_unit_test(test_next_life),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
