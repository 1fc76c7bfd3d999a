/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.h - the engine's events: a container died, so its capture ends
 */
#ifndef WATCH_H
#define WATCH_H

#include "captures.h"

struct watch;

/* engine: "unix:///path"; others cannot be watched (-ENOTSUP): the netns directory alone tells. */
int watch_start(struct watch **out, const char *engine, struct captures *r, struct err *err);
/* Returns when the thread has ended, within about a second. NULL is accepted. */
void watch_stop(struct watch *w);

#endif
