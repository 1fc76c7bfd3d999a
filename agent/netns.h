/* SPDX-License-Identifier: Apache-2.0
 *
 * netns.h - network namespaces by file
 *
 * The engine shows each namespace as a file of its netns directory. An open file pins the
 * namespace: it cannot be replaced under us, and it lives until we close it. Its identity is
 * the inode, never the name.
 *
 *	cleanup_close int ns = -1;
 *	netns_open(&ns, "/var/run/docker/netns", "4f1c0a9be2d1", err)
 *	netns_run(ns, fn, arg, err)	fn in a thread that stands in the namespace
 */
#ifndef NETNS_H
#define NETNS_H

#include "err.h"

struct netns_id {
	dev_t dev;
	ino_t ino;
};

/*
 * file is one name, no path. -ENOENT: no such file (the task is gone, or the directory is not
 * the engine's); -EINVAL: a plain file, which means that mount propagation is broken here.
 */
int netns_open(int *out, const char *dir, const char *file, struct err *err);
/* The namespace that the calling thread stands in. */
int netns_open_own(int *out, struct err *err);
int netns_identify(int ns, struct netns_id *out, struct err *err);
/* Whether dir/file still shows that namespace. */
bool netns_shows(const char *dir, const char *file, const struct netns_id *id);

typedef int netns_fn(void *arg, struct err *err);
/* fn's result; or -errno when the namespace cannot be entered. */
int netns_run(int ns, netns_fn *fn, void *arg, struct err *err);

/*
 * The file of an overlay's own namespace: <epoch>-<first 10 of its id>, the greatest epoch.
 * Free it. NULL: there is none.
 */
char *netns_find_network(const char *dir, const char *network_id);
/* The file of its load balancer: lb_<first 9 of its id>. Free it. NULL: there is none. */
char *netns_find_lb(const char *dir, const char *network_id);
/* A copy of a name that is there, whatever it is; NULL: it is not. */
char *netns_find(const char *dir, const char *file);
/* Whether the directory shows namespaces: false with a note (free it) when it is broken. */
bool netns_check_dir(const char *dir, char **note);

#endif
