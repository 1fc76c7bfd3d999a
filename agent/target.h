/* SPDX-License-Identifier: Apache-2.0
 *
 * target.h - one target of a capture: found, opened, drained, ended
 *
 *	target_new		nothing happens yet
 *	target_open		finds the namespace, opens handles and file: armed, or failed
 *	target_stop		asks it to end; its thread drains, ends its files, and says so
 *	target_free		waits for the thread
 *
 * What others see of a target is `seen`, an entry of the capture's report, guarded by the
 * capture's lock; every change of its state is broadcast on the capture's condition.
 */
#ifndef TARGET_H
#define TARGET_H

#include <pthread.h>

#include "local.h"
#include "metrics.h"
#include "spool.h"

/* Shared by all targets of a capture; outlives them. */
struct target_env {
	const struct node *node;
	struct spool *spool;
	struct metrics *metrics;
	const struct wire_arm *arm;
	int dirfd;
	pthread_mutex_t *lock;
	pthread_cond_t *changed;
};

struct target;

/* number: of arm->targets. seen is zeroed but for its key; it becomes FAILED until it is armed. */
struct target *target_new(const struct target_env *env, size_t number, struct wire_target *seen);
/* e may be NULL with `why` saying why there is no engine. The result stands in seen. */
void target_open(struct target *t, struct engine *e, const struct err *why);
/* Without effect on a target that is ending or not armed. error may be NULL. Lock not held. */
void target_stop(struct target *t, enum wire_end end, int64_t stop_ns, const char *error);
/* Ends it (task-ended) when its namespace is no longer shown in the netns directory. */
void target_check(struct target *t);
void target_free(struct target *t);

#endif
