/* SPDX-License-Identifier: Apache-2.0
 *
 * live_parts.h - what the live view's own files share; of no use to others
 */
#ifndef LIVE_PARTS_H
#define LIVE_PARTS_H

#include "fleet.h"
#include "live_merge.h"
#include "live_pipe.h"

/* One node's stream. */
struct live_node {
	struct live_view *view;
	struct live_pipe *pipe;
	size_t index;			/* in the fleet */
	char *name;
	struct link_clock clock;	/* under the view's lock */
	struct live_input *input;	/* the writer's; NULL: not seen yet */
};

/*
 * live_view.c: the streams that come in, and the thread that writes what is due. One bell wakes it; another
 * one, `ended`, becomes readable once it has ended.
 */
struct live_view;

struct live_view_plan {
	int out_fd;
	int64_t delay_ns;
	bool corrects_clocks;
};

/* How it ended: once `ended` is readable. */
struct live_view_end {
	struct live_merge_counts counts;
	bool viewer_gone;
	bool cut_short;			/* a stream was not over, or its packets were not all taken */
	struct err err;			/* code 0: nothing failed */
};

int live_view_start(struct live_view **out, const struct live_view_plan *p, struct err *err);
const struct fleet_streams *live_view_streams(struct live_view *v);
int live_view_ended_fd(const struct live_view *v);
/* How often the viewer has taken something: while that grows it is not standing still. */
uint64_t live_view_taken(const struct live_view *v);
/* The clocks as the fleet knows them by now. */
void live_view_set_clocks(struct live_view *v, struct fleet *f);
/* No stream begins any more: once all are over, statistics are written, and it ends. */
void live_view_finish(struct live_view *v);
/* The same, whatever is still to come of the streams. */
void live_view_hurry(struct live_view *v);
/* At once, with nothing more written. */
void live_view_give_up(struct live_view *v);
/* Waits for the thread; out as it ended. Whoever still fills a pipe is told that it is closed. */
void live_view_join(struct live_view *v, struct live_view_end *out);
/* Joined, and the fleet is gone. */
void live_view_free(struct live_view *v);

#endif
