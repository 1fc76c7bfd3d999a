/* SPDX-License-Identifier: Apache-2.0
 *
 * captures.h - the registry: every capture that this node knows, within bounds
 */
#ifndef CAPTURES_H
#define CAPTURES_H

#include "capture.h"

#define CAPTURES_KEPT_MAX 64		/* known at once, records of dropped ones included */
#define CAPTURES_RUNNING_MAX 16
#define CAPTURES_LIVE_MAX 4		/* live ones beside those; a feed is 6 MiB */
#define CAPTURES_LIVE_KEPT_MS 60000	/* a live one's report, after its end */
#define CAPTURES_KEEP_MS (24 * 3600 * 1000LL)	/* from a capture's end until it is dropped */

struct captures;

/* Positive results of captures_arm; err has the sentence. */
#define CAPTURES_E_AGAIN 1	/* the same request came before: *out is that capture */
#define CAPTURES_E_EXISTS 2	/* the id belongs to another request */
#define CAPTURES_E_TOO_MANY 3
#define CAPTURES_E_QUOTA 4
#define CAPTURES_E_FLOOR 5

struct captures *captures_new(const struct capture_env *env, int64_t keep_ms);
/* All captures must have ended (captures_stop_all). */
void captures_free(struct captures *r);

/* An event descriptor: readable once a capture has begun to follow. -1: there is none. */
int captures_news(const struct captures *r);

/* Arms; *out (a reference) on 0 and CAPTURES_E_AGAIN. arm is taken over when a capture is made. */
int captures_arm(struct captures *r, struct wire_arm *arm, const char *body_digest,
		 struct capture **out, struct err *err);
/* Recovery's: a finished one; the reference is taken over. */
void captures_adopt(struct captures *r, struct capture *c);
/* A reference, or NULL. */
struct capture *captures_find(struct captures *r, const char *id);
/* References to all, oldest id first; for captures_give_back. */
struct capture **captures_all(struct captures *r, size_t *n);
/* What captures_all gave: the references and the array. */
void captures_give_back(struct capture **all, size_t n);
/* Ends it when it runs, and removes it with its files. -ENOENT. */
int captures_remove(struct captures *r, const char *id, struct err *err);
void captures_stop_all(struct captures *r, enum wire_end end, const char *error);

struct captures_counts {
	size_t kept, running, live, unfetched, targets_running;	/* live: that run, not part of running */
};
void captures_count(struct captures *r, struct captures_counts *out);

/*
 * The spool's: drops the finished capture that ended first; false: none left.
 * When n bytes fit by now, because another thread was here, nothing is dropped.
 */
bool captures_make_room(void *registry, int64_t n);
/*
 * Leases, deadlines, state files, keep and the quota: often. Returns when the next capture reaches its limit of
 * time (monotonic; INT64_MAX: none does).
 */
int64_t captures_tick(struct captures *r);
void captures_container_died(struct captures *r, const char *container_id);

#endif
