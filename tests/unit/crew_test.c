/* SPDX-License-Identifier: Apache-2.0
 *
 * crew_test.c - work is done, side by side, and threads go
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <dirent.h>
#include <pthread.h>
#include <stdatomic.h>

#include "../../agent/crew.h"

static atomic_int done;

static void nap(void *job)
{
	clock_sleep_ms(*(int *)job);
	atomic_fetch_add(&done, 1);
}

static size_t threads(void)
{
	DIR *d = opendir("/proc/self/task");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static void test_side_by_side(void **state)
{
	struct crew *c = crew_new();
	int64_t start = clock_mono_ns();
	static int ms = 100;

	atomic_store(&done, 0);
	for (int i = 0; i < 2 * CREW_THREADS_MAX; i++)
		crew_run(c, nap, &ms);
	crew_free(c);
	assert_int_equal(atomic_load(&done), 2 * CREW_THREADS_MAX);
	assert_true(clock_mono_ns() - start < 2 * CREW_THREADS_MAX * 100 * NS_PER_MS);
}

static void *nothing(void *arg)
{
	return arg;
}

/* With the first thread a sanitizer may start one of its own. */
static void start_one(void)
{
	pthread_t t;

	assert_int_equal(pthread_create(&t, NULL, nothing, NULL), 0);
	assert_int_equal(pthread_join(t, NULL), 0);
}

/* A few pieces of work, one after another, need a thread or two; and idle threads end. */
static void test_threads_go(void **state)
{
	static int ms = 1;
	struct crew *c = crew_new();
	size_t before;

	start_one();
	before = threads();
	atomic_store(&done, 0);
	for (int i = 0; i < 20; i++) {
		crew_run(c, nap, &ms);
		while (atomic_load(&done) <= i)
			clock_sleep_ms(1);
		clock_sleep_ms(3);
		assert_true(threads() <= before + 3);
	}
	for (int i = 0; i < 1000 && threads() > before; i++)
		clock_sleep_ms(20);
	assert_int_equal(threads(), before);
	crew_run(c, nap, &ms);
	crew_free(c);
	crew_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_threads_go),	/* before other crews' last threads go */
		cmocka_unit_test(test_side_by_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
