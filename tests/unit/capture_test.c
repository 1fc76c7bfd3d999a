/* SPDX-License-Identifier: Apache-2.0
 *
 * capture_test.c - captures in a namespace of their own: limits, leases, retries, the quota
 */
#include "agent_group.h"

static void stop(struct capture *c, enum wire_end end)
{
	capture_stop(c, end, NULL);
	capture_wait(c);
}

static void summarize(const struct wire_report *r, size_t target, struct pcapng_summary *sum)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, r->id,
					    r->targets[target].files[0].name);

	world_summarize(path, sum);
}

static void drop(struct capture *c)
{
	assert_int_equal(captures_remove(w.captures, capture_id(c), NULL), 0);
	capture_unref(c);
}

static void test_every_packet(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct pcapng_summary sum;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_send(1234);
	stop(c, WIRE_END_STOPPED);
	world_report(c, &r);
	assert_false(r.running);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r.targets[i].state, WIRE_ENDED);
		assert_int_equal(r.targets[i].end, WIRE_END_STOPPED);
		assert_int_equal(r.targets[i].packets, 1234);
		assert_int_equal(r.targets[i].received, 1234);
		assert_int_equal(r.targets[i].n_files, 1);
		assert_int_equal(r.targets[i].bytes, r.targets[i].files[0].bytes);
		assert_true(r.targets[i].started_ns <= r.targets[i].files[0].first_ns);
		assert_true(r.targets[i].stopped_ns >= r.targets[i].files[0].last_ns);
		summarize(&r, i, &sum);
		assert_int_equal(sum.packets, 1234);
	}
	wire_report_release(&r);
	drop(c);
}

/* A tcpdump beside it is the judge: the same packets, byte for byte, in the same order. */
static void test_as_tcpdump(void **state)
{
	cleanup_free char *theirs = xasprintf("%s/judge.pcap", w.dir), *ours = NULL,
			  *compare = NULL;
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct capture *c;
	pid_t judge;

	WORLD_SKIP(root && !system("command -v tcpdump >/dev/null"));
	judge = fork();
	if (!judge) {
		execlp("timeout", "timeout", "5", "tcpdump", "-qUi", "lo", "-w", theirs, "-Z",
		       "root", "-B", "8192", "-c", "300", (char *)NULL);
		_exit(127);
	}
	for (int i = 0; i < 200 && access(theirs, F_OK); i++)
		clock_sleep_ms(10);
	clock_sleep_ms(50);
	c = world_start(&w, &a);
	world_send(300);
	stop(c, WIRE_END_STOPPED);
	waitpid(judge, NULL, 0);
	ours = xasprintf("%s/%s/0-000.pcapng", w.spool_dir, WORLD_ID);
	compare = xasprintf(
		"tcpdump -nntxxr %s 2>/dev/null >%s.txt; tcpdump -nntxxr %s 2>/dev/null >%s.txt;"
		"test -s %s.txt && cmp %s.txt %s.txt",
		ours, ours, theirs, theirs, theirs, ours, theirs);
	assert_int_equal(system(compare), 0);
	drop(c);
}

static void test_max_packets(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.max_packets = 100;
	c = world_start(&w, &a);
	world_send(5000);
	world_wait_finished(c, 2000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_PACKETS);
	assert_int_equal(r.targets[0].packets, 100);
	summarize(&r, 0, &sum);
	assert_int_equal(sum.packets, 100);
	wire_report_release(&r);
	drop(c);
}

static void test_max_bytes(void **state)
{
	const int64_t one = (int64_t)pcapng_packet_size(WORLD_FRAME, 0);

	WORLD_SKIP(root);
	for (int64_t max = 5000; max < 5400; max += 97) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct wire_report r;
		struct capture *c;

		a.max_bytes = max;
		c = world_start(&w, &a);
		world_send(200);
		world_wait_finished(c, 2000);
		world_report(c, &r);
		assert_int_equal(r.targets[0].end, WIRE_END_BYTES);
		assert_int_equal(r.targets[0].received, r.targets[0].packets);
		assert_true(r.targets[0].files[0].bytes <= max);
		assert_true(r.targets[0].files[0].bytes + one > max);
		wire_report_release(&r);
		drop(c);
	}
}

static size_t count_files(struct capture *c, enum capture_view view)
{
	cleanup_json json_t *j = capture_report(c, view);

	return jx_len(json_array_get(jx_get(j, "targets"), 0), "files");
}

/* Who asks every second is not sent thousands of files' names, until they are what there is. */
static void test_files_in_reports(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct capture *c;

	WORLD_SKIP(root);
	a.rotate_bytes = 1500;
	c = world_start(&w, &a);
	world_send(40);
	for (int i = 0; i < 400 && !count_files(c, CAPTURE_VIEW_FULL); i++)
		clock_sleep_ms(10);
	assert_true(count_files(c, CAPTURE_VIEW_FULL) > 0);
	assert_int_equal(count_files(c, CAPTURE_VIEW_COUNTERS), 0);
	stop(c, WIRE_END_STOPPED);
	assert_true(count_files(c, CAPTURE_VIEW_COUNTERS) > 1);
	drop(c);
}

static void test_lease_and_token(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	cleanup_json json_t *j = NULL, *plain = NULL;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.attached = true;
	a.lease_ms = 300;
	c = world_start(&w, &a);
	j = capture_report(c, CAPTURE_VIEW_TOKEN);
	plain = capture_report(c, CAPTURE_VIEW_FULL);
	assert_string_equal(jx_str(plain, "token", ""), "");
	assert_int_equal(capture_renew(c, "", 0), -EACCES);
	assert_int_equal(capture_renew(c, "00000000000000000000000000000000", 0), -EACCES);
	for (int i = 0; i < 5; i++) {
		clock_sleep_ms(100);
		assert_int_equal(capture_renew(c, jx_str(j, "token", ""), 77), 0);
		captures_tick(w.captures);
	}
	world_report(c, &r);
	assert_true(r.running);		/* longer than one lease by now */
	assert_int_equal(r.window_start_ns, 77);
	wire_report_release(&r);
	clock_sleep_ms(350);
	captures_tick(w.captures);
	world_wait_finished(c, 2000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_LEASE_EXPIRED);
	wire_report_release(&r);
	drop(c);
}

static void test_deadline(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.deadline_ms = 50;
	c = world_start(&w, &a);
	clock_sleep_ms(60);
	captures_tick(w.captures);
	world_wait_finished(c, 2000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_DURATION);
	wire_report_release(&r);
	drop(c);
}

/* A detached one runs on without renewals, but only once its coordinator was through with arming. */
static void test_detached(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	cleanup_json json_t *j = NULL;
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.lease_ms = 200;
	c = world_start(&w, &a);
	j = capture_report(c, CAPTURE_VIEW_TOKEN);
	assert_int_equal(capture_renew(c, jx_str(j, "token", ""), 77), 0);
	clock_sleep_ms(250);
	captures_tick(w.captures);
	world_report(c, &r);
	assert_true(r.running);
	assert_false(r.attached);
	assert_int_equal(r.targets[0].state, WIRE_ARMED);
	wire_report_release(&r);
	drop(c);

	a = world_arm(WORLD_ID, 1);
	a.lease_ms = 200;
	c = world_start(&w, &a);
	clock_sleep_ms(250);
	captures_tick(w.captures);
	world_wait_finished(c, 2000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_LEASE_EXPIRED);
	wire_report_release(&r);
	drop(c);
}

static void test_retry_and_other(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct capture *c, *again = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	a = world_arm(WORLD_ID, 1);
	assert_int_equal(captures_arm(w.captures, &a, "digest", &again, &err), CAPTURES_E_AGAIN);
	assert_ptr_equal(again, c);
	capture_unref(again);
	assert_int_equal(captures_arm(w.captures, &a, "another", &again, &err), CAPTURES_E_EXISTS);
	assert_null(again);
	wire_arm_release(&a);
	drop(c);
	assert_null(captures_find(w.captures, WORLD_ID));
}

/* What cannot be captured says why, and does not stop the others. */
static void test_failed_beside_armed(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	a.targets[1].kind = WIRE_TASK;
	a.targets[1].container_id = xstrdup("abc");
	c = world_start(&w, &a);
	world_report(c, &r);
	assert_int_equal(r.targets[0].state, WIRE_ARMED);
	assert_int_equal(r.targets[1].state, WIRE_FAILED);
	assert_non_null(r.targets[1].error);
	wire_report_release(&r);
	drop(c);
}

static void test_fetched(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct err err = ERR_INIT;
	struct wire_report r;
	struct capture *c;
	int64_t size;
	int fd;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	stop(c, WIRE_END_STOPPED);
	assert_int_equal(capture_open_file(c, "../state.json", &fd, &size, &err), -ENOENT);
	assert_int_equal(capture_open_file(c, "state.json", &fd, &size, &err), -ENOENT);
	assert_int_equal(capture_open_file(c, "0-000.pcapng", &fd, &size, &err), 0);
	close(fd);
	capture_served(c, "0-000.pcapng");
	world_report(c, &r);
	assert_false(r.fetched);
	wire_report_release(&r);
	capture_served(c, "1-000.pcapng");
	world_report(c, &r);
	assert_true(r.fetched);
	wire_report_release(&r);
	assert_int_equal(capture_drop(c, "a test", &err), 0);
	err_reset(&err);
	assert_int_equal(capture_open_file(c, "0-000.pcapng", &fd, &size, &err), -ESTALE);
	assert_non_null(strstr(err.text, "a test"));
	drop(c);
}

/* Finished ones go first, oldest first; then the running one ends. Nothing passes the quota. */
static void test_quota(void **state)
{
	static const char *const ids[] = { "20261123T000001Z-000001", "20261123T000002Z-000002" };
	struct wire_arm a;
	struct capture *old[2], *c;
	struct spool_room room;
	struct wire_report r;

	WORLD_SKIP(root);
	world_close(&w);
	world_open(&w, &(struct spool_limits){ .quota = 2 << 20, .floor = 0 });
	for (size_t i = 0; i < 2; i++) {
		a = world_arm(ids[i], 1);
		old[i] = world_start(&w, &a);
		world_send(2000);
		stop(old[i], WIRE_END_STOPPED);
	}
	/* who came for room that another made meanwhile costs nobody his capture */
	assert_true(captures_make_room(w.captures, 1));
	world_report(old[0], &r);
	assert_null(r.dropped);
	wire_report_release(&r);
	a = world_arm(WORLD_ID, 1);
	c = world_start(&w, &a);
	for (int i = 0; i < 10; i++) {
		world_send(1500);
		clock_sleep_ms(20);
		spool_room(w.spool, &room);
		assert_true(room.used <= room.quota);
	}
	world_wait_finished(c, 2000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_QUOTA);
	assert_true(r.targets[0].files[0].bytes > 1 << 20);
	wire_report_release(&r);
	for (size_t i = 0; i < 2; i++) {
		world_report(old[i], &r);
		assert_non_null(strstr(r.dropped, "room"));
		wire_report_release(&r);
		capture_unref(old[i]);
	}
	capture_unref(c);
}

/* What nobody fetched goes when its time is over, and a record stays; what runs is never touched. */
static void test_keep(void **state)
{
	static const char *const ids[] = { "20261123T000003Z-000003", "20261123T000004Z-000004" };
	struct capture *c[2];
	struct wire_report r;
	struct spool_room before, room;

	WORLD_SKIP(root);
	captures_free(w.captures);
	w.captures = captures_new(&w.env, 100);
	spool_on_full(w.spool, captures_make_room, w.captures);
	spool_room(w.spool, &before);
	for (size_t i = 0; i < 2; i++) {
		struct wire_arm a = world_arm(ids[i], 1);

		c[i] = world_start(&w, &a);
	}
	world_send(100);
	stop(c[0], WIRE_END_STOPPED);
	captures_tick(w.captures);
	world_report(c[0], &r);
	assert_null(r.dropped);
	assert_int_equal(r.targets[0].n_files, 1);
	wire_report_release(&r);

	clock_sleep_ms(150);
	captures_tick(w.captures);
	world_report(c[0], &r);
	assert_non_null(strstr(r.dropped, "--keep"));
	wire_report_release(&r);
	world_report(c[1], &r);
	assert_null(r.dropped);
	assert_true(r.running);
	wire_report_release(&r);
	stop(c[1], WIRE_END_STOPPED);
	spool_room(w.spool, &room);
	assert_true(room.used > before.used);
	clock_sleep_ms(150);
	captures_tick(w.captures);
	spool_room(w.spool, &room);
	assert_int_equal(room.used, before.used);
	capture_unref(c[0]);
	capture_unref(c[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_packet),
		cmocka_unit_test(test_as_tcpdump),
		cmocka_unit_test(test_max_packets),
		cmocka_unit_test(test_max_bytes),
		cmocka_unit_test(test_files_in_reports),
		cmocka_unit_test(test_lease_and_token),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_detached),
		cmocka_unit_test(test_retry_and_other),
		cmocka_unit_test(test_failed_beside_armed),
		cmocka_unit_test(test_fetched),
		cmocka_unit_test(test_keep),
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
