/* SPDX-License-Identifier: Apache-2.0
 *
 * util_fs.c - whole reads and writes, files that appear whole, trees that vanish
 *
 * A file that util_write_file_at() makes is first ".NAME.tmp-<hex>" beside its final place.
 * It is flushed before the rename and the directory after it, so that after a power cut
 * either nothing or the whole file stands under NAME. Leading dots mark what a power cut may
 * leave behind: directories that hold such files are swept of them by their owner.
 *
 * Removal walks by descriptor, never by path, so a link that is put in place of a directory
 * meanwhile leads nowhere else.
 */
#include "util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_CHUNK 16384
#define TREE_DEPTH_MAX 64	/* each level holds a descriptor */

int util_read_full(int fd, void *p, size_t n)
{
	char *at = p;

	while (n > 0) {
		ssize_t got = read(fd, at, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (got == 0)
			return -EIO;
		at += got;
		n -= (size_t)got;
	}
	return 0;
}

int util_write_full(int fd, const void *p, size_t n)
{
	const char *at = p;

	while (n > 0) {
		ssize_t put = write(fd, at, n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		at += put;
		n -= (size_t)put;
	}
	return 0;
}

/* Up to one byte more than the ceiling, so that the caller sees a file that is too large. */
static ssize_t read_up_to(int fd, char **data, size_t ceiling)
{
	size_t len = 0, size = 0;

	for (;;) {
		ssize_t got;

		if (len == size) {
			size = size ? size * 2 : READ_CHUNK;
			size = size > ceiling + 1 ? ceiling + 1 : size;
			*data = xrealloc(*data, size + 1, 1);
		}
		got = read(fd, *data + len, size - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -1;
		len += (size_t)got;
		if (got == 0 || len > ceiling)
			return (ssize_t)len;
	}
}

char *util_read_file(const char *path, size_t ceiling)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free char *data = NULL;
	ssize_t len;

	if (fd < 0)
		return NULL;

	len = read_up_to(fd, &data, ceiling);
	if (len < 0)
		return NULL;
	if ((size_t)len > ceiling) {
		errno = EFBIG;
		return NULL;
	}

	data[len] = '\0';
	return take_ptr(&data);
}

static int fill_file(int fd, const void *p, size_t n, mode_t mode)
{
	int rc = util_write_full(fd, p, n);

	if (rc < 0)
		return rc;
	if (fchmod(fd, mode) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

static int sync_dir(int dirfd)
{
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int util_write_file_at(int dirfd, const char *name, const void *p, size_t n, mode_t mode)
{
	cleanup_close int fd = -1;
	char hidden[NAME_MAX + 1], hex[17];
	int rc;

	if (!*name || strchr(name, '/'))
		return -EINVAL;
	util_random_hex(hex, 8);
	if (snprintf(hidden, sizeof(hidden), ".%s.tmp-%s", name, hex) >= (int)sizeof(hidden))
		return -ENAMETOOLONG;

	fd = openat(dirfd, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;

	rc = fill_file(fd, p, n, mode);
	if (rc == 0 && renameat(dirfd, hidden, dirfd, name) < 0)
		rc = -errno;
	if (rc < 0) {
		unlinkat(dirfd, hidden, 0);
		return rc;
	}
	return sync_dir(dirfd);
}

static void close_dirp(DIR **d)
{
	if (*d)
		closedir(*d);
}

static int remove_at(int dirfd, const char *name, int depth);

/* Goes on after a failure, and answers the first one. */
static int empty_dir(DIR *d, int depth)
{
	struct dirent *e;
	int rc = 0;

	while ((e = readdir(d))) {
		int one;

		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		one = remove_at(dirfd(d), e->d_name, depth + 1);
		rc = rc < 0 ? rc : one;
	}
	return rc;
}

static int unlink_at(int dirfd, const char *name, int flags)
{
	return unlinkat(dirfd, name, flags) < 0 && errno != ENOENT ? -errno : 0;
}

static int remove_at(int dirfd, const char *name, int depth)
{
	cleanup_close int fd = -1;
	cleanup(close_dirp) DIR *d = NULL;
	int rc;

	if (depth > TREE_DEPTH_MAX)
		return -ELOOP;

	fd = openat(dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT)
		return 0;
	if (fd < 0 && (errno == ENOTDIR || errno == ELOOP))
		return unlink_at(dirfd, name, 0);
	if (fd < 0)
		return -errno;

	d = fdopendir(fd);
	if (!d)
		return -errno;
	(void)take_fd(&fd);

	rc = empty_dir(d, depth);
	return rc < 0 ? rc : unlink_at(dirfd, name, AT_REMOVEDIR);
}

int util_remove_tree_at(int dirfd, const char *name)
{
	return remove_at(dirfd, name, 0);
}
