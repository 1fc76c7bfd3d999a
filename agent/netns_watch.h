/* SPDX-License-Identifier: Apache-2.0
 *
 * netns_watch.h - files that appear in the engine's netns directory
 *
 * The engine makes an empty file first and mounts the namespace on it a moment later, which
 * nothing tells of: such files are looked at again, for NETNS_WATCH_PATIENCE_MS. A directory that is
 * not there yet is waited for. One thread.
 */
#ifndef NETNS_WATCH_H
#define NETNS_WATCH_H

#include "err.h"

#define NETNS_WATCH_PATIENCE_MS 2000
#define NETNS_WATCH_PENDING_MAX 64

struct netns_watch;

int netns_watch_new(struct netns_watch **out, const char *dir, struct err *err);
void netns_watch_free(struct netns_watch *w);
/* Readable when there is something to be looked at. */
int netns_watch_fd(const struct netns_watch *w);
/* Files wait for their namespace: look again soon, whatever the descriptor says. */
bool netns_watch_is_pending(const struct netns_watch *w);
/*
 * Calls found for each file that shows a namespace now and did not before; ns is borrowed. Files
 * that were there when the directory was first seen are not told, unless the directory is new itself.
 */
void netns_watch_look(struct netns_watch *w,
		      void (*found)(void *arg, const char *file, int ns), void *arg);

#endif
