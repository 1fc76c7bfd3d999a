/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_write.c - entries become tar, compressed or not, or zip (libarchive)
 */
#include "bundle_write.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE (256 * 1024)	/* libarchive is slow when it is fed in small ones */

/* What costs least beside the network; zstd with a second thread is half as fast again. */
static const struct kind {
	const char *extension;
	int (*set_format)(struct archive *a);
	int (*add_filter)(struct archive *a);
	const char *options, *options_many_cpus;
} kinds[] = {
	{ ".tar.gz", archive_write_set_format_pax_restricted, archive_write_add_filter_gzip,
	  "gzip:compression-level=1", "gzip:compression-level=1" },
	{ ".tgz", archive_write_set_format_pax_restricted, archive_write_add_filter_gzip,
	  "gzip:compression-level=1", "gzip:compression-level=1" },
	{ ".tar.zst", archive_write_set_format_pax_restricted, archive_write_add_filter_zstd,
	  "zstd:compression-level=1", "zstd:compression-level=1,zstd:threads=2" },
	{ ".tar", archive_write_set_format_pax_restricted, archive_write_add_filter_none, NULL,
	  NULL },
	{ ".zip", archive_write_set_format_zip, archive_write_add_filter_none,
	  "zip:compression-level=1", "zip:compression-level=1" },
};

static const struct kind *kind_of(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t n = strlen(kinds[i].extension);

		if (len > n && !strcmp(name + len - n, kinds[i].extension))
			return &kinds[i];
	}
	return NULL;
}

size_t bundle_extension(const char *name)
{
	const struct kind *k = kind_of(name);

	return k ? strlen(k->extension) : 0;
}

static void archive_freep(struct archive **a)
{
	if (*a)
		archive_write_free(*a);
}

static void entry_freep(struct archive_entry **e)
{
	if (*e)
		archive_entry_free(*e);
}

/* ARCHIVE_WARN is fine: a name that is no UTF-8, say. */
static bool failed(int rc)
{
	return rc < ARCHIVE_WARN;
}

static int archive_error(struct archive *a, struct err *err)
{
	int code = archive_errno(a) > 0 ? archive_errno(a) : EIO;
	const char *text = archive_error_string(a);

	if (code == ENOSPC || code == EDQUOT)
		return err_set(err, -ENOSPC, "cannot write the archive: the disk is full");
	return err_set(err, -code, "cannot write the archive: %s", text ? text : strerror(code));
}

static int start(struct archive *a, const struct kind *k, int fd, struct err *err)
{
	const char *options = sysconf(_SC_NPROCESSORS_ONLN) > 1 ? k->options_many_cpus : k->options;

	if (failed(k->set_format(a)) || failed(k->add_filter(a)))
		return archive_error(a, err);
	if (options && failed(archive_write_set_options(a, options)))
		return archive_error(a, err);
	archive_write_set_bytes_per_block(a, PIECE);
	archive_write_set_bytes_in_last_block(a, 1);
	if (failed(archive_write_open_fd(a, fd)))
		return archive_error(a, err);
	return 0;
}

static int put_header(struct archive *a, const char *path, mode_t mode, int64_t size,
		      int64_t mtime_ns)
{
	cleanup(entry_freep) struct archive_entry *e = archive_entry_new();
	int rc;

	archive_entry_set_pathname(e, path);
	archive_entry_set_mode(e, mode);
	archive_entry_set_size(e, size);
	archive_entry_set_mtime(e, mtime_ns / NS_PER_S, 0);
	rc = archive_write_header(a, e);
	return failed(rc) ? -1 : 0;
}

static int put_bytes(struct archive *a, const char *p, size_t n, struct err *err)
{
	while (n > 0) {
		la_ssize_t done = archive_write_data(a, p, n);

		if (done <= 0)
			return archive_error(a, err);
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

/* An open file of the content, size bytes of it. */
struct source {
	int fd;
	int64_t size;
	const char *name;
};

/* Exactly size bytes: the header has promised them. */
static int put_file(struct archive *a, const struct bundle_content *c, const struct source *from,
		    struct err *err)
{
	cleanup_free char *piece = xmalloc(PIECE);
	const char *name = from->name;
	int64_t size = from->size;
	int rc;

	while (size > 0) {
		ssize_t got = read(from->fd, piece, size < PIECE ? (size_t)size : PIECE);

		if (c->cancel && c->cancel(c->arg))
			return err_set(err, -ECANCELED, "interrupted while writing the archive");
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return err_errno(err, "cannot read the fetched file '%s'", name);
		if (got == 0)
			return err_set(err, -EIO,
				       "cannot read the fetched file '%s': it became shorter",
				       name);
		rc = put_bytes(a, piece, (size_t)got, err);
		if (rc < 0)
			return rc;
		size -= got;
	}
	return 0;
}

static int put_entry(struct archive *a, const struct bundle_content *c,
		     const struct bundle_entry *e, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", c->folder, e->name);
	cleanup_close int fd = -1;
	struct stat st;

	if (e->text) {
		if (put_header(a, path, S_IFREG | 0600, (int64_t)e->len, c->mtime_ns) < 0)
			return archive_error(a, err);
		return put_bytes(a, e->text, e->len, err);
	}

	fd = openat(e->dirfd, e->path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot read the fetched file '%s'", e->name);
	if (put_header(a, path, S_IFREG | 0600, st.st_size, c->mtime_ns) < 0)
		return archive_error(a, err);
	return put_file(a, c, &(struct source){ fd, st.st_size, e->name }, err);
}

int bundle_write(int fd, const char *name, const struct bundle_content *c, struct err *err)
{
	cleanup(archive_freep) struct archive *a = archive_write_new();
	cleanup_free char *folder = xasprintf("%s/", c->folder);
	const struct kind *k = kind_of(name);
	int rc;

	if (!a || !k)
		return err_set(err, -EINVAL, "cannot write the archive '%s': unknown extension",
			       name);

	rc = start(a, k, fd, err);
	if (rc < 0)
		return rc;
	if (put_header(a, folder, S_IFDIR | 0700, 0, c->mtime_ns) < 0)
		return archive_error(a, err);
	for (size_t i = 0; i < c->n; i++) {
		rc = put_entry(a, c, &c->entries[i], err);
		if (rc < 0)
			return rc;
	}
	return failed(archive_write_close(a)) ? archive_error(a, err) : 0;
}
