/* SPDX-License-Identifier: Apache-2.0
 *
 * capture_inside.h - what the files of a capture share; nobody else looks inside
 */
#ifndef CAPTURE_INSIDE_H
#define CAPTURE_INSIDE_H

#include "candidate.h"
#include "capture.h"
#include "feed.h"

#define CAPTURE_DIED_MAX 64

enum capture_following {
	FOLLOW_NOBODY,
	FOLLOW_ALL,
	FOLLOW_LAST,			/* it was stopped: whose namespaces are open still may join */
};

struct capture {
	struct capture_env env;
	struct wire_arm arm;
	int dirfd;
	char body_digest[DIGEST_HEX];
	struct feed *feed;		/* of a live one, which has no directory; else NULL */
	struct program *program;	/* of the request's filter, for all targets; NULL: it has none */
	struct target **targets;	/* as all that is counted by it, with room for those that join */
	size_t n_targets;		/* grows under lock */
	size_t n_planned;
	atomic_int refs;
	pthread_mutex_t persisting;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	/* under lock */
	struct wire_report report;	/* its token is kept in it and shown by one view only */
	bool arming, dirty, forgotten;
	bool suspended;			/* the agent ends, and the next life goes on (resume.c) */
	int64_t safe_ns;		/* wall: what came before is in the files */
	enum wire_end early_end;	/* asked for while it was arming */
	json_t *served;			/* names of files */
	int64_t deadline_ns, lease_ns;	/* monotonic */
	int64_t finished_ns;		/* wall */
	int64_t checked_ns;
	/* under persisting */
	int64_t life_ns;		/* monotonic: when life.json was written last */
	int64_t removed_told;		/* packets of removed files that it counts */
	/* capture_follow.c; under lock */
	struct candidates *candidates;	/* NULL: it follows nobody, or not yet; then for good */
	enum capture_following following;
	int64_t last_ns;		/* monotonic: when FOLLOW_LAST is over */
	bool swept;
	char died[CAPTURE_DIED_MAX][65];	/* containers, a ring: who joins may be dead by then */
	size_t n_died;			/* ever */
	unsigned joining;		/* targets that are neither armed nor failed yet */
	enum wire_end over_by;		/* asked of all: who joins too late ends by it at once */
	char *over_why;
};

/* Takes the lock. Targets below it are there for good. */
size_t capture_count_targets(struct capture *c);
struct target_env capture_target_env(struct capture *c);
/* Before any target is made, n_planned is known: arrays for all that may ever come. */
void capture_make_room(struct capture *c);
/* The lock is held: something is captured, or may be. */
bool capture_goes_on(const struct capture *c);

/* ---- capture_follow.c ---- */

/* In capture_arm, when its targets are open. */
void capture_follow_begin(struct capture *c);
/* The end was asked for: no packet that comes later is captured. */
void capture_follow_end(struct capture *c, enum wire_end end, const char *why);
/* FOLLOW_LAST: it is for capture_follow_tick to end. */
bool capture_is_lingering(struct capture *c);
/* Remembered for those that are about to join. */
void capture_follow_died(struct capture *c, const char *container_id);
void capture_follow_release(struct capture *c);

/* The lock is held. */
size_t capture_count_armed(const struct capture *c);
/* The lock is held. Finished is noticed by whoever looks first. */
void capture_settle(struct capture *c);
/* Writes the state file. No lock is held. */
void capture_persist(struct capture *c);

/* ---- resume.c ---- */

/* Writes life.json when it is time for that, or now. No lock is held. */
void capture_keep_life(struct capture *c, bool now);
/* A suspended capture's targets are shown as armed. The lock is held; texts are borrowed. */
void capture_disguise(const struct capture *c, struct wire_report *shallow);

#endif
