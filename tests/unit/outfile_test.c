/* SPDX-License-Identifier: Apache-2.0
 *
 * outfile_test.c - bytes that go in come out, in order, whatever the sizes, flushes and file system
 */
#include "judge.h"
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

static struct disk *disk;
static int folder;

static uint8_t byte_at(uint64_t i)
{
	return (uint8_t)(i * 7 + i / 251 + i / 65537 + 1);	/* seldom 0 */
}

static struct outfile *open_file(int dirfd, const char *name)
{
	struct outfile *o = NULL;
	struct err err = ERR_INIT;

	if (outfile_open(&o, disk, dirfd, name, &err))
		fail_msg("%s", err.text);
	return o;
}

static void fill(struct outfile *o, size_t n)
{
	uint64_t at = outfile_size(o);
	uint8_t *p;

	while (!(p = outfile_reserve(o, n, NULL))) {
		assert_int_equal(outfile_error(o), 0);
		clock_sleep_ms(1);
	}
	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(at + i);
	outfile_advance(o, n);
}

static void put(struct outfile *o, size_t n)
{
	uint64_t at = outfile_size(o);
	cleanup_free uint8_t *p = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		p[i] = byte_at(at + i);
	assert_int_equal(outfile_put(o, p, n), 0);
}

static uint64_t check_bytes(int dirfd, const char *name, uint64_t most)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	cleanup_free uint8_t *p = NULL;
	uint64_t i = 0;
	struct stat st;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	p = xmalloc((size_t)st.st_size + 1);
	assert_int_equal(util_read_full(fd, p, (size_t)st.st_size), 0);
	while (i < most && i < (uint64_t)st.st_size && p[i] == byte_at(i))
		i++;
	for (uint64_t k = i; k < (uint64_t)st.st_size; k++)
		assert_int_equal(p[k], 0);
	return i;
}

static void finish(struct outfile *o, int dirfd, const char *name)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC);
	char hex[CHECKSUM_HEX], again[CHECKSUM_HEX];
	uint64_t size = outfile_size(o);
	struct stat st;

	assert_int_equal(outfile_finish(o, hex), 0);
	outfile_free(o);
	assert_return_code(fstat(fd, &st), errno);
	assert_int_equal(st.st_size, size);
	assert_int_equal(check_bytes(dirfd, name, size), size);
	assert_int_equal(checksum_fd(fd, again), 0);
	if (*hex)		/* not of a fast one */
		assert_string_equal(hex, again);
	unlinkat(dirfd, name, 0);
}

/* Zeros: how long that takes hangs on no sanitizer. */
static bool fill_has_sum(int64_t pause_ms, int64_t *longest_ns)
{
	struct outfile *o = open_file(folder, "speed");
	char hex[CHECKSUM_HEX];

	*longest_ns = 0;
	for (int i = 0; i < 3; i++) {
		int64_t begin = clock_mono_ns();
		uint8_t *p;

		for (size_t n = 0; n < DISK_BUFFER; n += OUTFILE_RESERVE_MAX) {
			while (!(p = outfile_reserve(o, OUTFILE_RESERVE_MAX, NULL)))
				clock_sleep_ms(1);
			memset(p, 0, OUTFILE_RESERVE_MAX);
			outfile_advance(o, OUTFILE_RESERVE_MAX);
		}
		clock_sleep_ms(pause_ms);
		*longest_ns = clock_mono_ns() - begin > *longest_ns ? clock_mono_ns() - begin : *longest_ns;
	}
	assert_int_equal(outfile_finish(o, hex), 0);
	outfile_free(o);
	unlinkat(folder, "speed", 0);
	return *hex;
}

/* What comes so fast is not read for a sum on its way; where this machine is too slow for that, it proves nothing. */
static void test_sum_of_a_fast_file(void **state)
{
	int64_t longest_ns;
	bool has = fill_has_sum(0, &longest_ns);

	if (longest_ns < 30 * NS_PER_MS)
		assert_false(has);
	assert_true(fill_has_sum(450, &longest_ns));
}

/* Sizes and flushes by chance: what is small, what fills pages, what is larger than a buffer. */
static void check_mixed(int dirfd, unsigned seed)
{
	struct outfile *o = open_file(dirfd, "mixed");

	for (int i = 0; i < 400; i++) {
		unsigned kind = (unsigned)rand_r(&seed) % 100;
		size_t n = (size_t)rand_r(&seed);

		if (kind < 50)
			fill(o, n % 3000);
		else if (kind < 60)
			put(o, n % 3000);
		else if (kind < 75)
			fill(o, n % 70000);
		else if (kind < 80)
			fill(o, n % OUTFILE_RESERVE_MAX + 1);
		else if (kind < 90)
			fill(o, DISK_ALIGN - outfile_size(o) % DISK_ALIGN);
		else
			outfile_flush(o);
	}
	finish(o, dirfd, "mixed");
}

static void test_mixed(void **state)
{
	for (unsigned seed = 1; seed < 20; seed++)
		check_mixed(folder, seed);
}

static void test_empty(void **state)
{
	struct outfile *o = open_file(folder, "empty"), *other = NULL;

	assert_int_equal(outfile_open(&other, disk, folder, "empty", NULL), -EEXIST);
	assert_true(outfile_is_flushed(o));
	outfile_flush(o);
	finish(o, folder, "empty");
	outfile_free(NULL);
}

/* A reader of the unfinished file finds what was flushed, and then zeros at most. */
static void test_padded_tail(void **state)
{
	struct outfile *o = open_file(folder, "tail");
	uint64_t size;

	for (int i = 0; i < 40; i++) {
		fill(o, 1 + (size_t)i * 4001);
		assert_false(outfile_is_flushed(o));
		outfile_flush(o);
		assert_true(outfile_is_flushed(o));
		size = outfile_size(o);
		for (int ms = 0; ms < 2000 && check_bytes(folder, "tail", size) < size; ms++)
			clock_sleep_ms(1);
		assert_int_equal(check_bytes(folder, "tail", size), size);
	}
	finish(o, folder, "tail");
}

static void test_put(void **state)
{
	struct outfile *o = open_file(folder, "put");
	cleanup_free uint8_t *p = xmalloc(3000001);

	for (size_t i = 0; i < 3000001; i++)
		p[i] = byte_at(i);
	assert_int_equal(outfile_put(o, p, 3000001), 0);
	finish(o, folder, "put");
}

/* What was not flushed is lost, and nothing else. */
static void test_free_unfinished(void **state)
{
	struct outfile *o = open_file(folder, "free");

	fill(o, 5000);
	outfile_flush(o);
	fill(o, 5000);
	outfile_free(o);
	assert_int_equal(check_bytes(folder, "free", 10000), 5000);
	unlinkat(folder, "free", 0);
}

/* Killed while it writes at full rate: whole from the beginning, then at most zeros. */
static void test_killed(void **state)
{
	for (int ms = 20; ms < 200; ms += 60) {
		pid_t child = fork();
		int status;

		if (!child) {
			struct outfile *o;

			if (disk)
				disk_start(&disk, 4, NULL);
			o = open_file(folder, "killed");
			for (;;)
				fill(o, 1500);
		}
		clock_sleep_ms(ms);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
		if (faccessat(folder, "killed", F_OK, 0) == 0)
			check_bytes(folder, "killed", UINT64_MAX);
		unlinkat(folder, "killed", 0);
	}
}

/* A small tmpfs: other pages than a disk's, and soon full. */
static int open_tmpfs(const char *size)
{
	cleanup_free char *path = xasprintf("%s/tmpfs", judge_dir);
	cleanup_free char *options = xasprintf("size=%s", size);

	mkdir(path, 0700);
	assert_return_code(mount("tmpfs", path, "tmpfs", 0, options), errno);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void close_tmpfs(int fd)
{
	cleanup_free char *path = xasprintf("%s/tmpfs", judge_dir);

	close(fd);
	umount2(path, MNT_DETACH);
}

static void test_tmpfs(void **state)
{
	int fd;

	if (geteuid())
		skip();
	fd = open_tmpfs("200m");
	for (unsigned seed = 1; seed < 5; seed++)
		check_mixed(fd, seed);
	close_tmpfs(fd);
}

/* The error stays, and what was written before is there. */
static void test_full(void **state)
{
	struct outfile *o;
	char hex[CHECKSUM_HEX];
	uint64_t whole;
	int fd, r = 0;

	if (geteuid())
		skip();
	fd = open_tmpfs("3m");
	o = open_file(fd, "full");
	for (int i = 0; i < 20000 && !r; i++) {
		if (outfile_reserve(o, 1500, NULL))
			fill(o, 1500);
		else if (!outfile_error(o))
			clock_sleep_ms(1);
		r = outfile_error(o);
	}
	assert_int_equal(r, -ENOSPC);
	assert_int_equal(outfile_put(o, "x", 1), -ENOSPC);
	outfile_flush(o);
	assert_null(outfile_reserve(o, 1, NULL));
	assert_int_equal(outfile_finish(o, hex), -ENOSPC);
	outfile_free(o);
	whole = check_bytes(fd, "full", UINT64_MAX);
	assert_true(whole > 2 << 20 && whole <= 3 << 20);
	close_tmpfs(fd);
}

/* ---- lent pages ---- */

#define LENT_MAX 256

/* What one order of lent pages becomes. */
struct lent {
	uint8_t *data;			/* read-only: who writes it dies */
	size_t n;
	uint64_t at;
	int fd;				/* of the file, for reading */
	atomic_int done, early;		/* early: its bytes were not in the file */
};

struct loans {
	struct lent v[LENT_MAX];
	size_t n;
	int fd;
};

static bool is_in_file(const struct lent *l)
{
	cleanup_free uint8_t *p = xmalloc(l->n);

	return pread(l->fd, p, l->n, (off_t)l->at) == (ssize_t)l->n && !memcmp(p, l->data, l->n);
}

static void on_done(void *arg)
{
	struct lent *l = arg;

	if (!is_in_file(l))
		atomic_fetch_add(&l->early, 1);
	atomic_fetch_add(&l->done, 1);
}

static void lend(struct outfile *o, struct loans *all, size_t n)
{
	struct lent *l = &all->v[all->n++];

	assert_in_range(all->n, 1, LENT_MAX);
	*l = (struct lent){ .n = n, .at = outfile_size(o), .fd = all->fd };
	l->data = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(l->data, MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		l->data[i] = byte_at(l->at + i);
	assert_return_code(mprotect(l->data, n, PROT_READ), errno);
	outfile_lend(o, l->data, n, on_done, l);
	assert_int_equal(outfile_size(o), l->at + n);
	assert_int_equal(outfile_handed(o), l->at + n);
	assert_true(outfile_is_flushed(o));
}

/* Copied bytes up to a page, and pages: one, a large order, or several in a row. */
static void lend_some(struct outfile *o, struct loans *all, unsigned *seed)
{
	const unsigned kind = (unsigned)rand_r(seed) % 4;

	if (outfile_to_page(o))
		fill(o, outfile_to_page(o));
	assert_int_equal(outfile_to_page(o), 0);
	assert_int_equal(outfile_size(o) % DISK_ALIGN, 0);
	for (unsigned i = 0; i < (kind ? 1 : 4); i++)
		lend(o, all, (size_t)(1 + rand_r(seed) % (kind == 1 ? 256 : 32)) * DISK_ALIGN);
}

static struct outfile *open_loans(struct loans *all, int dirfd)
{
	struct outfile *o = open_file(dirfd, "lent");

	*all = (struct loans){ .fd = openat(dirfd, "lent", O_RDONLY | O_CLOEXEC) };
	assert_return_code(all->fd, errno);
	return o;
}

/* Each came back, once; not before it was in the file, where that took it. */
static void check_loans(struct loans *all, bool written)
{
	for (size_t i = 0; i < all->n; i++) {
		struct lent *l = &all->v[i];

		assert_int_equal(atomic_load(&l->done), 1);
		if (written)
			assert_int_equal(atomic_load(&l->early), 0);
		assert_int_equal(munmap(l->data, l->n), 0);
	}
	close(all->fd);
}

static void check_lent(int dirfd, unsigned seed)
{
	static struct loans all;
	struct outfile *o = open_loans(&all, dirfd);
	uint64_t size;

	for (int i = 0; i < 60; i++) {
		unsigned kind = (unsigned)rand_r(&seed) % 100;
		size_t n = (size_t)rand_r(&seed);

		if (kind < 20)
			fill(o, n % 3000);
		else if (kind < 30)
			put(o, n % 3000);
		else if (kind < 50)
			fill(o, n % 200000);
		else if (kind < 60)
			outfile_flush(o);
		else
			lend_some(o, &all, &seed);
	}
	size = outfile_size(o);
	assert_int_equal(outfile_finish(o, NULL), 0);
	check_loans(&all, true);
	outfile_free(o);
	assert_int_equal(check_bytes(dirfd, "lent", size), size);
	unlinkat(dirfd, "lent", 0);
}

static void test_lent(void **state)
{
	for (unsigned seed = 1; seed < 10; seed++)
		check_lent(folder, seed);
}

static void test_lent_on_tmpfs(void **state)
{
	int fd;

	if (geteuid())
		skip();
	fd = open_tmpfs("200m");
	for (unsigned seed = 1; seed < 5; seed++)
		check_lent(fd, seed);
	close_tmpfs(fd);
}

/* What is lent is ours again when the file is gone, whole or not. */
static void test_free_waits_for_what_is_lent(void **state)
{
	static struct loans all;

	for (int i = 0; i < 20; i++) {
		struct outfile *o = open_loans(&all, folder);

		assert_true(outfile_may_lend(o));
		for (int k = 0; k < 3; k++)
			lend(o, &all, 200u << 10);
		fill(o, 5000);
		outfile_free(o);
		check_loans(&all, true);
		assert_int_equal(check_bytes(folder, "lent", UINT64_MAX), 3 * (200u << 10));
		unlinkat(folder, "lent", 0);
	}
}

/* Refused where a write has failed, which may be at any moment. */
static void put_page(struct outfile *o)
{
	uint8_t page[DISK_ALIGN];

	for (size_t i = 0; i < sizeof(page); i++)
		page[i] = byte_at(outfile_size(o) + i);
	(void)outfile_put(o, page, sizeof(page));
}

/* What the file does not take any more comes back all the same. */
static void lend_into_failure(int dirfd, int error)
{
	static struct loans all;
	struct outfile *o = open_loans(&all, dirfd);
	uint64_t whole;

	for (int i = 0; i < 8; i++) {
		lend(o, &all, 1u << 20);
		put_page(o);
	}
	assert_int_equal(outfile_finish(o, NULL), error);
	assert_int_equal(outfile_error(o), error);
	assert_false(outfile_may_lend(o));
	check_loans(&all, false);
	outfile_free(o);
	whole = check_bytes(dirfd, "lent", UINT64_MAX);
	assert_true(whole >= 1 << 20 && whole <= 3 << 20);
	unlinkat(dirfd, "lent", 0);
}

static void test_lent_to_a_full_disk(void **state)
{
	int fd;

	if (geteuid())
		skip();
	fd = open_tmpfs("3m");
	lend_into_failure(fd, -ENOSPC);
	close_tmpfs(fd);
}

static void test_lent_to_a_file_too_large(void **state)
{
	struct rlimit before, low = { (2u << 20) + 100000, RLIM_INFINITY };

	signal(SIGXFSZ, SIG_IGN);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	low.rlim_max = before.rlim_max;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &low), errno);
	lend_into_failure(folder, -EFBIG);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
}

/* Who has no other thread does not lend. */
static void test_no_disk_no_lending(void **state)
{
	struct outfile *o = open_file(folder, "none");

	assert_false(outfile_may_lend(o));
	finish(o, folder, "none");
}

static int set_up(void **state)
{
	if (judge_setup(state))
		return -1;
	if (!geteuid() && unshare(CLONE_NEWNS) == 0)
		mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
	folder = open(judge_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return folder < 0;
}

static int tear_down(void **state)
{
	close(folder);
	return judge_teardown(state);
}

/* Another thread's descriptor: of the same file, with what was flushed, and it outlives the file. */
static void test_share(void **state)
{
	struct outfile *o = open_file(folder, "share");
	struct stat a, b;
	int fd;

	fill(o, 100);
	outfile_flush(o);
	fd = outfile_share(o);
	assert_return_code(fd, -fd);
	assert_int_equal(fdatasync(fd), 0);
	assert_return_code(fstatat(folder, "share", &b, 0), errno);
	fill(o, 200000);
	finish(o, folder, "share");
	assert_int_equal(fdatasync(fd), 0);
	assert_return_code(fstat(fd, &a), errno);
	assert_int_equal(a.st_ino, b.st_ino);
	assert_int_equal(a.st_size, 200100);
	close(fd);
}

static int start_disk(void **state)
{
	return disk_start(&disk, 4, NULL);
}

static int stop_disk(void **state)
{
	disk_stop(disk);
	disk = NULL;
	return 0;
}

#define ON_DISK(t) { "on disk: " #t, t, start_disk, stop_disk, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_mixed),
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_padded_tail),
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_free_unfinished),
		cmocka_unit_test(test_tmpfs),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_no_disk_no_lending),
		ON_DISK(test_killed),
		ON_DISK(test_mixed),
		ON_DISK(test_empty),
		ON_DISK(test_padded_tail),
		ON_DISK(test_put),
		ON_DISK(test_free_unfinished),
		ON_DISK(test_tmpfs),
		ON_DISK(test_full),
		ON_DISK(test_share),
		ON_DISK(test_sum_of_a_fast_file),
		ON_DISK(test_lent),
		ON_DISK(test_lent_on_tmpfs),
		ON_DISK(test_free_waits_for_what_is_lent),
		ON_DISK(test_lent_to_a_full_disk),
		ON_DISK(test_lent_to_a_file_too_large),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
