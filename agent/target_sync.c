/* SPDX-License-Identifier: Apache-2.0
 *
 * target_sync.c - one target of a capture: what was written is brought to the disk from time to time
 *
 * A node that loses its power loses what only its caches hold. So every TARGET_SYNC_MS the files are
 * synced, by the syncer: the pump hands over descriptors of their own, and never waits. When
 * that is done it is known up to when all packets are on the disk; this is where a gap begins at
 * the latest when nothing more is heard of this life (life.h).
 */
#include "target_inside.h"

#define TARGET_SYNC_MS 4500		/* with the next tick, so every 5 s */
/* What is older has left ring (two retire intervals) and memory (FLUSH_MS, a late tick, what the disk holds). */
#define UNDER_WAY_MS (2 * SNIFF_RETIRE_MS + 2500)

static void synced(struct target *t, bool good)
{
	pthread_mutex_lock(t->env.lock);
	if (good && t->syncing_from_ns > t->safe_ns)
		t->safe_ns = t->syncing_from_ns;
	t->syncing = false;
	pthread_mutex_unlock(t->env.lock);
}

static void end_sync(void *target, bool good)
{
	synced(target, good);
	target_end_job(target);
}

void target_sync(struct target *t, int64_t now_ns)
{
	bool syncing;

	if (!t->synced_ns)
		t->synced_ns = now_ns;
	if (now_ns - t->synced_ns < TARGET_SYNC_MS * NS_PER_MS)
		return;
	pthread_mutex_lock(t->env.lock);
	syncing = t->syncing;
	t->syncing = true;
	pthread_mutex_unlock(t->env.lock);
	if (syncing)
		return;
	t->synced_ns = now_ns;
	/* a disk that is behind has orders in its queue which this sync does not reach */
	t->syncing_from_ns = disk_is_short(t->env.works->disk)
				     ? 0 : clock_wall_ns() - UNDER_WAY_MS * NS_PER_MS;
	t->sync = (struct sync_job){ .done = end_sync, .arg = t };
	t->sync.n_fds = fileset_share(t->files, &t->sync.fds);
	if (t->sync.n_fds) {
		target_begin_job(t);
		syncer_add(t->env.works->syncer, &t->sync);
		return;
	}
	util_freep(&t->sync.fds);
	synced(t, true);
}
