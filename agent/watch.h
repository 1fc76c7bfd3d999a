/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.h - the engine's events: a container died, so its capture ends; another starts, and may join
 */
#ifndef WATCH_H
#define WATCH_H

#include "follow.h"

struct watch;

/*
 * engine: "unix:///path"; others cannot be watched (-ENOTSUP): the netns directory alone tells. f may be
 * NULL; it outlives the watch.
 */
int watch_start(struct watch **out, const char *engine, struct captures *r, struct follow *f,
		struct err *err);
/* Returns when the thread has ended, within about a second. NULL is accepted. */
void watch_stop(struct watch *w);

#endif
