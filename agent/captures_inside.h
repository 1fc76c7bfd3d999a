/* SPDX-License-Identifier: Apache-2.0
 *
 * captures_inside.h - what captures.c and captures_room.c share
 */
#ifndef CAPTURES_INSIDE_H
#define CAPTURES_INSIDE_H

#include "captures.h"

struct captures {
	struct capture_env env;
	int64_t keep_ms;
	int news;
	pthread_mutex_t lock;
	struct capture *list[CAPTURES_KEPT_MAX];	/* by id */
	size_t n;
	pthread_mutex_t arming;		/* held from counting those that run to one more; before room */
	pthread_mutex_t room;		/* held while a capture is dropped; taken before all others */
	int64_t stopped_ns;		/* the tick's: when it ended a target last */
};

/* ---- captures_room.c ---- */

/* A reference to the finished capture that makes place for a new one; NULL: all run. */
struct capture *captures_for_place(struct captures *r);
/* Drops it when its time is over, whether or not the spool is full. */
void captures_drop_expired(struct captures *r, struct capture *c);
/* The tick's look at the marks: drops, or ends the largest target. */
void captures_hold_quota(struct captures *r);

#endif
