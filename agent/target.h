/* SPDX-License-Identifier: Apache-2.0
 *
 * target.h - one target of a capture: found, opened, drained, ended
 *
 *	target_new		nothing happens yet
 *	target_open		finds the namespace, makes ring and file; waits for engine and kernel
 *	targets_share		each namespace once
 *	target_start		packets come: armed, or failed. Cheap: all targets of a capture in one loop
 *	target_watch		the pump reads its ring from now on
 *	targets_stop		asks some to end; each drains, ends its files, and says so
 *	target_free		waits for its end
 *
 * What others see of a target is `seen`, an entry of the capture's report, guarded by the
 * capture's lock; every change of its state is broadcast on the capture's condition.
 */
#ifndef TARGET_H
#define TARGET_H

#include <pthread.h>

#include "feed.h"
#include "life.h"
#include "local.h"
#include "metrics.h"
#include "netns.h"
#include "sniff.h"
#include "spool.h"
#include "works.h"

/* Of a live capture: small, and who looks on wants to see it soon. */
#define TARGET_LIVE_RING_BYTES (512u << 10)
#define TARGET_LIVE_RETIRE_MS 50

/* Shared by all targets of a capture; outlives them. */
struct target_env {
	const struct node *node;
	struct spool *spool;
	struct metrics *metrics;
	struct works *works;
	const struct wire_arm *arm;
	int dirfd;
	pthread_mutex_t *lock;
	pthread_cond_t *changed;
	struct feed *feed;		/* of a live capture, which has no files; else NULL */
};

/* What target_open needs beside; e NULL: there is no engine, `why` says why. Likewise program. */
struct target_means {
	struct engine *engine;
	const struct err *why;
	const struct program *program;	/* of the request's filter; outlives the targets */
	const struct err *program_err;
	size_t ring_bytes;
};

/* A namespace that is captured already (candidate.h), to become a target. */
struct target_found {
	struct sniff *sniff;		/* taken over */
	const char *netns_file;
	struct netns_id netns;
	int64_t started_ns;		/* wall clock: it was bound */
};

struct target;

/*
 * number: of arm->targets. seen is zeroed but for its key and what is known of its container; it is undecided until
 * it is armed or has failed.
 */
struct target *target_new(const struct target_env *env, size_t number, struct wire_target *seen);
/*
 * One that a former life of the agent left; seen is as recovery found it. When it was being captured
 * (ARMED) target_open goes on with it, behind the files it has: then it stays ARMED, and what was
 * not captured since from_ns becomes a gap. Where that cannot be it ends: agent-lost, or the limit
 * that is reached.
 */
struct target *target_resume(const struct target_env *env, size_t number, struct wire_target *seen,
			     const struct life_target *life, int64_t from_ns);
/* It is being opened: neither armed, nor has it failed. */
bool target_is_undecided(const struct wire_target *seen);
/* These in order; the result stands in seen. Nothing happens to one that has failed. */
void target_open(struct target *t, const struct target_means *m);
/* Instead of target_open. */
void target_adopt(struct target *t, const struct target_found *f, const struct target_means *m);
/*
 * All are open, none is started: a container whose namespace is another target's, by the inode, lets go of its
 * ring and fails with same_as. With another filter it keeps its own.
 */
void targets_share(struct target *const *v, size_t n);
void target_start(struct target *t);
void target_watch(struct target *t);
/*
 * Those of v that are armed and not ending. No packet that comes later than this call is captured.
 * error may be NULL. The lock is not held.
 */
void targets_stop(struct target *const *v, size_t n, enum wire_end end, const char *error);
/* Ends it (task-ended) when its namespace is no longer shown in the netns directory. */
void target_check(struct target *t);
/*
 * The lock is held. Counters of the report and of removed files; the wall clock up to when all its
 * packets are in files for sure, INT64_MAX when it is not being captured.
 */
int64_t target_life(const struct target *t, struct life_target *out);
void target_free(struct target *t);

#endif
