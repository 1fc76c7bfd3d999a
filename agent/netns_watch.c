/* SPDX-License-Identifier: Apache-2.0
 *
 * netns_watch.c - files that appear in the engine's netns directory
 *
 * The kernel's watch is on the directory's inode, which is the same one through every mount of it:
 * it tells of files that the engine makes on its side. A watch on the parent tells when the directory
 * itself is made, as happens on a node before its first container.
 */
#include "netns_watch.h"
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define EVENTS_BYTES 16384

struct pending {
	char *file;
	int64_t since_ns;
};

struct netns_watch {
	char *dir, *parent;
	int fd, wd, parent_wd;		/* wd -1: the directory is not there yet */
	struct pending pending[NETNS_WATCH_PENDING_MAX];
	size_t n;
};

/* The overlays' own namespaces, and the host's: no container's. */
static bool is_sandbox(const char *name)
{
	return *name && !strpbrk(name, "-_.") && strcmp(name, "default");
}

static void drop(struct netns_watch *w, size_t i)
{
	free(w->pending[i].file);
	w->pending[i] = w->pending[--w->n];
}

static void note(struct netns_watch *w, const char *name)
{
	if (!is_sandbox(name))
		return;
	for (size_t i = 0; i < w->n; i++)
		if (!strcmp(w->pending[i].file, name))
			return;
	if (w->n < NETNS_WATCH_PENDING_MAX)
		w->pending[w->n++] = (struct pending){ xstrdup(name), clock_mono_ns() };
}

/* What a new directory got before it was watched. */
static void note_all(struct netns_watch *w)
{
	DIR *d = opendir(w->dir);
	struct dirent *e;

	while (d && (e = readdir(d)))
		note(w, e->d_name);
	if (d)
		closedir(d);
}

static void watch_dir(struct netns_watch *w)
{
	w->wd = inotify_add_watch(w->fd, w->dir, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
}

int netns_watch_new(struct netns_watch **out, const char *dir, struct err *err)
{
	struct netns_watch *w = xcalloc(1, sizeof(*w));
	char *slash;

	w->fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->wd = w->parent_wd = -1;
	if (w->fd < 0) {
		free(w);
		return err_errno(err, "cannot watch the engine's netns directory");
	}
	w->dir = xstrdup(dir);
	w->parent = xstrdup(dir);
	slash = strrchr(w->parent, '/');
	if (slash && slash != w->parent)
		*slash = '\0';
	watch_dir(w);
	if (w->wd < 0) {
		w->parent_wd = inotify_add_watch(w->fd, w->parent, IN_CREATE | IN_ONLYDIR);
		watch_dir(w);		/* it may have come just before */
		if (w->wd >= 0)
			note_all(w);
	}
	*out = w;
	return 0;
}

void netns_watch_free(struct netns_watch *w)
{
	if (!w)
		return;
	while (w->n)
		drop(w, 0);
	util_close(w->fd);
	free(w->dir);
	free(w->parent);
	free(w);
}

int netns_watch_fd(const struct netns_watch *w)
{
	return w->fd;
}

bool netns_watch_is_pending(const struct netns_watch *w)
{
	return w->n > 0;
}

static void take_event(struct netns_watch *w, const struct inotify_event *e)
{
	if (e->wd == w->wd && e->mask & IN_IGNORED)
		w->wd = -1;
	else if (e->wd == w->wd && e->len)
		note(w, e->name);
}

static void read_events(struct netns_watch *w)
{
	_Alignas(struct inotify_event) char buf[EVENTS_BYTES];
	ssize_t n;

	while ((n = read(w->fd, buf, sizeof(buf))) > 0)
		for (char *p = buf; p < buf + n;) {
			const struct inotify_event *e = (const void *)p;

			take_event(w, e);
			p += sizeof(*e) + e->len;
		}
	if (w->wd >= 0)
		return;
	watch_dir(w);
	if (w->wd >= 0)
		note_all(w);
}

void netns_watch_look(struct netns_watch *w,
		      void (*found)(void *arg, const char *file, int ns), void *arg)
{
	int64_t now = clock_mono_ns();

	read_events(w);
	for (size_t i = w->n; i-- > 0;) {
		cleanup_close int ns = -1;
		int r = netns_open(&ns, w->dir, w->pending[i].file, NULL);

		if (!r)
			found(arg, w->pending[i].file, ns);
		if (!r || r == -ENOENT ||
		    now - w->pending[i].since_ns > NETNS_WATCH_PATIENCE_MS * NS_PER_MS)
			drop(w, i);
	}
}
