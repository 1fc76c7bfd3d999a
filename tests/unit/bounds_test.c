/* SPDX-License-Identifier: Apache-2.0
 *
 * bounds_test.c - small and full disks: what is captured, what is not, and that both are told
 */
#include "agent_group.h"

/* The spool on a file system of its own. */
static void begin(const char *size, const struct spool_limits *limits)
{
	cleanup_free char *options = xasprintf("size=%s", size);

	world_close(&w);
	assert_return_code(mount("none", w.spool_dir, "tmpfs", 0, options), errno);
	world_open(&w, limits);
}

static void end(void)
{
	world_close(&w);
	assert_return_code(umount(w.spool_dir), errno);
	world_open(&w, &(struct spool_limits){ .quota = 256 << 20, .floor = 0 });
}

static void fill(const char *name, size_t n)
{
	cleanup_free char *path = xasprintf("%s/%s", w.spool_dir, name);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(posix_fallocate(fd, 0, (off_t)n), 0);
	close(fd);
}

/* The packets that files hold, read by the summary. */
static int64_t packets_in(const struct wire_target *t, int64_t *bytes)
{
	int64_t packets = 0;

	*bytes = 0;
	for (size_t i = 0; i < t->n_files; i++) {
		cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID,
						    t->files[i].name);
		struct pcapng_summary sum;

		world_summarize(path, &sum);
		packets += (int64_t)sum.packets;
		*bytes += (int64_t)sum.whole;
	}
	return packets;
}

/* 32 MiB, nearly empty, with the limits of an agent that was told none: the capture goes on. */
static void test_small_spool(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct capture *c;
	struct capture_facts f;

	WORLD_SKIP(root);
	begin("32m", &(struct spool_limits){ -1, -1 });
	c = world_start(&w, &a);
	for (int i = 0; i < 25; i++) {
		captures_tick(w.captures);
		world_send(10);
		clock_sleep_ms(100);
	}
	capture_facts(c, &f);
	assert_int_equal(f.targets_armed, 2);
	capture_unref(c);
	captures_remove(w.captures, WORLD_ID, NULL);
	end();
}

/* Others fill it: the largest target goes first, one each second, and the floor is never touched. */
static void test_floor(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);
	struct wire_report r;
	struct capture *c;
	struct spool_room room;

	WORLD_SKIP(root);
	begin("32m", &(struct spool_limits){ .quota = 30 << 20, .floor = 4 << 20 });
	c = world_start(&w, &a);
	world_send(10);
	fill("others", 27 << 20);
	for (int i = 0; i < 400; i++) {
		struct capture_facts f;

		captures_tick(w.captures);
		capture_facts(c, &f);
		if (!f.running)
			break;
		clock_sleep_ms(10);
	}
	world_report(c, &r);
	spool_room(w.spool, &room);
	assert_true(room.free >= room.floor);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r.targets[i].end, WIRE_END_DISK_FLOOR);
		assert_int_equal(r.targets[i].packets, 10);
	}
	wire_report_release(&r);
	capture_unref(c);
	captures_remove(w.captures, WORLD_ID, NULL);
	end();
}

/* No room was left where the floor (0) said that there is: what the disk refused is no capture. */
static void test_full_disk(void **state)
{
	const int sent = 40000;
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct wire_report r;
	struct capture *c;
	int64_t bytes;

	WORLD_SKIP(root);
	begin("4m", &(struct spool_limits){ .quota = 1 << 30, .floor = 0 });
	c = world_start(&w, &a);
	/* taken from under what the spool has promised already */
	fill("others", 3 << 20);
	world_send(sent);
	clock_sleep_ms(500);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	world_report(c, &r);
	assert_in_range(r.targets[0].packets, 1, sent - 1);
	assert_int_equal(packets_in(&r.targets[0], &bytes), r.targets[0].packets);
	assert_int_equal(bytes, r.targets[0].bytes);
	assert_int_equal(r.targets[0].packets + r.targets[0].dropped_kernel +
				 r.targets[0].dropped_agent, r.targets[0].received);
	assert_true(r.targets[0].end == WIRE_END_DISK_FLOOR || r.targets[0].end == WIRE_END_ERROR);
	wire_report_release(&r);
	capture_unref(c);
	captures_remove(w.captures, WORLD_ID, NULL);
	end();
}

/* A file that others damaged is not sent as if it were whole. */
static void test_shortened(void **state)
{
	cleanup_free char *path = xasprintf("%s/%s/0-000.pcapng", w.spool_dir, WORLD_ID);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct err err = ERR_INIT;
	struct capture *c;
	int64_t size;
	int fd;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	world_send(50);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	assert_int_equal(capture_open_file(c, "0-000.pcapng", &fd, &size, &err), 0);
	close(fd);
	assert_return_code(truncate(path, 1000), errno);
	assert_int_equal(capture_open_file(c, "0-000.pcapng", &fd, &size, &err), -EIO);
	assert_non_null(strstr(err.text, "damaged"));
	capture_unref(c);
	captures_remove(w.captures, WORLD_ID, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_small_spool),
		cmocka_unit_test(test_floor),
		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_shortened),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
