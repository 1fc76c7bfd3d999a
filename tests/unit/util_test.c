/* SPDX-License-Identifier: Apache-2.0
 *
 * util_test.c - memory, descriptors, files that appear whole
 */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct dir {
	char path[32];
	int fd;
};

static int make_dir(void **state)
{
	struct dir *d = xcalloc(1, sizeof(*d));

	strcpy(d->path, "/tmp/util-test-XXXXXX");
	assert_non_null(mkdtemp(d->path));
	d->fd = open(d->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*state = d;
	return d->fd < 0;
}

static int drop_dir(void **state)
{
	struct dir *d = *state;

	util_close(d->fd);
	assert_int_equal(util_remove_tree_at(AT_FDCWD, d->path), 0);
	assert_int_not_equal(access(d->path, F_OK), 0);
	free(d);
	return 0;
}

static void test_take(void **state)
{
	char *p = xstrdup("x"), *q = take_ptr(&p);
	int fd = 7, taken = take_fd(&fd);

	assert_null(p);
	assert_string_equal(q, "x");
	assert_int_equal(fd, -1);
	assert_int_equal(taken, 7);
	free(q);
	assert_null(xstrdup_null(NULL));
}

static void test_close_keeps_errno(void **state)
{
	int fd = dup(0);

	errno = ENOENT;
	fd = util_close(fd);
	assert_int_equal(fd, -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(util_close(-1), -1);
}

static void test_sleep(void **state)
{
	int64_t before = clock_mono_ns();

	clock_sleep_ms(20);
	assert_true(clock_mono_ns() - before >= 20 * NS_PER_MS);
	clock_sleep_ms(-5);
	assert_true(clock_wall_ns() > 1700000000 * NS_PER_S);
}

static void test_read_full(void **state)
{
	char got[8] = "";
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	assert_int_equal(util_write_full(p[1], "abcd", 4), 0);
	assert_int_equal(util_read_full(p[0], got, 4), 0);
	assert_memory_equal(got, "abcd", 4);
	assert_int_equal(util_write_full(p[1], "ab", 2), 0);
	util_close(p[1]);
	assert_int_equal(util_read_full(p[0], got, 4), -EIO);
	util_close(p[0]);
	assert_int_equal(util_read_full(-1, got, 1), -EBADF);
	assert_int_equal(util_write_full(-1, got, 1), -EBADF);
}

static int count_entries(const struct dir *d)
{
	cleanup_free char *cmd = xasprintf("test $(ls -A %s | wc -l) -eq 1", d->path);

	return system(cmd);
}

static void test_write_file(void **state)
{
	struct dir *d = *state;
	cleanup_free char *path = xasprintf("%s/report", d->path);
	cleanup_free char *text = NULL;
	struct stat st;
	char longname[260];

	assert_int_equal(util_write_file_at(d->fd, "report", "one", 3, 0640), 0);
	assert_int_equal(util_write_file_at(d->fd, "report", "two!", 4, 0640), 0);
	text = util_read_file(path, 100);
	assert_string_equal(text, "two!");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* nothing hidden is left */
	assert_int_equal(count_entries(d), 0);

	assert_int_equal(util_write_file_at(d->fd, "../x", "", 0, 0600), -EINVAL);
	assert_int_equal(util_write_file_at(d->fd, "", "", 0, 0600), -EINVAL);
	assert_int_equal(util_write_file_at(-1, "x", "", 0, 0600), -EBADF);
	memset(longname, 'a', sizeof(longname) - 1);
	longname[sizeof(longname) - 1] = '\0';
	assert_int_equal(util_write_file_at(d->fd, longname, "", 0, 0600), -ENAMETOOLONG);
}

/* A directory stands where the file should: the hidden one is taken back. */
static void test_write_file_fails(void **state)
{
	struct dir *d = *state;

	assert_int_equal(mkdirat(d->fd, "report", 0700), 0);
	assert_int_equal(util_write_file_at(d->fd, "report", "one", 3, 0600), -EISDIR);
	assert_int_equal(count_entries(d), 0);
}

static void test_read_file_ceiling(void **state)
{
	struct dir *d = *state;
	cleanup_free char *path = xasprintf("%s/f", d->path);
	cleanup_free char *big = xcalloc(1, 40000);
	cleanup_free char *text = NULL;

	memset(big, 'x', 40000);
	assert_int_equal(util_write_file_at(d->fd, "f", big, 40000, 0600), 0);
	text = util_read_file(path, 40000);
	assert_non_null(text);
	assert_int_equal(strlen(text), 40000);
	assert_null(util_read_file(path, 39999));
	assert_int_equal(errno, EFBIG);
	assert_null(util_read_file(path, 0));
	assert_null(util_read_file("/nonexistent/x", 10));
	assert_int_equal(errno, ENOENT);
}

static void test_remove_tree(void **state)
{
	struct dir *d = *state;
	cleanup_free char *kept = xasprintf("%s/kept", d->path);

	assert_int_equal(util_write_file_at(d->fd, "kept", "k", 1, 0600), 0);
	assert_int_equal(mkdirat(d->fd, "t", 0700), 0);
	assert_int_equal(mkdirat(d->fd, "t/a", 0700), 0);
	assert_int_equal(mkfifoat(d->fd, "t/a/fifo", 0600), 0);
	assert_int_equal(symlinkat("../../kept", d->fd, "t/a/file"), 0);
	assert_int_equal(symlinkat(d->path, d->fd, "t/dir"), 0);
	assert_int_equal(util_remove_tree_at(d->fd, "t"), 0);
	assert_int_equal(access(kept, F_OK), 0);
	assert_int_equal(util_remove_tree_at(d->fd, "t"), 0);

	/* a link to a directory goes, the directory stays */
	assert_int_equal(mkdirat(d->fd, "real", 0700), 0);
	assert_int_equal(symlinkat("real", d->fd, "link"), 0);
	assert_int_equal(util_remove_tree_at(d->fd, "link"), 0);
	assert_int_equal(faccessat(d->fd, "real", F_OK, 0), 0);
}

static void test_remove_tree_depth(void **state)
{
	struct dir *d = *state;
	int fd = dup(d->fd);

	for (int i = 0; i < 70; i++) {
		int next;

		assert_int_equal(mkdirat(fd, "d", 0700), 0);
		next = openat(fd, "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		util_close(fd);
		fd = next;
	}
	assert_int_equal(util_remove_tree_at(d->fd, "d"), -ELOOP);
	/* the lower half by hand, so that the tear-down can do the rest */
	assert_int_equal(renameat(d->fd, "d/d/d/d/d/d/d/d/d/d", d->fd, "half"), 0);
	assert_int_equal(util_remove_tree_at(d->fd, "half"), 0);
	util_close(fd);
}

static void test_random_hex(void **state)
{
	char a[33], b[33];

	util_random_hex(a, 16);
	util_random_hex(b, 16);
	assert_int_equal(strspn(a, "0123456789abcdef"), 32);
	assert_int_equal(strlen(a), 32);
	assert_string_not_equal(a, b);
}

static void test_utf8(void **state)
{
	static const struct { const char *s; size_t n; uint32_t cp; } cases[] = {
		{ "a", 1, 'a' }, { "", 0, 0 }, { "\xc3\xa9", 2, 0xe9 },
		{ "\xe2\x82\xac", 3, 0x20ac },
		{ "\xf0\x9f\x90\x9d", 4, 0x1f41d }, { "\x80", 0, 0 }, { "\xc3", 0, 0 },
		{ "\xc0\x80", 0, 0 }, { "\xe0\x80\xaf", 0, 0 }, { "\xed\xa0\x80", 0, 0 },
		{ "\xf4\x90\x80\x80", 0, 0 }, { "\xff", 0, 0 }, { "\xf0\x9f", 0, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint32_t cp = 0;

		assert_int_equal(str_utf8(cases[i].s, &cp), cases[i].n);
		assert_int_equal(cp, cases[i].cp);
	}
	assert_true(str_starts("capture", "cap"));
	assert_false(str_starts("ca", "cap"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_close_keeps_errno),
		cmocka_unit_test(test_sleep),
		cmocka_unit_test(test_read_full),
		cmocka_unit_test_setup_teardown(test_write_file, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_write_file_fails, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_read_file_ceiling, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_remove_tree, make_dir, drop_dir),
		cmocka_unit_test_setup_teardown(test_remove_tree_depth, make_dir, drop_dir),
		cmocka_unit_test(test_random_hex),
		cmocka_unit_test(test_utf8),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
