/* SPDX-License-Identifier: Apache-2.0
 *
 * sync_test.c - what a capture wrote is brought to the disk while it goes on; a clock that jumps
 */
#include "agent_group.h"
#include "../../agent/clock.h"

#include <sys/syscall.h>

static atomic_ullong watched;		/* an inode */
static atomic_int syncs;

/* In front of the library's: counts, and does the same. */
int fdatasync(int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_ino == atomic_load(&watched))
		atomic_fetch_add(&syncs, 1);
	return (int)syscall(SYS_fdatasync, fd);
}

static bool come(atomic_int *n, int at_least, int ms)
{
	for (int i = 0; i < ms / 10 && atomic_load(n) < at_least; i++)
		clock_sleep_ms(10);
	return atomic_load(n) >= at_least;
}

static void test_synced_while_it_grows(void **state)
{
	cleanup_free char *hidden = xasprintf("%s/%s/.0-000.pcapng.part", w.spool_dir, WORLD_ID);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct capture *c;
	struct stat st;
	int64_t from;

	WORLD_SKIP(root);
	from = clock_mono_ns();
	c = world_start(&w, &a);
	assert_return_code(stat(hidden, &st), errno);
	atomic_store(&watched, st.st_ino);
	world_send(10);
	assert_true(come(&syncs, 1, 30000));
	assert_in_range((clock_mono_ns() - from) / NS_PER_MS, 4000, 30000);
	/* nothing new, nothing to sync */
	clock_sleep_ms(6000);
	assert_int_equal(atomic_load(&syncs), 1);
	world_send(10);
	assert_true(come(&syncs, 2, 30000));
	assert_return_code(access(hidden, F_OK), errno);
	capture_unref(c);
	assert_int_equal(captures_remove(w.captures, WORLD_ID, NULL), 0);
}

static void put_shift(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	clock_file_tick();
}

/* Timestamps and the agent's times jump together; the kernel's clock and monotonic time do not. */
static void test_clock_jumps(void **state)
{
	cleanup_free char *path = xasprintf("%s/clock", w.dir);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t mono = clock_mono_ns(), hour = 3600 * NS_PER_S, real;
	struct wire_report r;
	struct capture *c;

	put_shift(path, "7200");
	assert_int_equal(clock_shift_ns(), 0);	/* nobody named the file */
	setenv(CLOCK_FILE_ENV, path, 1);
	put_shift(path, "no number");
	assert_int_equal(clock_shift_ns(), 0);
	put_shift(path, "99999999999999");
	assert_int_equal(clock_shift_ns(), 0);
	put_shift(path, "-3600\n");
	assert_int_equal(clock_shift_ns(), -hour);
	real = clock_kernel_ns();
	assert_in_range(real - clock_wall_ns(), hour - 10 * NS_PER_S, hour);
	assert_in_range(clock_mono_ns() - mono, 0, 60 * NS_PER_S);
	if (root) {
		c = world_start(&w, &a);
		world_send(3);
		capture_stop(c, WIRE_END_STOPPED, NULL);
		capture_wait(c);
		world_report(c, &r);
		assert_int_equal(r.targets[0].packets, 3);
		assert_in_range(real - r.targets[0].files[0].first_ns, hour - 60 * NS_PER_S, hour);
		assert_in_range(real - r.targets[0].started_ns, hour - 60 * NS_PER_S, hour);
		wire_report_release(&r);
		capture_unref(c);
		assert_int_equal(captures_remove(w.captures, WORLD_ID, NULL), 0);
	} else {
		wire_arm_release(&a);
	}
	unlink(path);
	clock_file_tick();
	assert_int_equal(clock_shift_ns(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_synced_while_it_grows),
		cmocka_unit_test(test_clock_jumps),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
