/* SPDX-License-Identifier: Apache-2.0
 *
 * captures.c - the registry of captures
 *
 * The lock guards the list only. It is never held while a capture does something: whoever
 * wants that takes references first (captures_all) and lets the lock go.
 *
 * Keeping. What nobody fetched and removed within `keep` of its end is dropped by the tick; a record
 * of it stays.
 */
#include "captures_inside.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

struct captures *captures_new(const struct capture_env *env, int64_t keep_ms)
{
	struct captures *r = xcalloc(1, sizeof(*r));

	r->env = *env;
	r->news = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r->env.news = &r->news;
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
	util_close(r->news);
	free(r);
}

int captures_news(const struct captures *r)
{
	return r->news;
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

void captures_give_back(struct capture **all, size_t n)
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

	out->running = out->live = out->unfetched = out->targets_running = 0;
	for (size_t i = 0; i < out->kept; i++) {
		struct capture_facts f;

		capture_facts(all[i], &f);
		out->running += f.running && !f.live;
		out->live += f.running && f.live;
		out->unfetched += !f.running && !f.fetched && !f.dropped && f.files;
		out->targets_running += f.targets_armed;
	}
	captures_give_back(all, out->kept);
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

static int too_many_live(struct err *err)
{
	err_set(err, -EBUSY, "%d live views run on this node already", CAPTURES_LIVE_MAX);
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
	c = captures_for_place(r);
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
	capture_unref(known);
	if (!known && arm->live && counts.live >= CAPTURES_LIVE_MAX)
		return too_many_live(err);
	if (!known && !arm->live && counts.running >= CAPTURES_RUNNING_MAX)
		return too_many(err, "run on this node", CAPTURES_RUNNING_MAX);
	if (!known && !arm->live)
		result = check_room(r, err);
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
	result = capture_feed(c) ? 0 : spool_remove_dir(r->env.spool, capture_id(c), err);
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
	captures_give_back(all, n);
}

/* Nothing is left of a live capture but its report. */
static void forget_live(struct captures *r, struct capture *c)
{
	struct capture_facts f;

	capture_facts(c, &f);
	if (f.live && !f.running &&
	    clock_wall_ns() - f.finished_ns > CAPTURES_LIVE_KEPT_MS * NS_PER_MS)
		captures_remove(r, capture_id(c), NULL);
}

int64_t captures_tick(struct captures *r)
{
	int64_t next = INT64_MAX;
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++) {
		int64_t limit = capture_tick(all[i]);

		next = limit < next ? limit : next;
		captures_drop_expired(r, all[i]);
		forget_live(r, all[i]);
	}
	captures_give_back(all, n);
	captures_hold_quota(r);
	return next;
}

void captures_container_died(struct captures *r, const char *container_id)
{
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++)
		capture_container_died(all[i], container_id);
	captures_give_back(all, n);
}
