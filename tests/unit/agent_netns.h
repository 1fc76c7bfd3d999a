/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_netns.h - namespaces made as the engine makes them: a file, then a mount on it
 */
#ifndef AGENT_NETNS_H
#define AGENT_NETNS_H

#include <dirent.h>

#include "agent_world.h"
#include "../../agent/netns.h"

static inline void *netns_made(void *path)
{
	assert_return_code(unshare(CLONE_NEWNET), errno);
	world_loopback_up();
	assert_return_code(mount("/proc/thread-self/ns/net", path, NULL, MS_BIND, NULL), errno);
	return NULL;
}

static inline void netns_make(const struct world *w, const char *file)
{
	cleanup_free char *path = xasprintf("%s/%s", w->node.netns_dir, file);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	pthread_t t;

	assert_return_code(fd, errno);
	close(fd);
	assert_int_equal(pthread_create(&t, NULL, netns_made, path), 0);
	pthread_join(t, NULL);
}

static inline void netns_remove(const struct world *w, const char *file)
{
	cleanup_free char *path = xasprintf("%s/%s", w->node.netns_dir, file);

	umount2(path, MNT_DETACH);
	unlink(path);
}

static inline int netns_send_inside(void *n, struct err *err)
{
	world_send(*(int *)n);
	return 0;
}

/* n packets over its loopback. */
static inline void netns_send(const struct world *w, const char *file, int n)
{
	int ns;

	assert_int_equal(netns_open(&ns, w->node.netns_dir, file, NULL), 0);
	assert_int_equal(netns_run(ns, netns_send_inside, &n, NULL), 0);
	close(ns);
}

/* A shell command in it. */
static inline void netns_do(const struct world *w, const char *file, const char *command)
{
	cleanup_free char *line = xasprintf("nsenter --net=%s/%s %s", w->node.netns_dir, file,
					    command);

	assert_int_equal(system(line), 0);
}

static inline size_t count_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	size_t n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

#endif
