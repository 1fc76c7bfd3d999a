/* SPDX-License-Identifier: Apache-2.0
 *
 * captures.c - the registry of captures
 *
 * The lock guards the list only. It is never held while a capture does something: whoever
 * wants that takes references first (captures_all) and lets the lock go.
 *
 * Keeping. What nobody fetched and removed within `keep` of its end is dropped by the tick; a record
 * of it stays.
 *
 * Room in the spool. Writers are refused at the quota and at the floor (spool_take); at the
 * quota finished captures are dropped first, one after another. So that not every writer runs into
 * the wall together, the tick watches a mark a little before it (QUOTA_MARK, FLOOR_*): there it
 * drops finished captures ahead of time, and when there are none left it ends the largest
 * target, one per second, while the others go on. At the floor nothing is dropped: others may have
 * filled the disk, and an unfetched capture is not the price for that. Several that come for room
 * at once do so one after another, under `room`: the first one's drop may be enough for all.
 */
#include "captures.h"
#include "log.h"
#include "segment.h"

#include <errno.h>
#include <string.h>

#define QUOTA_MARK 16			/* the mark lies 1/16 of the quota below it */
#define FLOOR_MARK (64LL << 20)		/* and so many bytes above the floor, */
#define FLOOR_SHARE 16			/* or 1/16 of a small file system */
#define STOP_EVERY_MS 1000

struct captures {
	struct capture_env env;
	int64_t keep_ms;
	pthread_mutex_t lock;
	struct capture *list[CAPTURES_KEPT_MAX];	/* by id */
	size_t n;
	pthread_mutex_t arming;		/* held from counting those that run to one more; before room */
	pthread_mutex_t room;		/* held while a capture is dropped; taken before all others */
	int64_t stopped_ns;		/* the tick's: when it ended a target last */
};

struct captures *captures_new(const struct capture_env *env, int64_t keep_ms)
{
	struct captures *r = xcalloc(1, sizeof(*r));

	r->env = *env;
	r->keep_ms = keep_ms;
	pthread_mutex_init(&r->lock, NULL);
	pthread_mutex_init(&r->arming, NULL);
	pthread_mutex_init(&r->room, NULL);
	return r;
}

void captures_free(struct captures *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++)
		capture_unref(r->list[i]);
	pthread_mutex_destroy(&r->lock);
	pthread_mutex_destroy(&r->arming);
	pthread_mutex_destroy(&r->room);
	free(r);
}

/* ---- the list ---- */

/* The lock is held. n when it is not there. */
static size_t position(const struct captures *r, const char *id)
{
	size_t i = 0;

	while (i < r->n && strcmp(capture_id(r->list[i]), id))
		i++;
	return i;
}

/* The lock is held, and there is room. */
static void insert(struct captures *r, struct capture *c)
{
	size_t i = r->n++;

	for (; i && strcmp(capture_id(r->list[i - 1]), capture_id(c)) > 0; i--)
		r->list[i] = r->list[i - 1];
	r->list[i] = c;
}

/* Out of the list; the list's reference becomes the caller's. */
static struct capture *take_out(struct captures *r, const char *id)
{
	struct capture *c = NULL;
	size_t i;

	pthread_mutex_lock(&r->lock);
	i = position(r, id);
	if (i < r->n) {
		c = r->list[i];
		r->n--;
		memmove(&r->list[i], &r->list[i + 1], (r->n - i) * sizeof(r->list[0]));
	}
	pthread_mutex_unlock(&r->lock);
	return c;
}

struct capture *captures_find(struct captures *r, const char *id)
{
	struct capture *c = NULL;
	size_t i;

	pthread_mutex_lock(&r->lock);
	i = position(r, id);
	if (i < r->n)
		c = capture_ref(r->list[i]);
	pthread_mutex_unlock(&r->lock);
	return c;
}

struct capture **captures_all(struct captures *r, size_t *n)
{
	struct capture **all = xcalloc(CAPTURES_KEPT_MAX + 1, sizeof(struct capture *));

	pthread_mutex_lock(&r->lock);
	*n = r->n;
	for (size_t i = 0; i < r->n; i++)
		all[i] = capture_ref(r->list[i]);
	pthread_mutex_unlock(&r->lock);
	return all;
}

static void give_back(struct capture **all, size_t n)
{
	for (size_t i = 0; i < n; i++)
		capture_unref(all[i]);
	free(all);
}

void captures_adopt(struct captures *r, struct capture *c)
{
	pthread_mutex_lock(&r->lock);
	if (r->n < CAPTURES_KEPT_MAX) {
		insert(r, c);
		c = NULL;
	}
	pthread_mutex_unlock(&r->lock);
	if (c)
		log_warn("capture %s: more captures lie in the spool than are kept", capture_id(c));
	capture_unref(c);
}

void captures_count(struct captures *r, struct captures_counts *out)
{
	struct capture **all = captures_all(r, &out->kept);

	out->running = out->unfetched = out->targets_running = 0;
	for (size_t i = 0; i < out->kept; i++) {
		struct capture_facts f;

		capture_facts(all[i], &f);
		out->running += f.running;
		out->unfetched += !f.running && !f.fetched && !f.dropped && f.files;
		out->targets_running += f.targets_armed;
	}
	give_back(all, out->kept);
}

/* ---- room ---- */

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
	give_back(all, n);
	return best;
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

/* Its time is over, whether or not the spool is full. */
static void drop_expired(struct captures *r, struct capture *c)
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
	give_back(all, n);
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

static void hold_quota(struct captures *r)
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

/* ---- arm, remove, tick ---- */

static int check_room(struct captures *r, struct err *err)
{
	int pressure;

	while ((pressure = spool_pressure(r->env.spool, 1)) == -EDQUOT && captures_make_room(r, 1))
		continue;
	if (pressure == -EDQUOT) {
		err_set(err, -EDQUOT, "the spool's quota is reached on node %s", r->env.node->name);
		return CAPTURES_E_QUOTA;
	}
	if (pressure) {
		err_set(err, -ENOSPC, "the spool's file system is down to its floor on node %s",
			r->env.node->name);
		return CAPTURES_E_FLOOR;
	}
	return 0;
}

static int too_many(struct err *err, const char *what, int max)
{
	err_set(err, -EBUSY, "%d captures %s already: see `swarmcap rm`", max, what);
	return CAPTURES_E_TOO_MANY;
}

/* Makes the capture and puts it into the list in one step: of two equal requests one is first. */
static int enter(struct captures *r, struct wire_arm *arm, const char *digest,
		 struct capture **out, struct err *err)
{
	int result;
	size_t i;

	pthread_mutex_lock(&r->lock);
	i = position(r, arm->id);
	if (i < r->n) {
		*out = capture_ref(r->list[i]);
		result = CAPTURES_E_AGAIN;
	} else if (r->n == CAPTURES_KEPT_MAX) {
		result = too_many(err, "are kept on this node", CAPTURES_KEPT_MAX);
	} else {
		result = capture_new(out, &r->env, arm, digest, err);
		if (!result)
			insert(r, capture_ref(*out));
	}
	pthread_mutex_unlock(&r->lock);
	return result;
}

/* Records and fetched captures make place for a new one. */
static void make_place(struct captures *r)
{
	struct captures_counts counts;
	struct capture *c;

	captures_count(r, &counts);
	if (counts.kept < CAPTURES_KEPT_MAX)
		return;
	c = choose(r, rank_for_place);
	if (c)
		captures_remove(r, capture_id(c), NULL);
	capture_unref(c);
}

/* Two at once must not both be the last one that there is room for. */
static int admit(struct captures *r, struct wire_arm *arm, const char *body_digest,
		 struct capture **out, struct err *err)
{
	struct captures_counts counts;
	struct capture *known = captures_find(r, arm->id);
	int result = 0;

	captures_count(r, &counts);
	if (!known && counts.running >= CAPTURES_RUNNING_MAX)
		return too_many(err, "run on this node", CAPTURES_RUNNING_MAX);
	if (!known)
		result = check_room(r, err);
	capture_unref(known);
	if (result)
		return result;
	make_place(r);
	return enter(r, arm, body_digest, out, err);
}

int captures_arm(struct captures *r, struct wire_arm *arm, const char *body_digest,
		 struct capture **out, struct err *err)
{
	int result;

	*out = NULL;
	pthread_mutex_lock(&r->arming);
	result = admit(r, arm, body_digest, out, err);
	pthread_mutex_unlock(&r->arming);
	if (!result)
		capture_arm(*out);
	if (result != CAPTURES_E_AGAIN)
		return result;
	if (capture_is_from(*out, body_digest)) {
		capture_wait_armed(*out);
		return result;
	}
	capture_unref(*out);
	*out = NULL;
	err_set(err, -EEXIST, "capture %s exists already and is another", arm->id);
	return CAPTURES_E_EXISTS;
}

int captures_remove(struct captures *r, const char *id, struct err *err)
{
	struct capture *c = take_out(r, id);
	int result;

	if (!c)
		return err_set(err, -ENOENT, "no capture %s on this node", id);
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
	capture_forget(c);
	result = spool_remove_dir(r->env.spool, capture_id(c), err);
	capture_unref(c);
	return result;
}

void captures_stop_all(struct captures *r, enum wire_end end, const char *error)
{
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++)
		capture_stop(all[i], end, error);
	for (size_t i = 0; i < n; i++)
		capture_wait(all[i]);
	give_back(all, n);
}

void captures_tick(struct captures *r)
{
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++) {
		capture_tick(all[i]);
		drop_expired(r, all[i]);
	}
	give_back(all, n);
	hold_quota(r);
}

void captures_container_died(struct captures *r, const char *container_id)
{
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++)
		capture_container_died(all[i], container_id);
	give_back(all, n);
}
