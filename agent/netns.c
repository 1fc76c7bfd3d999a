/* SPDX-License-Identifier: Apache-2.0
 *
 * netns.c - network namespaces by file
 *
 * setns(2) moves one thread. The threads of a server must never be moved, so whatever has to
 * happen inside a namespace happens in a thread made for it, which ends there. Sockets opened by it
 * stay in the namespace and work from every other thread.
 *
 * A bind of the netns directory without rslave propagation shows namespaces made later as plain
 * empty files, and setns says EINVAL. That is the commonest fault of such set-ups, so it is
 * looked for (by the file system's magic) and called by its name.
 */
#include "netns.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define NSFS_MAGIC 0x6e736673
#define NETWORK_ID_SHOWN 10	/* characters of a network's id in its file's name */
#define LB_ID_SHOWN 9

static bool is_name(const char *s)
{
	return s && *s && *s != '.' && !strchr(s, '/') && strlen(s) <= 255;
}

static bool is_nsfs(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == NSFS_MAGIC;
}

int netns_open(int *out, const char *dir, const char *file, struct err *err)
{
	cleanup_close int dirfd = -1;
	cleanup_close int ns = -1;

	if (!is_name(file))
		return err_set(err, -EINVAL, "the engine named no network namespace");
	dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dirfd < 0)
		return err_errno(err, "cannot open the engine's netns directory %s", dir);
	ns = openat(dirfd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (ns < 0 && errno == ENOENT)
		return err_set(err, -ENOENT, "no network namespace %s in %s", file, dir);
	if (ns < 0)
		return err_errno(err, "cannot open network namespace %s", file);
	if (!is_nsfs(ns))
		return err_set(err, -EINVAL,
			       "the netns directory %s shows a plain file for %s: mount "
			       "propagation is broken on this node: bind it with rslave",
			       dir, file);
	*out = take_fd(&ns);
	return 0;
}

int netns_open_own(int *out, struct err *err)
{
	int ns = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);

	if (ns < 0)
		return err_errno(err, "cannot open the agent's own network namespace");
	*out = ns;
	return 0;
}

int netns_identify(int ns, struct netns_id *out, struct err *err)
{
	struct stat st;

	if (fstat(ns, &st))
		return err_errno(err, "cannot identify a network namespace");
	out->dev = st.st_dev;
	out->ino = st.st_ino;
	return 0;
}

bool netns_shows(const char *dir, const char *file, const struct netns_id *id)
{
	char path[PATH_MAX];
	struct stat st;

	if (snprintf(path, sizeof(path), "%s/%s", dir, file) >= (int)sizeof(path) || lstat(path, &st))
		return false;
	return st.st_dev == id->dev && st.st_ino == id->ino;
}

struct run {
	int ns;
	netns_fn *fn;
	void *arg;
	struct err *err;
	int result;
};

static void *run_inside(void *p)
{
	struct run *r = p;

	if (setns(r->ns, CLONE_NEWNET))
		r->result = err_errno(r->err, "cannot enter the network namespace");
	else
		r->result = r->fn(r->arg, r->err);
	return NULL;
}

int netns_run(int ns, netns_fn *fn, void *arg, struct err *err)
{
	struct run r = { .ns = ns, .fn = fn, .arg = arg, .err = err };
	pthread_t thread;

	errno = pthread_create(&thread, NULL, run_inside, &r);
	if (errno)
		return err_errno(err, "cannot start a thread");
	pthread_join(thread, NULL);
	return r.result;
}

/* An id is letters and digits: nothing else of a request becomes part of a name. */
static bool is_network_id(const char *s)
{
	for (const char *p = s; *p; p++)
		if (!isalnum((unsigned char)*p))
			return false;
	return strlen(s) >= NETWORK_ID_SHOWN;
}

char *netns_find_network(const char *dir, const char *network_id)
{
	char *best = NULL;
	long best_epoch = -1;
	struct dirent *e;
	DIR *d;

	if (!is_network_id(network_id))
		return NULL;
	d = opendir(dir);
	while (d && (e = readdir(d))) {
		char *end;
		long epoch = strtol(e->d_name, &end, 10);

		if (end == e->d_name || *end != '-' || epoch <= best_epoch)
			continue;
		if (strlen(end + 1) != NETWORK_ID_SHOWN ||
		    strncmp(end + 1, network_id, NETWORK_ID_SHOWN))
			continue;
		best_epoch = epoch;
		free(best);
		best = xstrdup(e->d_name);
	}
	if (d)
		closedir(d);
	return best;
}

char *netns_find(const char *dir, const char *file)
{
	cleanup_close int dirfd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (!is_name(file) || dirfd < 0 || fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW))
		return NULL;
	return xstrdup(file);
}

char *netns_find_lb(const char *dir, const char *network_id)
{
	cleanup_free char *name = xasprintf("lb_%.*s", LB_ID_SHOWN, network_id);

	return is_network_id(network_id) ? netns_find(dir, name) : NULL;
}

bool netns_check_dir(const char *dir, char **note)
{
	size_t files = 0, namespaces = 0;
	struct dirent *e;
	DIR *d = opendir(dir);

	*note = NULL;
	if (!d) {
		*note = xasprintf("cannot open the engine's netns directory %s: %s", dir,
				  strerror(errno));
		return false;
	}
	while ((e = readdir(d))) {
		cleanup_close int fd = -1;

		if (e->d_name[0] == '.')
			continue;
		files++;
		fd = openat(dirfd(d), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		namespaces += fd >= 0 && is_nsfs(fd);
	}
	closedir(d);
	if (!files || namespaces)
		return true;
	/* stale plain files may lie about, but that all are plain is broken propagation */
	*note = xasprintf("the netns directory %s shows plain files only: mount propagation is "
			  "broken on this node: bind it with rslave", dir);
	return false;
}
