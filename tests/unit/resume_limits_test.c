/* SPDX-License-Identifier: Apache-2.0
 *
 * resume_limits_test.c - limits by packets, bytes and number of files hold over a restart of the agent
 */
#include "agent_group.h"
#include "../../agent/recover.h"
#include "../../agent/resume.h"

#define MAX_BYTES 40000

static void restart(void)
{
	struct capture *c;

	resume_suspend_all(w.captures);
	world_close(&w);
	world_open(&w, &(struct spool_limits){ .quota = 256 << 20, .floor = 0 });
	recover_all(w.captures, &w.env);
	c = captures_find(w.captures, WORLD_ID);
	assert_non_null(c);
	capture_wait_armed(c);
	capture_unref(c);
}

static void start(struct wire_arm *a)
{
	capture_unref(world_start(&w, a));
}

/* Its own end, or ours. */
static void finish(struct wire_report *r, bool by_itself)
{
	struct capture *c = captures_find(w.captures, WORLD_ID);

	assert_non_null(c);
	if (by_itself)
		world_wait_finished(c, 30000);
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

/*
 * What lies in the spool, whatever the report says of it. The one that is being written is not read; one that a ring of
 * files lets go just now, between the two looks at it, is not counted.
 */
static int64_t count_files(int64_t *packets, int64_t *bytes)
{
	cleanup_free char *dir = xasprintf("%s/%s", w.spool_dir, WORLD_ID);
	DIR *d = opendir(dir);
	struct dirent *e;
	int64_t n = 0;

	assert_non_null(d);
	*packets = *bytes = 0;
	while ((e = readdir(d))) {
		cleanup_free char *path = xasprintf("%s/%s", dir, e->d_name);
		cleanup_close int fd = -1;
		struct pcapng_summary sum;
		struct stat st;

		if (!strstr(e->d_name, ".pcapng"))
			continue;
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT)
			continue;
		n++;
		if (e->d_name[0] == '.')
			continue;
		assert_int_equal(pcapng_summarize(fd, &sum, NULL), 0);
		assert_return_code(fstat(fd, &st), errno);
		*packets += (int64_t)sum.packets;
		*bytes += st.st_size;
	}
	closedir(d);
	return n;
}

static void test_packets(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t packets, bytes;
	struct wire_report r;

	WORLD_SKIP(root);
	a.max_packets = 300;
	start(&a);
	world_send(120);
	restart();
	world_send(120);
	restart();
	world_send(120);
	finish(&r, true);
	assert_int_equal(r.targets[0].end, WIRE_END_PACKETS);
	assert_int_equal(r.targets[0].packets, 300);
	assert_int_equal(count_files(&packets, &bytes), 3);
	assert_int_equal(packets, 300);
	remove_capture(&r);
}

/* The last packet came just before the end: nothing is missing, and nothing more is taken. */
static void test_packets_reached(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t packets, bytes;
	struct wire_report r;

	WORLD_SKIP(root);
	a.max_packets = 50;
	start(&a);
	world_send(49);
	restart();
	world_send(1);
	finish(&r, true);
	assert_int_equal(r.targets[0].end, WIRE_END_PACKETS);
	assert_int_equal(count_files(&packets, &bytes), 2);
	assert_int_equal(packets, 50);
	assert_int_equal(r.targets[0].n_gaps, 1);
	remove_capture(&r);
}

/* To the byte: one packet more would not have fitted. */
static void test_bytes(void **state)
{
	const int64_t block = 32 + (WORLD_FRAME + 3) / 4 * 4 + 4 + 8;	/* with its options, or less */
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t packets, bytes;
	struct wire_report r;

	WORLD_SKIP(root);
	a.max_bytes = MAX_BYTES;
	start(&a);
	world_send(100);
	restart();
	world_send(500);
	finish(&r, true);
	assert_int_equal(r.targets[0].end, WIRE_END_BYTES);
	assert_int_equal(count_files(&packets, &bytes), 2);
	assert_int_equal(bytes, r.targets[0].bytes);
	assert_in_range(bytes, MAX_BYTES - block, MAX_BYTES);
	assert_true(packets > 150);
	remove_capture(&r);
}

/* No room is left for a further file's header: the limit is the end, not a failure. */
static void test_bytes_used_up(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t packets, bytes, needed;
	struct wire_report r;

	WORLD_SKIP(root);
	start(&a);
	world_send(100);
	finish(&r, false);
	needed = r.targets[0].bytes;
	remove_capture(&r);

	a = world_arm(WORLD_ID, 1);
	a.max_bytes = needed + 60;
	start(&a);
	world_send(100);
	restart();
	finish(&r, true);
	assert_int_equal(r.targets[0].packets, 100);
	assert_int_equal(r.targets[0].bytes, needed);
	assert_int_equal(r.targets[0].end, WIRE_END_BYTES);
	count_files(&packets, &bytes);
	assert_int_equal(bytes, r.targets[0].bytes);
	assert_int_equal(packets, r.targets[0].packets);
	remove_capture(&r);
}

/* A ring of files: the first life's go as the second one's come, and all of them count. */
static void test_ring(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t packets, bytes, n;
	struct wire_report r;

	WORLD_SKIP(root);
	a.rotate_bytes = 64 << 10;
	a.keep_files = 3;
	start(&a);
	world_send(2000);		/* six files */
	restart();
	/* the surplus goes by the crew's hand, beside the new life */
	n = count_files(&packets, &bytes);
	for (int i = 0; i < 1000 && n > 3; i++) {
		clock_sleep_ms(10);
		n = count_files(&packets, &bytes);
	}
	assert_in_range(n, 1, 3);
	world_send(2000);
	finish(&r, false);
	assert_int_equal(r.targets[0].packets, 4000);
	n = count_files(&packets, &bytes);
	assert_in_range(n, 2, 3);
	assert_int_equal(r.targets[0].n_files, n);
	for (int64_t i = 0; i < n; i++)
		assert_true(r.targets[0].files[i].segment >= 6);
	assert_true(packets < 1500);
	assert_true(bytes <= 3 * (64 << 10));
	remove_capture(&r);
}

/* Removed files of the first life count towards the limit in the second. */
static void test_ring_with_limit(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;

	WORLD_SKIP(root);
	a.rotate_bytes = 64 << 10;
	a.keep_files = 2;
	a.max_packets = 3000;
	start(&a);
	world_send(2000);
	restart();
	world_send(2000);
	finish(&r, true);
	assert_int_equal(r.targets[0].end, WIRE_END_PACKETS);
	assert_int_equal(r.targets[0].packets, 3000);
	remove_capture(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets),
		cmocka_unit_test(test_packets_reached),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_bytes_used_up),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_ring_with_limit),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
