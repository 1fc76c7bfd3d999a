/* SPDX-License-Identifier: Apache-2.0
 *
 * recover_test.c - a former life of the agent: nothing that was whole is lost
 */
#include "agent_group.h"
#include "../../agent/sniff.h"
#include "../../agent/recover.h"

/* A child captures and is gone: what it leaves is real. ticks: it writes state files. */
static void live_and_die(int packets, bool ticks, enum wire_format format)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	pid_t child;
	int status;

	a.format = format;
	a.deadline_ms = 2000;		/* over by the time of the next life: it does not go on */
	world_close(&w);
	child = fork();
	if (!child) {
		struct capture *c;

		world_open(&w, &(struct spool_limits){ .quota = 256 << 20, .floor = 0 });
		a.context = json_pack("{s:s}", "mine", "kept");
		c = world_start(&w, &a);
		if (ticks)
			captures_tick(w.captures);
		world_send(packets);
		clock_sleep_ms(2 * SNIFF_RETIRE_MS + 600);	/* retired, and flushed by its age */
		capture_wait_armed(c);
		_exit(0);
	}
	wire_arm_release(&a);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
}

static void live_again(void)
{
	world_open(&w, &(struct spool_limits){ .quota = 256 << 20, .floor = 0 });
	recover_all(w.captures, &w.env);
}

static void remove_capture(const char *id)
{
	assert_int_equal(captures_remove(w.captures, id, NULL), 0);
}

static void check_recovered(const char *id, int packets)
{
	struct capture *c = captures_find(w.captures, id);
	struct wire_report r;

	assert_non_null(c);
	world_report(c, &r);
	assert_false(r.running);
	assert_string_equal(r.token, "");
	assert_string_equal(jx_str(r.context, "mine", ""), "kept");
	assert_int_equal(r.n_targets, 2);
	for (size_t i = 0; i < 2; i++) {
		const struct wire_target *t = &r.targets[i];
		cleanup_free char *path = NULL;
		struct pcapng_summary sum;

		assert_int_equal(t->state, WIRE_ENDED);
		assert_int_equal(t->end, WIRE_END_AGENT_LOST);
		assert_non_null(strstr(t->error, "restarted"));
		assert_int_equal(t->n_gaps, 1);
		assert_true(t->gaps[0].from_ns >= t->files[0].last_ns);
		assert_int_equal(t->gaps[0].from_ns, t->stopped_ns);
		assert_int_equal(t->gaps[0].to_ns, 0);
		assert_int_equal(t->n_files, 1);
		assert_true(t->files[0].recovered);
		assert_int_equal(t->packets, packets);
		path = xasprintf("%s/%s/%s", w.spool_dir, id, t->files[0].name);
		world_summarize(path, &sum);
		assert_int_equal(sum.packets, packets);
		assert_int_equal(sum.whole, t->files[0].bytes);
	}
	wire_report_release(&r);
	capture_unref(c);
}

static void test_killed_with_state(void **state)
{
	WORLD_SKIP(root);
	live_and_die(250, true, WIRE_PCAPNG);
	live_again();
	check_recovered(WORLD_ID, 250);
	remove_capture(WORLD_ID);
}

static void test_killed_before_the_first_state(void **state)
{
	WORLD_SKIP(root);
	live_and_die(120, false, WIRE_PCAPNG);
	live_again();
	check_recovered(WORLD_ID, 120);
	captures_tick(w.captures);	/* now its state is written, */
	world_close(&w);
	live_again();			/* and a third life sees the same */
	check_recovered(WORLD_ID, 120);
	remove_capture(WORLD_ID);
}

/* Nothing but the names tells that these are classic files. */
static void test_killed_with_classic_files(void **state)
{
	cleanup_free char *hidden = xasprintf("%s/%s/.0-000.pcap.part", w.spool_dir, WORLD_ID);

	WORLD_SKIP(root);
	live_and_die(80, false, WIRE_PCAP);
	assert_return_code(access(hidden, F_OK), errno);
	live_again();
	check_recovered(WORLD_ID, 80);
	remove_capture(WORLD_ID);
}

/* A file that was renamed just before the end, and that no state knows. */
static void test_whole_file_not_noted(void **state)
{
	cleanup_free char *hidden = xasprintf("%s/%s/.0-000.pcapng.part", w.spool_dir, WORLD_ID);
	cleanup_free char *shown = xasprintf("%s/%s/0-000.pcapng", w.spool_dir, WORLD_ID);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	live_and_die(10, true, WIRE_PCAPNG);
	assert_return_code(rename(hidden, shown), errno);
	live_again();
	c = captures_find(w.captures, WORLD_ID);
	world_report(c, &r);
	assert_int_equal(r.targets[0].n_files, 1);
	assert_int_equal(r.targets[0].packets, 10);
	assert_false(r.targets[0].files[0].recovered);
	assert_true(r.targets[1].files[0].recovered);
	wire_report_release(&r);
	capture_unref(c);
	remove_capture(WORLD_ID);
}

/* What finished in a former life stands as it was, fetched included. */
static void test_finished_stays(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_send(5);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	capture_served(c, "0-000.pcapng");
	captures_tick(w.captures);
	capture_unref(c);
	world_close(&w);
	live_again();
	c = captures_find(w.captures, WORLD_ID);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_STOPPED);
	assert_null(r.targets[0].error);
	assert_int_equal(r.targets[0].packets, 5);
	assert_int_equal(r.targets[0].n_files, 1);
	assert_false(r.targets[0].files[0].recovered);
	assert_true(r.fetched);
	wire_report_release(&r);
	capture_unref(c);
	remove_capture(WORLD_ID);
}

static void put(const char *name, const char *text)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Garbage is not a reason to fail, and files that are not ours are left alone. */
static void test_garbage(void **state)
{
	cleanup_free char *alien = xasprintf("%s/alien", w.spool_dir);
	int fd;

	assert_int_equal(spool_create_dir(w.spool, WORLD_ID, &fd, NULL), 0);
	close(fd);
	put("state.json", "{\"report\": {\"id\": 5}}");
	put("request.json", "[");
	put(".0-000.pcapng.part", "no pcapng");
	assert_return_code(mkdir(alien, 0700), errno);
	world_close(&w);
	live_again();
	assert_null(captures_find(w.captures, WORLD_ID));
	assert_return_code(access(alien, F_OK), errno);
	assert_int_equal(spool_remove_dir(w.spool, WORLD_ID, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed_with_state),
		cmocka_unit_test(test_killed_before_the_first_state),
		cmocka_unit_test(test_killed_with_classic_files),
		cmocka_unit_test(test_whole_file_not_noted),
		cmocka_unit_test(test_finished_stays),
		cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
