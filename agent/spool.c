/* SPDX-License-Identifier: Apache-2.0
 *
 * spool.c - the agent's directory of captures, with a quota and a disk floor
 *
 * `used` counts what is taken: the bytes of all capture files, and for a file being written its
 * next buffer and its trailer too, so a file can always be ended in good order. The floor is asked
 * of the file system each time: others write there too.
 */
#include "spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define LOCK_WAIT_MS 10000	/* an agent that is being replaced gets this long to end */
#define LOCK_STEP_MS 100

struct spool {
	int fd;
	struct spool_limits limits;
	spool_full_fn *full;
	void *full_arg;
	pthread_mutex_t lock;	/* of used */
	int64_t used;
};

/* The small files that tell of a capture: not charged, and kept when its files are dropped. */
static bool is_record(const char *name)
{
	return !strcmp(name, SPOOL_REQUEST) || !strcmp(name, SPOOL_STATE) ||
	       !strcmp(name, SPOOL_LIFE);
}

static int64_t files_size(int dirfd)
{
	cleanup_close int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int64_t sum = 0;
	struct dirent *e;
	struct stat st;
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (!d)
		return 0;
	(void)take_fd(&fd);
	while ((e = readdir(d)))
		if (!is_record(e->d_name) &&
		    fstatat(dirfd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
			sum += st.st_size;
	closedir(d);
	return sum;
}

static int64_t all_size(struct spool *s)
{
	DIR *d = spool_list(s);
	int64_t sum = 0;
	struct dirent *e;

	while (d && (e = readdir(d))) {
		cleanup_close int fd = -1;

		if (!names_is_id(e->d_name))
			continue;
		fd = openat(s->fd, e->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
		sum += fd < 0 ? 0 : files_size(fd);
	}
	if (d)
		closedir(d);
	return sum;
}

static int take_lock(int fd, const char *dir, struct err *err)
{
	for (int waited = 0; flock(fd, LOCK_EX | LOCK_NB); waited += LOCK_STEP_MS) {
		if (errno != EWOULDBLOCK)
			return err_errno(err, "cannot lock the spool %s", dir);
		if (waited >= LOCK_WAIT_MS)
			return err_set(err, -EBUSY, "the spool %s is in use by another agent", dir);
		clock_sleep_ms(LOCK_STEP_MS);
	}
	return 0;
}

int spool_open(struct spool **out, const char *dir, const struct spool_limits *limits,
	       struct err *err)
{
	cleanup_close int fd = -1;
	struct spool *s;
	int r;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return err_errno(err, "cannot make the spool %s", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open the spool %s", dir);
	if (fchmod(fd, 0700))
		return err_errno(err, "cannot make the spool %s private", dir);
	r = take_lock(fd, dir, err);
	if (r)
		return r;
	s = xcalloc(1, sizeof(*s));
	s->fd = take_fd(&fd);
	s->limits = *limits;
	pthread_mutex_init(&s->lock, NULL);
	s->used = all_size(s);
	*out = s;
	return 0;
}

void spool_close(struct spool *s)
{
	if (!s)
		return;
	util_close(s->fd);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

void spool_room(struct spool *s, struct spool_room *out)
{
	struct statvfs fs;
	int64_t quota;

	*out = (struct spool_room){ 0 };
	if (fstatvfs(s->fd, &fs) == 0) {
		out->size = (int64_t)fs.f_blocks * (int64_t)fs.f_frsize;
		out->free = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	}
	quota = out->size / 100 * SPOOL_QUOTA_PERCENT;
	if (quota > SPOOL_QUOTA_MAX)
		quota = SPOOL_QUOTA_MAX;
	out->quota = s->limits.quota < 0 ? quota : s->limits.quota;
	out->floor = s->limits.floor < 0 ? out->size / 100 * SPOOL_FLOOR_PERCENT : s->limits.floor;
	pthread_mutex_lock(&s->lock);
	out->used = s->used;
	pthread_mutex_unlock(&s->lock);
}

static int judge(const struct spool_room *room, int64_t n)
{
	if (room->free - n < room->floor)
		return -ENOSPC;
	return room->used + n > room->quota ? -EDQUOT : 0;
}

int spool_pressure(struct spool *s, int64_t n)
{
	struct spool_room room;

	spool_room(s, &room);
	return judge(&room, n);
}

static int try_take(struct spool *s, int64_t n)
{
	struct spool_room room;
	int r;

	spool_room(s, &room);
	pthread_mutex_lock(&s->lock);
	room.used = s->used;
	r = judge(&room, n);
	if (!r)
		s->used += n;
	pthread_mutex_unlock(&s->lock);
	return r;
}

int spool_take(struct spool *s, int64_t n, struct err *err)
{
	int r = try_take(s, n);

	while (r == -EDQUOT && s->full && s->full(s->full_arg, n))
		r = try_take(s, n);
	if (r == -EDQUOT)
		return err_set(err, r, "the spool's quota is reached");
	if (r == -ENOSPC)
		return err_set(err, r, "the spool's file system is down to its floor");
	return 0;
}

void spool_give(struct spool *s, int64_t n)
{
	pthread_mutex_lock(&s->lock);
	s->used -= n;
	if (s->used < 0)
		s->used = 0;
	pthread_mutex_unlock(&s->lock);
}

void spool_on_full(struct spool *s, spool_full_fn *fn, void *arg)
{
	s->full = fn;
	s->full_arg = arg;
}

int spool_create_dir(struct spool *s, const char *id, int *dirfd, struct err *err)
{
	if (!names_is_id(id))
		return err_set(err, -EINVAL, "not a capture's id");
	if (mkdirat(s->fd, id, 0700))
		return err_errno(err, "cannot make the spool's directory %s", id);
	return spool_open_dir(s, id, dirfd, err);
}

int spool_open_dir(struct spool *s, const char *id, int *dirfd, struct err *err)
{
	int fd;

	if (!names_is_id(id))
		return err_set(err, -EINVAL, "not a capture's id");
	fd = openat(s->fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return err_errno(err, "cannot open the spool's directory %s", id);
	*dirfd = fd;
	return 0;
}

int spool_remove_dir(struct spool *s, const char *id, struct err *err)
{
	cleanup_close int fd = -1;
	int64_t size;
	int r = spool_open_dir(s, id, &fd, err);

	if (r)
		return r;
	size = files_size(fd);
	r = util_remove_tree_at(s->fd, id);
	if (r) {
		errno = -r;
		return err_errno(err, "cannot remove the spool's directory %s", id);
	}
	spool_give(s, size);
	return 0;
}

static void remove_file(struct spool *s, int dirfd, const char *name)
{
	struct stat st;

	if (is_record(name))
		return;
	if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) || !S_ISREG(st.st_mode))
		return;
	if (unlinkat(dirfd, name, 0) == 0)
		spool_give(s, st.st_size);
}

int spool_remove_files(struct spool *s, const char *id, struct err *err)
{
	cleanup_close int fd = -1;
	struct dirent *e;
	DIR *d;
	int r = spool_open_dir(s, id, &fd, err);

	if (r)
		return r;
	d = fdopendir(fd);
	if (!d)
		return err_errno(err, "cannot read the spool's directory %s", id);
	(void)take_fd(&fd);
	while ((e = readdir(d)))
		remove_file(s, dirfd(d), e->d_name);
	closedir(d);
	return 0;
}

DIR *spool_list(struct spool *s)
{
	cleanup_close int fd = openat(s->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);

	if (d)
		(void)take_fd(&fd);
	return d;
}
