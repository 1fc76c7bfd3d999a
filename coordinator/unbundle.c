/* SPDX-License-Identifier: Apache-2.0
 *
 * unbundle.c - the files of an archive, one after another, without unpacking it
 *
 * An archive is untrusted, also one that we have written ourselves. libarchive reads, and only what
 * bundle.h can write is let through; the rest is judged here, by name, kind and size.
 */
#include "unbundle.h"

#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "jx.h"
#include "names.h"

#define BLOCK (256u << 10)
#define BLIND_MIN (64LL << 20)
#define BLIND_RATIO 1000

struct unbundle {
	char *path;
	int fd;				/* the archive's, or the folder's */
	struct archive *a;
	char *folder;			/* in the archive; NULL: not seen yet */
	json_t *names;			/* seen so far */
	struct dirent **list;		/* of a folder: what lies in it */
	int n_list, i_list;
	int file;			/* of a folder: the entry */
	int64_t limit, sum;
	int64_t size, left;		/* of the entry; -1: not known */
	struct err why;
};

/* ---- open */

static int open_archive(struct unbundle *u, struct err *err)
{
	u->a = archive_read_new();
	if (!u->a)
		util_out_of_memory();
	archive_read_support_filter_gzip(u->a);
	archive_read_support_filter_zstd(u->a);
	archive_read_support_format_tar(u->a);
	archive_read_support_format_zip(u->a);
	if (archive_read_open_fd(u->a, u->fd, BLOCK) == ARCHIVE_OK)
		return 0;
	return err_set(err, -EINVAL, "cannot read the archive '%s': %s", u->path,
		       archive_error_string(u->a));
}

static int no_dots(const struct dirent *e)
{
	return strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
}

/* manifest.json first, as in archives, and then by name. */
static int manifest_first(const struct dirent **a, const struct dirent **b)
{
	bool x = !strcmp((*a)->d_name, "manifest.json"), y = !strcmp((*b)->d_name, "manifest.json");

	return x != y ? y - x : strcmp((*a)->d_name, (*b)->d_name);
}

static int open_folder(struct unbundle *u, struct err *err)
{
	u->n_list = scandirat(u->fd, ".", &u->list, no_dots, manifest_first);
	if (u->n_list < 0) {
		u->n_list = 0;
		return err_errno(err, "cannot read the folder '%s'", u->path);
	}
	u->limit = INT64_MAX;
	return 0;
}

int unbundle_open(struct unbundle **out, const char *path, struct err *err)
{
	struct unbundle *u = xcalloc(1, sizeof(*u));
	struct stat st = { 0 };
	int r;

	u->path = xstrdup(path);
	u->names = json_object();
	u->file = -1;
	u->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (u->fd < 0 || fstat(u->fd, &st) < 0)
		r = err_errno(err, "cannot open '%s'", path);
	else if (S_ISDIR(st.st_mode))
		r = open_folder(u, err);
	else
		r = open_archive(u, err);
	if (u->a)
		u->limit = BLIND_MIN + (st.st_size < INT64_MAX / BLIND_RATIO / 2
						? st.st_size * BLIND_RATIO : INT64_MAX / 2);
	if (r < 0) {
		unbundle_close(u);
		return r;
	}
	*out = u;
	return 0;
}

void unbundle_close(struct unbundle *u)
{
	if (!u)
		return;
	if (u->a)
		archive_read_free(u->a);
	for (int i = 0; i < u->n_list; i++)
		free(u->list[i]);
	free(u->list);
	util_close(u->file);
	util_close(u->fd);
	json_decref(u->names);
	free(u->folder);
	free(u->path);
	free(u);
}

void unbundle_limit(struct unbundle *u, int64_t bytes)
{
	u->limit = bytes;
}

const char *unbundle_why(const struct unbundle *u)
{
	return u->why.text;
}

int unbundle_fd(const struct unbundle *u)
{
	return u->file;
}

/* ---- what may be in it */

static bool is_clean_name(const char *name)
{
	cleanup_free char *clean = names_clean(name, NAMES_FILE_MAX - 1);

	return !strcmp(clean, name);
}

/* A name that no bundle has: shown, but not believed. */
static int refuse(const struct unbundle *u, const char *name, const char *why, struct err *err)
{
	cleanup_buf struct buf safe = BUF_INIT(1024);

	if (!name || buf_add_safe(&safe, name) < 0)
		buf_addf(&safe, "a name that cannot be shown");
	return err_set(err, -EINVAL, "'%s': '%.200s' in it is %s", u->path, safe.data, why);
}

static int add_name(struct unbundle *u, const char *name, struct err *err)
{
	if (!is_clean_name(name))
		return refuse(u, name, "no name of a capture's file", err);
	if (json_object_get(u->names, name))
		return refuse(u, name, "there twice", err);
	if (json_object_size(u->names) == UNBUNDLE_FILES_MAX)
		return err_set(err, -EINVAL, "'%s' holds more than %d files", u->path,
			       UNBUNDLE_FILES_MAX);
	json_object_set_new(u->names, name, json_true());
	return 0;
}

static int too_large(const struct unbundle *u, struct err *err)
{
	return err_set(err, -EFBIG, "'%s' holds more bytes than it may", u->path);
}

static int add_size(struct unbundle *u, int64_t n, struct err *err)
{
	if (n > u->limit || u->sum > u->limit - n)
		return too_large(u, err);
	u->sum += n;
	return 0;
}

/* ---- the next one of an archive */

/* "./web/x" -> "web/x" */
static const char *without_dot(const char *path)
{
	while (path[0] == '.' && path[1] == '/')
		path += 2;
	return path;
}

/* The one folder, which all entries share. *name_out: what stands behind it. */
static int enter_folder(struct unbundle *u, const char *path, const char **name_out,
			struct err *err)
{
	const char *slash = strchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : strlen(path);
	cleanup_free char *folder = xasprintf("%.*s", (int)n, path);

	if (!*folder || !strcmp(folder, ".") || !strcmp(folder, ".."))
		return refuse(u, path, "no path of a capture's file", err);
	if (u->folder && strcmp(u->folder, folder))
		return refuse(u, path, "outside of the archive's folder", err);
	if (!u->folder)
		u->folder = take_ptr(&folder);
	*name_out = slash ? slash + 1 : "";
	return 0;
}

static int judge(struct unbundle *u, struct archive_entry *e, const char **name_out,
		 struct err *err)
{
	const char *path = archive_entry_pathname(e);
	int r;

	if (!path || *path == '/')
		return refuse(u, path, "no path of a capture's file", err);
	r = enter_folder(u, without_dot(path), name_out, err);
	if (r < 0)
		return r;
	if (archive_entry_filetype(e) == AE_IFDIR && !**name_out)
		return 0;
	if (archive_entry_filetype(e) != AE_IFREG || archive_entry_hardlink(e) ||
	    archive_entry_symlink(e))
		return refuse(u, path, "no plain file", err);
	if (!**name_out)
		return refuse(u, path, "outside of the archive's folder", err);
	return add_name(u, *name_out, err);
}

static int archive_failed(const struct unbundle *u, struct err *err)
{
	const char *text = archive_error_string(u->a);

	return err_set(err, -EINVAL, "cannot read the archive '%s': %s", u->path,
		       text ? text : "it is damaged");
}

static int next_of_archive(struct unbundle *u, struct unbundle_entry *out, struct err *err)
{
	struct archive_entry *e;
	int r;

	do {
		r = archive_read_next_header(u->a, &e);
		if (r == ARCHIVE_EOF)
			return UNBUNDLE_E_END;
		if (r < ARCHIVE_WARN)
			return archive_failed(u, err);
		r = judge(u, e, &out->name, err);
		if (r < 0)
			return r;
	} while (!*out->name);

	out->size = archive_entry_size_is_set(e) ? archive_entry_size(e) : -1;
	return out->size > 0 ? add_size(u, out->size, err) : 0;
}

/* ---- the next one of a folder */

static int next_of_folder(struct unbundle *u, struct unbundle_entry *out, struct err *err)
{
	struct stat st;
	int r;

	u->file = util_close(u->file);
	if (u->i_list == u->n_list)
		return UNBUNDLE_E_END;
	out->name = u->list[u->i_list++]->d_name;
	r = add_name(u, out->name, err);
	if (r < 0)
		return r;
	if (fstatat(u->fd, out->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot read '%s/%s'", u->path, out->name);
	if (!S_ISREG(st.st_mode))
		return refuse(u, out->name, "no plain file", err);
	u->file = openat(u->fd, out->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (u->file < 0)
		return err_errno(err, "cannot read '%s/%s'", u->path, out->name);
	out->size = st.st_size;
	return add_size(u, out->size, err);
}

int unbundle_next(struct unbundle *u, struct unbundle_entry *out, struct err *err)
{
	int r = u->a ? next_of_archive(u, out, err) : next_of_folder(u, out, err);

	u->size = u->left = r == 0 ? out->size : 0;
	return r;
}

/* ---- its bytes */

static ssize_t read_archive(struct unbundle *u, void *p, size_t n)
{
	la_ssize_t got = archive_read_data(u->a, p, n);

	if (got < 0)
		return archive_failed(u, &u->why);
	if (got == 0 && u->left > 0)
		return err_set(&u->why, -EINVAL, "'%s' ends in the middle of a file", u->path);
	if (u->size < 0 && add_size(u, got, &u->why) < 0)
		return -EFBIG;
	if (u->size >= 0 && got > u->left)
		return err_set(&u->why, -EINVAL, "'%s': a file is longer than it says", u->path);
	if (u->size >= 0)
		u->left -= got;
	return got;
}

ssize_t unbundle_read(void *arg, void *p, size_t n)
{
	struct unbundle *u = arg;
	ssize_t got;

	if (u->a)
		return read_archive(u, p, n);
	do
		got = read(u->file, p, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? err_errno(&u->why, "cannot read a file in '%s'", u->path) : got;
}

int unbundle_text(struct unbundle *u, size_t max, char **out, size_t *len, struct err *err)
{
	cleanup_buf struct buf text = BUF_INIT(max);
	cleanup_free char *piece = xmalloc(BLOCK);
	ssize_t got;

	while ((got = unbundle_read(u, piece, BLOCK)) > 0)
		if (buf_add(&text, piece, (size_t)got) < 0)
			return err_set(err, -EFBIG, "'%s': a text in it is longer than %zu bytes",
				       u->path, max);
	if (got < 0)
		return err_set(err, (int)got, "%s", u->why.text);
	if (len)
		*len = text.len;
	*out = buf_take(&text);
	return 0;
}
