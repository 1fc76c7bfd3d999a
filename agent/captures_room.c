/* SPDX-License-Identifier: Apache-2.0
 *
 * captures_room.c - who goes when the spool is full, or the list
 *
 * Writers are refused at the quota and at the floor (spool_take); at the
 * quota finished captures are dropped first, one after another. So that not every writer runs into
 * the wall together, the tick watches a mark a little before it (QUOTA_MARK, FLOOR_*): there it
 * drops finished captures ahead of time, and when there are none left it ends the largest
 * target, one per second, while the others go on. At the floor nothing is dropped: others may have
 * filled the disk, and an unfetched capture is not the price for that. Several that come for room
 * at once do so one after another, under `room`: the first one's drop may be enough for all.
 */
#include "captures_inside.h"
#include "log.h"
#include "segment.h"

#include <errno.h>

#define QUOTA_MARK 16			/* the mark lies 1/16 of the quota below it */
#define FLOOR_MARK (64LL << 20)		/* and so many bytes above the floor, */
#define FLOOR_SHARE 16			/* or 1/16 of a small file system */
#define STOP_EVERY_MS 1000

/* What goes first has the higher rank; 0: stays. */
static int rank_for_room(const struct capture_facts *f)
{
	return !f->running && !f->dropped && f->files;
}

static int rank_for_place(const struct capture_facts *f)
{
	if (f->running)
		return 0;
	if (f->dropped || !f->files)
		return 2;
	return f->fetched;
}

/* A reference to the capture of the highest rank, among equals the one that finished first. */
static struct capture *choose(struct captures *r, int rank(const struct capture_facts *))
{
	struct capture *best = NULL;
	struct capture_facts f;
	int64_t best_finished = 0;
	int best_rank = 0, one;
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++) {
		capture_facts(all[i], &f);
		one = rank(&f);
		if (one < best_rank || !one || (one == best_rank && f.finished_ns >= best_finished))
			continue;
		capture_unref(best);
		best = capture_ref(all[i]);
		best_rank = one;
		best_finished = f.finished_ns;
	}
	captures_give_back(all, n);
	return best;
}

struct capture *captures_for_place(struct captures *r)
{
	return choose(r, rank_for_place);
}

static bool drop_one(struct captures *r)
{
	struct capture *c = choose(r, rank_for_room);
	struct err err = ERR_INIT;

	if (!c)
		return false;
	log_warn("capture %s: dropped, the spool needs its room", capture_id(c));
	if (capture_drop(c, "the spool needed its room", &err))
		log_error("%s", err.text);
	capture_unref(c);
	return true;
}

bool captures_make_room(void *registry, int64_t n)
{
	struct captures *r = registry;
	bool made;

	pthread_mutex_lock(&r->room);
	made = spool_pressure(r->env.spool, n) != -EDQUOT || drop_one(r);
	pthread_mutex_unlock(&r->room);
	return made;
}

void captures_drop_expired(struct captures *r, struct capture *c)
{
	struct err err = ERR_INIT;
	struct capture_facts f;

	capture_facts(c, &f);
	if (!rank_for_room(&f) || clock_wall_ns() - f.finished_ns <= r->keep_ms * NS_PER_MS)
		return;
	log_warn("capture %s: dropped, nobody fetched it in time", capture_id(c));
	if (capture_drop(c, "it was kept for as long as --keep says", &err))
		log_error("%s", err.text);
}

/* Of more than `most` bytes. */
static struct capture *find_largest(struct captures *r, int64_t most)
{
	struct capture *best = NULL;
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++) {
		int64_t bytes = capture_largest(all[i]);

		if (bytes <= most)
			continue;
		most = bytes;
		capture_unref(best);
		best = capture_ref(all[i]);
	}
	captures_give_back(all, n);
	return best;
}

static int pressure_at_mark(struct captures *r)
{
	struct spool_room room;
	int64_t mark;

	spool_room(r->env.spool, &room);
	mark = room.size / FLOOR_SHARE < FLOOR_MARK ? room.size / FLOOR_SHARE : FLOOR_MARK;
	if (room.free < room.floor + mark)
		return spool_pressure(r->env.spool, mark);
	return room.used > room.quota - room.quota / QUOTA_MARK ? -EDQUOT : 0;
}

void captures_hold_quota(struct captures *r)
{
	int64_t now = clock_mono_ns();
	struct capture *c;
	int pressure;

	pthread_mutex_lock(&r->room);
	while ((pressure = pressure_at_mark(r)) == -EDQUOT && drop_one(r))
		continue;
	pthread_mutex_unlock(&r->room);
	if (!pressure || now - r->stopped_ns < STOP_EVERY_MS * NS_PER_MS)
		return;
	/* who has not used up its first room does not grow into anybody's: the one that did has ended */
	c = find_largest(r, pressure == -EDQUOT ? SEGMENT_ROOM_STEP : 0);
	if (!c)
		return;
	r->stopped_ns = now;
	log_warn("capture %s: its largest target is ended, the spool is full", capture_id(c));
	capture_stop_largest(c, pressure == -EDQUOT ? WIRE_END_QUOTA : WIRE_END_DISK_FLOOR);
	capture_unref(c);
}
