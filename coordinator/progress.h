/* SPDX-License-Identifier: Apache-2.0
 *
 * progress.h - what a person sees while it runs, and what a program reads
 *
 * On a terminal one live line on stderr, rewritten in place; else, and where CI is set in the
 * environment, one line per event. With --json also one object per event on stdout (swarmcap(1)
 * lists them), and the counts once a second. Of the main thread only.
 */
#ifndef PROGRESS_H
#define PROGRESS_H

#include "fleet.h"
#include "log.h"

struct progress {
	const struct request *request;
	struct fleet *fleet;		/* its events and counts are shown; NULL: none */
	const char *doing; /* "capturing", "fetching", "packing": begins the live line */
	FILE *events;			/* where objects go: stdout with --json; NULL: nowhere */
	bool terminal;			/* there is a live line */
	bool shown;			/* it stands on the screen now */
	int64_t shown_ns;		/* monotonic: the last time counts were shown */
};

void progress_init(struct progress *p, const struct request *r);
/* fleet_watch.tick: shows the fleet's new events, and its counts once a second. */
void progress_tick(void *progress);
/* A line of talk, with the live line out of its way. */
void progress_say(struct progress *p, enum log_level level, const char *fmt, ...) PRINTF(3, 4);
/*
 * Behind a number of dropped packets: why, where that is more than the kernel's full ring.
 * " (9 by the kernel, 3 because the disk is too slow)"; "" when the agent dropped none. Free it.
 */
char *progress_why_dropped(int64_t by_kernel, int64_t by_agent);
/* The event "progress". New reference. */
json_t *progress_counts(const struct progress *p, const struct fleet_counts *c);
/* One object to p->events; event is consumed. */
void progress_event(struct progress *p, json_t *event);
/* The live line goes, and does not come back until `doing` is set again. */
void progress_end(struct progress *p);

#endif
