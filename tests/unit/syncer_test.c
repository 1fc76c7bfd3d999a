/* SPDX-License-Identifier: Apache-2.0
 *
 * syncer_test.c - each job is done once, says what failed, and keeps no descriptor
 */
#include "judge.h"
#include "../../agent/syncer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>

#define JOBS 300

static atomic_int good, bad;

static void count(void *arg, bool is_good)
{
	assert_ptr_equal(arg, &good);
	atomic_fetch_add(is_good ? &good : &bad, 1);
}

static int open_one(void)
{
	cleanup_free char *path = xasprintf("%s/file", judge_dir);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_return_code(fd, errno);
	assert_int_equal(write(fd, "x", 1), 1);
	return fd;
}

/* Jobs of two files; of every third job the second one is none. */
static void test_each_once(void **state)
{
	struct crew *c = crew_new();
	struct syncer *s = syncer_new(c);
	struct sync_job jobs[JOBS];
	int before = open_one(), after;

	for (int i = 0; i < JOBS; i++) {
		jobs[i] = (struct sync_job){ .n_fds = 2, .done = count, .arg = &good,
					     .fds = xcalloc(2, sizeof(int)) };
		jobs[i].fds[0] = open_one();
		jobs[i].fds[1] = i % 3 ? open_one() : -1;
		syncer_add(s, &jobs[i]);
		if (i % 50 == 0)
			clock_sleep_ms(5);	/* so that some find it at work, and some idle */
	}
	crew_free(c);
	syncer_free(s);
	syncer_free(NULL);
	assert_int_equal(atomic_load(&good), JOBS - JOBS / 3);
	assert_int_equal(atomic_load(&bad), JOBS / 3);
	after = open_one();
	assert_int_equal(after, before + 1);
	close(before);
	close(after);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_once),
	};

	return cmocka_run_group_tests(tests, judge_setup, judge_teardown);
}
