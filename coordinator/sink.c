/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.c - where one long stream of bytes goes: a file that is hidden until it is whole, or a pipe
 */
#include "sink.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFERS 8		/* of a mebibyte: enough that neither side waits for the other */
#define PIPE_BUFFER (1u << 20)
#define PIPE_WRITE (128u << 10)	/* is written once it has so much: what was copied is in the cache still */

struct sink {
	char *path, *name, *hidden;	/* as given; its last part; while it grows */
	bool force;

	/* a file */
	int dir;
	struct disk *disk;
	struct outfile *file;
	bool exists;			/* under its hidden name */
	pthread_mutex_t lock;
	pthread_cond_t freed;
	bool is_free;

	/* anything else */
	int fd;
	bool is_own;
	uint8_t *buffer;
	size_t fill;
	uint64_t written;
	int error;
};

/* ---- a file */

/* By the disk's thread: a buffer is there again. */
static void wake(void *arg)
{
	struct sink *s = arg;

	pthread_mutex_lock(&s->lock);
	s->is_free = true;
	pthread_cond_signal(&s->freed);
	pthread_mutex_unlock(&s->lock);
}

static void wait_free(struct sink *s)
{
	pthread_mutex_lock(&s->lock);
	while (!s->is_free)
		pthread_cond_wait(&s->freed, &s->lock);
	s->is_free = false;
	pthread_mutex_unlock(&s->lock);
}

static void choose_hidden(struct sink *s)
{
	char hex[9];

	util_random_hex(hex, 4);
	s->hidden = xasprintf(".%.200s.partial-%s", s->name, hex);
}

static int open_folder(struct sink *s, struct err *err)
{
	const char *slash = strrchr(s->path, '/');
	size_t before = slash ? (size_t)(slash - s->path) : 0;
	cleanup_free char *dir = before ? xasprintf("%.*s", (int)before, s->path)
					: xstrdup(slash ? "/" : ".");

	s->name = xstrdup(slash ? slash + 1 : s->path);
	if (!*s->name)
		return err_set(err, -EISDIR, "cannot write '%s': no name of a file", s->path);
	choose_hidden(s);
	s->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->dir < 0)
		return err_errno(err, "cannot write '%s': folder '%s'", s->path, dir);
	return 0;
}

/* In the folder that is open. */
static int open_file(struct sink *s, struct err *err)
{
	int r = disk_start(&s->disk, BUFFERS, err);

	if (r < 0)
		return r;
	disk_on_free(s->disk, wake, s);
	r = outfile_open(&s->file, s->disk, s->dir, s->hidden, err);
	s->exists = r == 0;
	return r;
}

static int reveal(struct sink *s)
{
	int r = renameat2(s->dir, s->hidden, s->dir, s->name, s->force ? 0 : RENAME_NOREPLACE);

	/* a file system that knows no flags */
	if (r < 0 && errno == EINVAL)
		r = renameat(s->dir, s->hidden, s->dir, s->name);
	if (r < 0)
		return -errno;
	s->exists = false;
	fsync(s->dir);		/* as far as the file system lets us say so */
	return 0;
}

/* ---- anything else */

static int open_other(struct sink *s, struct err *err)
{
	s->is_own = strcmp(s->path, "-") != 0;
	s->fd = s->is_own ? open(s->path, O_WRONLY | O_CLOEXEC) : STDOUT_FILENO;
	if (s->fd < 0)
		return err_errno(err, "cannot write '%s'", s->path);
	s->buffer = xmalloc(PIPE_BUFFER);
	(void)fcntl(s->fd, F_SETPIPE_SZ, PIPE_BUFFER);	/* fewer turns of reader and writer; no pipe: nothing */
	return 0;
}

static void flush_other(struct sink *s)
{
	if (!s->error)
		s->error = util_write_full(s->fd, s->buffer, s->fill);
	s->written += s->fill;
	s->fill = 0;
}

static int write_pieces(int fd, struct iovec *v, size_t n)
{
	while (n) {
		ssize_t put = writev(fd, v, (int)n);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		for (; n && (size_t)put >= v->iov_len; v++, n--)
			put -= (ssize_t)v->iov_len;
		if (n) {
			v->iov_base = (char *)v->iov_base + put;
			v->iov_len -= (size_t)put;
		}
	}
	return 0;
}

bool sink_likes_pieces(const struct sink *s)
{
	return !s->file;
}

/* ---- both */

static struct sink *sink_new(const char *path, bool force)
{
	struct sink *s = xcalloc(1, sizeof(*s));

	s->path = xstrdup(path);
	s->force = force;
	s->dir = s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->freed, NULL);
	return s;
}

/* Hands it over when it could be opened. */
static int opened(struct sink **out, struct sink *s, int r)
{
	if (r < 0)
		sink_free(s);
	else
		*out = s;
	return r;
}

int sink_open(struct sink **out, const char *path, bool force, struct err *err)
{
	struct sink *s = sink_new(path, force);
	struct stat st;
	bool is_there = strcmp(path, "-") && stat(path, &st) == 0;
	int r;

	if (!strcmp(path, "-") || (is_there && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return opened(out, s, open_other(s, err));
	if (is_there && S_ISDIR(st.st_mode))
		r = err_set(err, -EISDIR, "cannot write '%s': it is a folder", path);
	else if (is_there && !force)
		r = err_set(err, -EEXIST,
			    "'%s' exists: name another with -o, or replace it with --force", path);
	else
		r = open_folder(s, err);
	return opened(out, s, r < 0 ? r : open_file(s, err));
}

int sink_open_at(struct sink **out, int dirfd, const char *name, struct err *err)
{
	struct sink *s = sink_new(name, true);

	s->name = xstrdup(name);
	choose_hidden(s);
	s->dir = fcntl(dirfd, F_DUPFD_CLOEXEC, 0);
	return opened(out, s, s->dir < 0 ? err_errno(err, "cannot write '%s'", name)
					 : open_file(s, err));
}

uint8_t *sink_reserve(struct sink *s, size_t n, size_t *room)
{
	uint8_t *p;

	if (!s->file) {
		if (s->fill >= PIPE_WRITE || PIPE_BUFFER - s->fill < n)
			flush_other(s);
		if (room)
			*room = PIPE_BUFFER - s->fill;
		return s->error ? NULL : s->buffer + s->fill;
	}
	while (!(p = outfile_reserve(s->file, n, room))) {
		if (outfile_error(s->file))
			return NULL;
		wait_free(s);
	}
	return p;
}

void sink_advance(struct sink *s, size_t n)
{
	if (s->file)
		outfile_advance(s->file, n);
	else
		s->fill += n;
}

int sink_put(struct sink *s, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		size_t part = n < SINK_RESERVE_MAX ? n : SINK_RESERVE_MAX;
		uint8_t *to = sink_reserve(s, part, NULL);

		if (!to)
			return sink_error(s, NULL);
		memcpy(to, from, part);
		sink_advance(s, part);
		from += part;
		n -= part;
	}
	return 0;
}

int sink_put_pieces(struct sink *s, struct iovec *pieces, size_t n)
{
	int r = 0;

	if (!s->file) {
		flush_other(s);
		for (size_t i = 0; i < n; i++)
			s->written += pieces[i].iov_len;
		if (!s->error)
			s->error = write_pieces(s->fd, pieces, n);
		return s->error;
	}
	for (size_t i = 0; i < n && r == 0; i++)
		r = sink_put(s, pieces[i].iov_base, pieces[i].iov_len);
	return r;
}

uint64_t sink_size(const struct sink *s)
{
	return s->file ? outfile_size(s->file) : s->written + s->fill;
}

int sink_folder(const struct sink *s)
{
	return s->dir;
}

static int fail(const struct sink *s, int code, struct err *err)
{
	if (code == -EEXIST)
		return err_set(err, code, "'%s' came into being meanwhile and was not replaced",
			       s->path);
	return err_set(err, code, "cannot write '%s': %s", s->path,
		       code == -ENOSPC || code == -EDQUOT ? "the disk is full" : strerror(-code));
}

int sink_error(const struct sink *s, struct err *err)
{
	int r = s->file ? outfile_error(s->file) : s->error;

	return r ? fail(s, r, err) : 0;
}

int sink_commit(struct sink *s, struct err *err)
{
	int r;

	if (s->file) {
		r = outfile_finish(s->file, NULL);
		if (r == 0)
			r = reveal(s);
	} else {
		flush_other(s);
		r = s->error;
	}
	return r ? fail(s, r, err) : 0;
}

void sink_free(struct sink *s)
{
	if (!s)
		return;
	outfile_free(s->file);
	disk_stop(s->disk);
	if (s->exists)
		unlinkat(s->dir, s->hidden, 0);
	util_close(s->dir);
	if (s->is_own)
		util_close(s->fd);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->freed);
	free(s->path);
	free(s->name);
	free(s->hidden);
	free(s->buffer);
	free(s);
}
