/* SPDX-License-Identifier: Apache-2.0
 *
 * resume_test.c - a capture goes on in the agent's next life, and its limits with it
 */
#include "agent_group.h"
#include "../../agent/recover.h"
#include "../../agent/resume.h"
#include "../../agent/sniff.h"

static int64_t born_ns, died_ns;	/* about: of the first life */
static char token[WIRE_TOKEN_HEX];

/* As a request's. */
#define DIGEST "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

enum death { KILLED, TOLD_TO_END };

static const struct spool_limits LIMITS = { .quota = 256 << 20, .floor = 0 };

static void live_again(void)
{
	struct capture *c;

	world_open(&w, &LIMITS);
	recover_all(w.captures, &w.env);
	c = captures_find(w.captures, WORLD_ID);
	assert_non_null(c);
	capture_wait_armed(c);
	capture_unref(c);
}

/* A child captures packets and is gone: what it leaves is real. */
static void live_and_die(struct wire_arm *a, int packets, enum death death)
{
	struct wire_report r;
	bool detached = !a->attached;
	int pipes[2], status;
	pid_t child;

	world_close(&w);
	assert_return_code(pipe(pipes), errno);
	born_ns = clock_wall_ns();
	child = fork();
	if (!child) {
		struct capture *c = NULL;
		cleanup_json json_t *j = NULL;

		world_open(&w, &LIMITS);
		if (captures_arm(w.captures, a, DIGEST, &c, NULL))
			_exit(1);
		j = capture_report(c, CAPTURE_VIEW_TOKEN);
		if (wire_report_decode(j, &r, NULL) ||
		    write(pipes[1], r.token, sizeof(r.token)) != sizeof(r.token))
			_exit(1);
		/* the window is open, as a coordinator tells: a detached one has no lease from now on */
		if (detached && capture_renew(c, r.token, born_ns))
			_exit(1);
		captures_tick(w.captures);
		world_send(packets);
		if (death == TOLD_TO_END) {
			resume_suspend_all(w.captures);
			_exit(0);
		}
		clock_sleep_ms(2 * SNIFF_RETIRE_MS + 600);	/* retired, and flushed by its age */
		captures_tick(w.captures);
		_exit(0);
	}
	wire_arm_release(a);
	close(pipes[1]);
	assert_int_equal(read(pipes[0], token, sizeof(token)), sizeof(token));
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	close(pipes[0]);
	died_ns = clock_wall_ns();
}

static void end_it(struct wire_report *r)
{
	struct capture *c = captures_find(w.captures, WORLD_ID);

	assert_non_null(c);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	world_report(c, r);
	capture_unref(c);
}

static void remove_capture(struct wire_report *r)
{
	wire_report_release(r);
	assert_int_equal(captures_remove(w.captures, WORLD_ID, NULL), 0);
}

/* What the files hold, looked at one by one. */
static int64_t packets_in_files(const struct wire_target *t, int64_t *bytes)
{
	int64_t packets = 0;

	*bytes = 0;
	for (size_t i = 0; i < t->n_files; i++) {
		cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID,
						    t->files[i].name);
		struct pcapng_summary sum;
		struct stat st;

		world_summarize(path, &sum);
		assert_int_equal(sum.packets, t->files[i].packets);
		assert_return_code(stat(path, &st), errno);
		assert_int_equal(st.st_size, t->files[i].bytes);
		packets += (int64_t)sum.packets;
		*bytes += st.st_size;
	}
	return packets;
}

static void check_gap(const struct wire_target *t)
{
	assert_int_equal(t->n_gaps, 1);
	assert_in_range(t->gaps[0].from_ns, born_ns, died_ns);
	assert_in_range(t->gaps[0].to_ns, died_ns, clock_wall_ns());
	assert_string_equal(t->gaps[0].why, "the agent was restarted");
}

static void go_on_after(enum death death)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct wire_report r;
	struct capture *c;
	int64_t bytes;

	a.attached = true;
	a.context = json_pack("{s:s}", "mine", "kept");
	live_and_die(&a, 250, death);
	live_again();
	c = captures_find(w.captures, WORLD_ID);
	world_report(c, &r);
	assert_true(r.running);
	assert_true(r.attached);
	assert_int_equal(r.targets[0].state, WIRE_ARMED);
	assert_int_equal(r.targets[0].packets, 250);
	wire_report_release(&r);
	/* whoever held its token still does */
	assert_int_equal(capture_renew(c, token, 5), 0);
	assert_int_equal(capture_renew(c, "00000000000000000000000000000000", 5), -EACCES);
	assert_true(capture_is_from(c, DIGEST));
	world_send(100);
	end_it(&r);
	capture_unref(c);
	assert_false(r.running);
	assert_int_equal(r.window_start_ns, 5);
	assert_string_equal(jx_str(r.context, "mine", ""), "kept");
	for (size_t i = 0; i < 2; i++) {
		const struct wire_target *t = &r.targets[i];

		assert_int_equal(t->end, WIRE_END_STOPPED);
		assert_null(t->error);
		assert_int_equal(t->n_files, 2);
		assert_int_equal(t->files[0].recovered, death == KILLED);
		assert_int_equal(t->files[1].segment, 1);
		assert_int_equal(t->packets, 350);
		assert_int_equal(t->received, 350);
		assert_int_equal(packets_in_files(t, &bytes), 350);
		assert_int_equal(t->bytes, bytes);
		assert_int_equal(t->n_interfaces, 1);
		assert_in_range(t->started_ns, born_ns, died_ns);
		check_gap(t);
	}
	remove_capture(&r);
}

static void test_killed(void **state)
{
	WORLD_SKIP(root);
	go_on_after(KILLED);
}

static void test_told_to_end(void **state)
{
	WORLD_SKIP(root);
	go_on_after(TOLD_TO_END);
}

/* The state was written while a namespace was being opened: neither armed, nor had it failed. */
static void test_killed_while_it_opens(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	cleanup_free char *path = xasprintf("%s/%s/state.json", w.spool_dir, WORLD_ID);
	cleanup_json json_t *j = NULL;
	struct wire_report r;
	int64_t bytes;

	WORLD_SKIP(root);
	live_and_die(&a, 40, KILLED);
	j = json_load_file(path, 0, NULL);
	assert_int_equal(json_object_set_new(json_array_get(json_object_get(
		json_object_get(j, "report"), "targets"), 1), "state", json_string("failed")), 0);
	assert_int_equal(json_dump_file(j, path, 0), 0);
	live_again();
	world_send(20);
	end_it(&r);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r.targets[i].end, WIRE_END_STOPPED);
		assert_int_equal(packets_in_files(&r.targets[i], &bytes), 60);
		check_gap(&r.targets[i]);
	}
	remove_capture(&r);
}

/* Three lives: each gap stands. */
static void test_twice(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	int64_t bytes;

	WORLD_SKIP(root);
	live_and_die(&a, 10, KILLED);
	live_again();
	world_send(20);
	resume_suspend_all(w.captures);
	world_close(&w);
	live_again();
	world_send(30);
	end_it(&r);
	assert_int_equal(packets_in_files(&r.targets[0], &bytes), 60);
	assert_int_equal(r.targets[0].packets, 60);
	assert_int_equal(r.targets[0].n_files, 3);
	assert_int_equal(r.targets[0].n_gaps, 2);
	assert_true(r.targets[0].gaps[0].to_ns <= r.targets[0].gaps[1].from_ns);
	remove_capture(&r);
}

/* Whose time is over does not go on: its deadline, or the lease of an attached one. */
static void over(int64_t deadline_ms, bool attached, int64_t lease_ms)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;

	a.deadline_ms = deadline_ms;
	a.attached = attached;
	a.lease_ms = lease_ms;
	live_and_die(&a, 10, KILLED);
	live_again();
	c = captures_find(w.captures, WORLD_ID);
	world_report(c, &r);
	capture_unref(c);
	assert_false(r.running);
	assert_int_equal(r.targets[0].end, WIRE_END_AGENT_LOST);
	assert_int_equal(r.targets[0].packets, 10);
	assert_int_equal(r.targets[0].gaps[0].to_ns, 0);
	remove_capture(&r);
}

static void test_over(void **state)
{
	WORLD_SKIP(root);
	over(2000, false, 1000);
	over(60000, true, 1000);
}

static void test_detached_has_no_lease(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;

	WORLD_SKIP(root);
	a.lease_ms = 1;
	live_and_die(&a, 10, KILLED);
	live_again();
	world_send(5);
	captures_tick(w.captures);
	end_it(&r);
	assert_int_equal(r.targets[0].end, WIRE_END_STOPPED);
	assert_int_equal(r.targets[0].packets, 15);
	remove_capture(&r);
}

/* Its deadline is the one of its first life. */
static void test_deadline_holds(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;
	int64_t end;

	WORLD_SKIP(root);
	a.deadline_ms = 6000;
	live_and_die(&a, 10, TOLD_TO_END);
	live_again();
	end = born_ns + 6 * NS_PER_S;
	c = captures_find(w.captures, WORLD_ID);
	for (int i = 0; i < 3000; i++) {
		struct capture_facts f;

		captures_tick(w.captures);
		capture_facts(c, &f);
		if (!f.running)
			break;
		clock_sleep_ms(10);
	}
	world_report(c, &r);
	capture_unref(c);
	assert_int_equal(r.targets[0].end, WIRE_END_DURATION);
	assert_in_range(r.targets[0].stopped_ns, end, end + 20 * NS_PER_S);
	remove_capture(&r);
}

/* A capture that was stopped while its agent was ending is not what the next life goes on with. */
static void test_stop_wins(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_send(5);
	resume_suspend_all(w.captures);
	world_report(c, &r);
	assert_true(r.running);
	assert_int_equal(r.targets[0].state, WIRE_ARMED);
	wire_report_release(&r);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	world_report(c, &r);
	assert_false(r.running);
	assert_int_equal(r.targets[0].state, WIRE_ENDED);
	wire_report_release(&r);
	captures_tick(w.captures);
	capture_unref(c);
	world_close(&w);
	live_again();
	end_it(&r);
	assert_int_equal(r.targets[0].n_files, 1);
	assert_int_equal(r.targets[0].packets, 5);
	remove_capture(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_told_to_end),
		cmocka_unit_test(test_killed_while_it_opens),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_over),
		cmocka_unit_test(test_detached_has_no_lease),
		cmocka_unit_test(test_deadline_holds),
		cmocka_unit_test(test_stop_wins),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
