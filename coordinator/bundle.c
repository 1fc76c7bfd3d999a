/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle.c - one archive of the staged files, hidden until it is whole
 *
 *	<dir>/.NAME.partial-<hex>/		staging: fetched files, 0700
 *	<dir>/.NAME.partial-<hex>/.archive	the archive while it grows
 *	<dir>/.NAME.partial-<hex>/.folder	or the folder, into which the files are moved
 *	<dir>/NAME				one of the two, flushed, by one rename
 *
 * An output that is replaced stays whole until that rename: a file is replaced by it, a folder
 * changes places with the new one and goes away with the staging folder. All is done by descriptor
 * of <dir>, so that neither a chdir nor a moved directory changes what is written where.
 */
#include "bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "bundle_write.h"

#define NAME_LONGEST 200	/* leaves room for ".partial-<hex>" */
#define ARCHIVE ".archive"
#define FOLDER ".folder"
#define OWN_FILES 3		/* manifest.json, hosts, SHA256SUMS */

struct bundle {
	char *output, *name, *hidden;	/* as given; last part of it; the staging folder */
	char *folder;			/* in the archive: name without extension */
	bool is_folder, force;
	int dir, staging;
	bool (*cancel)(void *arg);
	void *arg;
};

/* ---- names */

/* Last part of a path, without '/' at its end: where it begins, and its length. */
static const char *last_part(const char *path, size_t *len)
{
	size_t end = strlen(path), begin;

	while (end > 0 && path[end - 1] == '/')
		end--;
	for (begin = end; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	*len = end - begin;
	return path + begin;
}

static bool ends_with_slash(const char *s)
{
	size_t n = strlen(s);

	return n > 0 && s[n - 1] == '/';
}

const char *bundle_check_name(const char *output)
{
	size_t len;
	const char *name = last_part(output, &len);

	if (len == 0 || (len == 1 && name[0] == '.') || (len == 2 && !strncmp(name, "..", 2)))
		return "no name: say which file, or which new folder";
	if (len > NAME_LONGEST)
		return "the name is longer than 200 bytes";
	if (!ends_with_slash(output) && !bundle_extension(name))
		return "unknown extension: use .tar, .tar.gz, .tgz, .tar.zst or .zip, or end the "
		       "name with '/' for a folder";
	return NULL;
}

char *bundle_default_name(char *const *selectors, size_t n, const char *id)
{
	size_t at = 0;
	cleanup_free char *first = NULL;

	while (at < n && *selectors[at] == '!')
		at++;
	first = names_clean(at < n ? selectors[at] : "capture", 100);

	if (n > 1)
		return xasprintf("%s+%zu-%s.tar.zst", first, n - 1, id);
	return xasprintf("%s-%s.tar.zst", first, id);
}

/* ---- open */

static struct bundle *bundle_new(const char *output, bool force)
{
	struct bundle *b = xcalloc(1, sizeof(*b));
	char hex[9];
	size_t len;
	const char *name = last_part(output, &len);

	util_random_hex(hex, 4);
	b->dir = b->staging = -1;
	b->force = force;
	b->is_folder = ends_with_slash(output);
	b->output = xstrdup(output);
	b->name = xasprintf("%.*s", (int)len, name);
	b->folder = xasprintf("%.*s", (int)(len - (b->is_folder ? 0 : bundle_extension(b->name))),
			      name);
	b->hidden = xasprintf(".%s.partial-%s", b->name, hex);
	return b;
}

static int open_dir(struct bundle *b, struct err *err)
{
	size_t len;
	size_t before = (size_t)(last_part(b->output, &len) - b->output);
	cleanup_free char *dir = before ? xasprintf("%.*s", (int)before, b->output) : xstrdup(".");

	b->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (b->dir < 0)
		return err_errno(err, "cannot write '%s': folder '%s'", b->output, dir);
	return 0;
}

/* A folder that somebody keeps other things in is never replaced. */
static bool holds_capture(int dir, const char *name)
{
	cleanup_free char *manifest = xasprintf("%s/manifest.json", name);
	const struct dirent *e;
	bool empty = true;
	int fd;
	DIR *d;

	if (!faccessat(dir, manifest, F_OK, AT_SYMLINK_NOFOLLOW))
		return true;
	fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		util_close(fd);
		return false;
	}
	while (empty && (e = readdir(d)))
		empty = !strcmp(e->d_name, ".") || !strcmp(e->d_name, "..");
	closedir(d);
	return empty;
}

static int check_output(const struct bundle *b, struct err *err)
{
	struct stat st;

	if (fstatat(b->dir, b->name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0 : err_errno(err, "cannot write '%s'", b->output);
	if (!b->force)
		return err_set(err, -EEXIST,
			       "'%s' exists: name another with -o, or replace it with --force",
			       b->output);
	if (!b->is_folder && S_ISDIR(st.st_mode))
		return err_set(err, -EISDIR, "'%s' is a folder: an archive does not replace it",
			       b->output);
	if (b->is_folder && !S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, "'%s' is no folder: a folder does not replace it",
			       b->output);
	if (b->is_folder && !holds_capture(b->dir, b->name))
		return err_set(err, -EEXIST, "'%s' holds no capture: --force does not replace it",
			       b->output);
	return 0;
}

static int make_staging(struct bundle *b, struct err *err)
{
	if (mkdirat(b->dir, b->hidden, 0700) < 0)
		return err_errno(err, "cannot write '%s'", b->output);
	b->staging = openat(b->dir, b->hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (b->staging < 0)
		return err_errno(err, "cannot write '%s'", b->output);
	return 0;
}

int bundle_open(struct bundle **out, const char *output, bool force, struct err *err)
{
	const char *wrong = bundle_check_name(output);
	struct bundle *b;
	int rc;

	if (wrong)
		return err_set(err, -EINVAL, "cannot write '%s': %s", output, wrong);

	b = bundle_new(output, force);
	rc = open_dir(b, err);
	if (rc == 0)
		rc = check_output(b, err);
	if (rc == 0)
		rc = make_staging(b, err);
	if (rc < 0) {
		bundle_free(b);
		return rc;
	}
	*out = b;
	return 0;
}

int bundle_staging(const struct bundle *b)
{
	return b->staging;
}

const char *bundle_output(const struct bundle *b)
{
	return b->output;
}

/* ---- commit */

struct content {
	char *manifest, *sums;
	struct bundle_entry *entries;
	size_t n;
};

static void content_release(struct content *c)
{
	free(c->manifest);
	free(c->sums);
	free(c->entries);
}

static int compare_names(const void *a, const void *b)
{
	const struct bundle_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void add_sum(struct buf *sums, const char *name, const char *text)
{
	struct digest *d = digest_new();
	char hex[DIGEST_HEX];

	digest_add(d, text, strlen(text));
	digest_end(d, hex);
	buf_addf(sums, "%s  %s\n", hex, name);
}

static char *make_sums(const struct manifest *m, const char *manifest_text)
{
	struct buf sums = BUF_INIT(SIZE_MAX);

	for (size_t i = 0; i < m->n_files; i++)
		buf_addf(&sums, "%s  %s\n", m->files[i].sha256, m->files[i].name);
	add_sum(&sums, "hosts", m->hosts);
	add_sum(&sums, "manifest.json", manifest_text);
	return buf_take(&sums);
}

static struct bundle_entry text_entry(const char *name, const char *text)
{
	return (struct bundle_entry){
		.name = name, .text = text, .len = strlen(text), .dirfd = -1,
	};
}

/* Names are printable ASCII in the text, so that no terminal sees more than letters. */
static void content_make(struct content *c, const struct bundle *b, const struct manifest *m)
{
	cleanup_free char *json = json_dumps(m->json, JSON_INDENT(2) | JSON_ENSURE_ASCII);

	c->manifest = xasprintf("%s\n", json ? json : "{}");
	c->sums = make_sums(m, c->manifest);
	c->entries = xcalloc(m->n_files + OWN_FILES, sizeof(*c->entries));
	c->entries[0] = text_entry("manifest.json", c->manifest);
	c->entries[1] = text_entry("SHA256SUMS", c->sums);
	c->entries[2] = text_entry("hosts", m->hosts);
	for (size_t i = 0; i < m->n_files; i++)
		c->entries[OWN_FILES + i] = (struct bundle_entry){
			.name = m->files[i].name, .dirfd = b->staging, .path = m->files[i].staged,
		};
	c->n = m->n_files + OWN_FILES;
	qsort(c->entries + OWN_FILES, m->n_files, sizeof(*c->entries), compare_names);
}

static int write_error(const struct bundle *b, struct err *err)
{
	if (errno == ENOSPC || errno == EDQUOT)
		return err_set(err, -ENOSPC, "cannot write '%s': the disk is full", b->output);
	return err_errno(err, "cannot write '%s'", b->output);
}

static int make_archive(const struct bundle *b, const struct bundle_content *c, struct err *err)
{
	cleanup_close int fd =
		openat(b->staging, ARCHIVE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return write_error(b, err);
	rc = bundle_write(fd, b->name, c, err);
	if (rc < 0) {
		err_add(err, " ('%s')", b->output);
		return rc;
	}
	return fsync(fd) < 0 ? write_error(b, err) : 0;
}

/* Times belong to the capture; a file system that keeps none is no reason to fail. */
static int settle_file(int dir, const char *name, int64_t mtime_ns)
{
	const struct timespec t = { mtime_ns / NS_PER_S, mtime_ns % NS_PER_S };
	const struct timespec times[2] = { t, t };
	cleanup_close int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return -1;
	if (futimens(fd, times) < 0)
		errno = 0;
	return fsync(fd);
}

static int place_entry(const struct bundle *b, int folder, const struct bundle_entry *e,
		       int64_t mtime_ns)
{
	int rc;

	if (e->text) {
		rc = util_write_file_at(folder, e->name, e->text, e->len, 0600);
		errno = -rc;
	} else {
		rc = renameat(b->staging, e->path, folder, e->name);
	}
	return rc < 0 ? -1 : settle_file(folder, e->name, mtime_ns);
}

static int make_folder(const struct bundle *b, const struct bundle_content *c, struct err *err)
{
	cleanup_close int folder = -1;

	if (mkdirat(b->staging, FOLDER, 0700) < 0)
		return write_error(b, err);
	folder = openat(b->staging, FOLDER, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (folder < 0)
		return write_error(b, err);
	for (size_t i = 0; i < c->n; i++)
		if (place_entry(b, folder, &c->entries[i], c->mtime_ns) < 0)
			return write_error(b, err);
	return fsync(folder) < 0 ? write_error(b, err) : 0;
}

/*
 * One rename. Where the file system knows no flags, a plain one, which replaces no folder that
 * holds something.
 */
static int reveal(const struct bundle *b, struct err *err)
{
	const char *from = b->is_folder ? FOLDER : ARCHIVE;
	unsigned int flags = !b->force ? RENAME_NOREPLACE : 0;
	struct stat st;
	int rc;

	if (b->force && b->is_folder && !fstatat(b->dir, b->name, &st, AT_SYMLINK_NOFOLLOW))
		flags = RENAME_EXCHANGE;
	rc = renameat2(b->staging, from, b->dir, b->name, flags);
	if (rc < 0 && errno == EINVAL)
		rc = renameat(b->staging, from, b->dir, b->name);
	if (rc < 0 && errno == EEXIST)
		return err_set(err, -EEXIST, "'%s' came into being meanwhile and was not replaced",
			       b->output);
	return rc < 0 ? write_error(b, err) : 0;
}

/* The rename itself outlives a power cut from here on, as far as the file system lets us say so. */
static void sync_dir(int dir)
{
	cleanup_close int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

void bundle_set_cancel(struct bundle *b, bool (*cancel)(void *arg), void *arg)
{
	b->cancel = cancel;
	b->arg = arg;
}

int bundle_commit(struct bundle *b, const struct manifest *m, struct err *err)
{
	cleanup(content_release) struct content c = { 0 };
	struct bundle_content all = { .folder = b->folder, .mtime_ns = m->stop_ns,
				      .cancel = b->cancel, .arg = b->arg };
	int rc;

	content_make(&c, b, m);
	all.entries = c.entries;
	all.n = c.n;
	rc = b->is_folder ? make_folder(b, &all, err) : make_archive(b, &all, err);
	if (rc == 0)
		rc = reveal(b, err);
	if (rc == 0)
		sync_dir(b->dir);
	return rc;
}

void bundle_free(struct bundle *b)
{
	if (!b)
		return;
	if (b->staging >= 0)
		util_remove_tree_at(b->dir, b->hidden);
	util_close(b->staging);
	util_close(b->dir);
	free(b->output);
	free(b->name);
	free(b->folder);
	free(b->hidden);
	free(b);
}
