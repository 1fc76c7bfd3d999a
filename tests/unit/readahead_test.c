/* SPDX-License-Identifier: Apache-2.0
 *
 * readahead_test.c - files read in turns that chance chose, by a thread or without, are what they are
 */
#include "../../common/readahead.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define FILES 40u
#define SIZE_MAX_OF 20000u
#define PIECE (INSTREAM_LEAD + 512u)

struct file {
	uint8_t bytes[SIZE_MAX_OF];
	size_t begin, end, at;
	int fd;
	bool has_ended;
	struct readahead_file *f;
};

static struct file files[FILES];

/* Every third one is a part of its file. */
static void make(struct readahead *r, struct file *f, size_t i)
{
	size_t size = (size_t)rand() % SIZE_MAX_OF;

	for (size_t k = 0; k < size; k++)
		f->bytes[k] = (uint8_t)rand();
	f->fd = memfd_create("file", MFD_CLOEXEC);
	assert_int_equal(util_write_full(f->fd, f->bytes, size), 0);
	f->begin = i % 3 ? 0 : size / 3;
	f->end = i % 3 ? size : size / 2;
	f->at = f->begin;
	f->has_ended = false;
	f->f = readahead_open(r, f->fd, (off_t)f->begin, i % 3 ? -1 : (off_t)(f->end - f->begin));
}

/* False: that was its end. */
static bool take(struct instream_pool *pool, struct file *f)
{
	struct instream_piece *piece;
	ssize_t got = readahead_next(f->f, &piece);

	assert_true(got >= 0);
	assert_int_equal(got > 0, f->at < f->end);
	if (!got)
		return false;
	assert_true(f->at + (size_t)got <= f->end);
	assert_memory_equal(piece->data + INSTREAM_LEAD, f->bytes + f->at, (size_t)got);
	f->at += (size_t)got;
	instream_pool_drop(pool, piece);
	if (rand() % 8 == 0)
		instream_pool_settle(pool);
	return true;
}

static void in_turns(void **state)
{
	srand(11);
	for (size_t n = 1; n <= FILES; n += 13) {
		struct instream_pool pool = { .size = PIECE };
		struct readahead *r = readahead_new(&pool, n);
		size_t left = n;

		for (size_t i = 0; i < n; i++)
			make(r, &files[i], i);
		/* each ends once, and stays so */
		while (left) {
			struct file *f = &files[(size_t)rand() % n];
			bool had_ended = f->has_ended;

			f->has_ended = !take(&pool, f);
			assert_true(f->has_ended || !had_ended);
			left -= f->has_ended && !had_ended;
		}
		for (size_t i = 0; i < n; i++) {
			readahead_close(files[i].f);
			close(files[i].fd);
		}
		readahead_free(r);
		instream_pool_release(&pool);
	}
}

/* Whatever is asked for, being read or there already. */
static void given_up(void **state)
{
	for (int k = 0; k < 50; k++) {
		struct instream_pool pool = { .size = PIECE };
		struct readahead *r = readahead_new(&pool, FILES);

		for (size_t i = 0; i < FILES; i++)
			make(r, &files[i], i);
		for (int turns = rand() % 40; turns > 0; turns--)
			take(&pool, &files[rand() % FILES]);
		for (size_t i = 0; i < FILES; i++) {
			readahead_close(files[i].f);
			close(files[i].fd);
		}
		readahead_free(r);
		instream_pool_release(&pool);
	}
}

static void cannot_be_read(void **state)
{
	struct instream_pool pool = { .size = PIECE };
	struct readahead *r = readahead_new(&pool, 4);
	struct instream_piece *piece;
	struct readahead_file *f[4];
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	for (int i = 0; i < 4; i++)
		f[i] = readahead_open(r, fd, 0, -1);
	for (int i = 0; i < 8; i++)
		assert_int_equal(readahead_next(f[i % 4], &piece), -EISDIR);
	for (int i = 0; i < 4; i++)
		readahead_close(f[i]);
	readahead_free(r);
	instream_pool_release(&pool);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_turns),
		cmocka_unit_test(given_up),
		cmocka_unit_test(cannot_be_read),
	};

	return cmocka_run_group_tests_name("readahead", tests, NULL, NULL);
}
