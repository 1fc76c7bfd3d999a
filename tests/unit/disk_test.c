/* SPDX-License-Identifier: Apache-2.0
 *
 * disk_test.c - the pool: bounded, shared, told of when it has room again, and given back
 */
#include "judge.h"
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#define BUFFERS 4u
#define FILES 80

static int folder;
static atomic_int freed;

static void on_free(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static struct disk *start(void)
{
	struct disk *d = NULL;

	assert_int_equal(disk_start(&d, BUFFERS, NULL), 0);
	disk_on_free(d, on_free, &freed);
	return d;
}

static struct outfile *open_file(struct disk *d, int number)
{
	cleanup_free char *name = xasprintf("%d", number);
	struct outfile *o = NULL;

	assert_int_equal(outfile_open(&o, d, folder, name, NULL), 0);
	return o;
}

static void close_all(struct outfile **o, int n)
{
	for (int i = 0; i < n; i++) {
		cleanup_free char *name = xasprintf("%d", i);

		outfile_free(o[i]);
		unlinkat(folder, name, 0);
	}
}

/* Many files hold every buffer; one that flushes lets another go on, which is told. */
static void test_exhausted(void **state)
{
	struct disk *d = start();
	struct outfile *o[FILES];
	int refused = -1;

	atomic_store(&freed, 0);
	assert_false(disk_is_short(d));
	for (int i = 0; i < FILES; i++) {
		o[i] = open_file(d, i);
		if (outfile_reserve(o[i], 100, NULL))
			outfile_advance(o[i], 100);
		else if (refused < 0)
			refused = i;
	}
	assert_int_equal(refused, BUFFERS * (1 + DISK_SMALLS));
	assert_true(disk_is_short(d));
	assert_int_equal(outfile_error(o[refused]), 0);
	/* a header or a trailer is never refused */
	assert_int_equal(outfile_put(o[refused], "trailer", 7), 0);
	assert_int_equal(atomic_load(&freed), 0);
	outfile_flush(o[0]);
	for (int ms = 0; ms < 2000 && !atomic_load(&freed); ms++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&freed), 1);
	assert_non_null(outfile_reserve(o[refused + 1], 100, NULL));
	assert_int_equal(outfile_finish(o[refused], NULL), 0);
	close_all(o, FILES);
	assert_false(disk_is_short(d));
	disk_stop(d);
}

/* Files that were filled to the brim do not wait for each other for ever. */
static void test_all_are_full(void **state)
{
	struct disk *d = start();
	struct outfile *o[BUFFERS * 2];
	uint64_t size = 0;

	for (unsigned i = 0; i < BUFFERS * 2; i++)
		o[i] = open_file(d, (int)i);
	for (int round = 0; round < 200; round++)
		for (unsigned i = 0; i < BUFFERS * 2; i++) {
			while (!outfile_reserve(o[i], 300000, NULL)) {
				for (unsigned k = 0; k < BUFFERS * 2; k++)
					outfile_flush(o[k]);
				clock_sleep_ms(1);
			}
			outfile_advance(o[i], 30000);
		}
	for (unsigned i = 0; i < BUFFERS * 2; i++) {
		assert_int_equal(outfile_finish(o[i], NULL), 0);
		size += outfile_size(o[i]);
	}
	assert_int_equal(size, 200 * BUFFERS * 2 * 30000);
	close_all(o, BUFFERS * 2);
	disk_stop(d);
}

/* Idle, it holds nothing; quiet files need no more than what they write. */
static void test_memory_is_given_back(void **state)
{
	struct disk *d = start();
	struct outfile *o[1] = { open_file(d, 0) };

	assert_int_equal(disk_resident(d), 0);
	for (int i = 0; i < 4000; i++) {
		if (outfile_reserve(o[0], 1400, NULL))
			outfile_advance(o[0], 1400);
		else
			clock_sleep_ms(1);
	}
	outfile_flush(o[0]);
	assert_true(disk_resident(d) >= DISK_BUFFER);
	for (int i = 0; i < 60 && disk_resident(d) > DISK_SMALL; i++) {
		if (outfile_reserve(o[0], 1400, NULL))
			outfile_advance(o[0], 1400);
		outfile_flush(o[0]);
		clock_sleep_ms(100);
	}
	assert_true(disk_resident(d) <= DISK_SMALL);
	for (int i = 0; i < 60 && disk_resident(d); i++)
		clock_sleep_ms(100);
	assert_int_equal(disk_resident(d), 0);
	close_all(o, 1);
	disk_stop(d);
}

static unsigned long long write_calls(void)
{
	cleanup_free char *text = util_read_file("/proc/self/io", 4096);
	const char *at = text ? strstr(text, "syscw: ") : NULL;

	assert_non_null(at);
	return strtoull(at + strlen("syscw: "), NULL, 10);
}

static uint64_t size_of_file(int number)
{
	cleanup_free char *name = xasprintf("%d", number);
	struct stat st;

	assert_int_equal(fstatat(folder, name, &st, 0), 0);
	return (uint64_t)st.st_size;
}

/* Large orders that follow each other are written two at a time, and the last one does not wait for another. */
static void test_large_orders_gather(void **state)
{
	struct disk *d = start();
	struct outfile *o[1] = { open_file(d, 0) };
	const unsigned long long before = write_calls();
	uint64_t handed;
	char hex[CHECKSUM_HEX];

	for (int i = 0; i < 12 * 8; i++) {
		uint8_t *p;

		while (!(p = outfile_reserve(o[0], DISK_BUFFER / 8, NULL)))
			clock_sleep_ms(1);
		memset(p, i, DISK_BUFFER / 8);
		outfile_advance(o[0], DISK_BUFFER / 8);
		clock_sleep_ms(1);
	}
	handed = outfile_handed(o[0]);
	assert_true(handed >= 11 * (uint64_t)DISK_BUFFER);
	for (int ms = 0; ms < 2000 && size_of_file(0) < handed; ms++)
		clock_sleep_ms(1);
	assert_int_equal(size_of_file(0), handed);
	assert_true(write_calls() - before < 11);
	assert_int_equal(outfile_finish(o[0], hex), 0);
	judge_says("xxhsum -H2 0", hex);
	close_all(o, 1);
	disk_stop(d);
}

struct writer {
	struct disk *disk;
	pthread_t thread;
	int number;
	char hex[CHECKSUM_HEX];
};

static void *write_file(void *arg)
{
	struct writer *w = arg;
	struct outfile *o = open_file(w->disk, w->number);
	uint8_t *p;

	for (uint32_t i = 0; i < 20000; i++) {
		while (!(p = outfile_reserve(o, 700, NULL)))
			clock_sleep_ms(1);
		memset(p, (int)(i + (uint32_t)w->number), 700);
		outfile_advance(o, 700);
		if (i % 1999 == 0)
			outfile_flush(o);
	}
	assert_int_equal(outfile_finish(o, w->hex), 0);
	outfile_free(o);
	return NULL;
}

static void test_many_threads(void **state)
{
	struct disk *d = start();
	struct writer w[12];

	for (int i = 0; i < 12; i++) {
		w[i] = (struct writer){ .disk = d, .number = i };
		assert_int_equal(pthread_create(&w[i].thread, NULL, write_file, &w[i]), 0);
	}
	for (int i = 0; i < 12; i++) {
		cleanup_free char *sum = xasprintf("xxhsum -H2 %d", i);
		cleanup_free char *name = xasprintf("%d", i);

		pthread_join(w[i].thread, NULL);
		judge_says(sum, w[i].hex);
		unlinkat(folder, name, 0);
	}
	disk_stop(d);
	disk_stop(NULL);
}

static int set_up(void **state)
{
	if (judge_setup(state))
		return -1;
	folder = open(judge_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

static int tear_down(void **state)
{
	close(folder);
	return judge_teardown(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_exhausted),
		cmocka_unit_test(test_all_are_full),
		cmocka_unit_test(test_memory_is_given_back),
		cmocka_unit_test(test_large_orders_gather),
		cmocka_unit_test(test_many_threads),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
