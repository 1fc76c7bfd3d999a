/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.c - one capture on this node
 *
 * `report` is what the API shows and what the spool keeps: one truth. It and its targets' entries
 * are guarded by `lock`; the targets' threads broadcast `changed`. The state file is written under
 * `persisting`, never under `lock`: fsync takes its time. Order: persisting before lock.
 *
 * A capture that nobody waits for ends by itself, by capture_tick, which the keeper calls several
 * times a second: by its deadline (all), and by its lease. That holds as long as an attached one
 * captures; of a detached one until its coordinator told that the window is open, so that one that
 * dies while it arms leaves nothing behind that runs for hours.
 */
#include "capture_inside.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define NETNS_CHECK_MS 2000	/* should the engine's event be missed */
#define LINGER_STEP_MS 5
#define CUT_OFF_MS 10000	/* after the end, for a viewer that does not read it */

/* ---- making and freeing ---- */

static struct capture *allocate(const struct capture_env *env)
{
	struct capture *c = xcalloc(1, sizeof(*c));

	c->env = *env;
	c->dirfd = -1;
	atomic_init(&c->refs, 1);
	pthread_mutex_init(&c->persisting, NULL);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
	c->served = json_array();
	return c;
}

static void fill_report(struct capture *c)
{
	struct wire_report *r = &c->report;
	const struct wire_arm *a = &c->arm;

	memcpy(r->id, a->id, sizeof(r->id));
	util_random_hex(r->token, (WIRE_TOKEN_HEX - 1) / 2);
	r->node_id = xstrdup(c->env.node->id);
	r->node_name = xstrdup(c->env.node->name);
	r->version = xstrdup(SWARMCAP_VERSION);
	r->running = true;
	r->attached = a->attached;
	r->live = a->live;
	r->context = json_incref(a->context);
	r->targets = xcalloc(a->n_targets, sizeof(*r->targets));
	r->n_targets = a->n_targets;
	for (size_t i = 0; i < a->n_targets; i++)
		r->targets[i].key = xstrdup(a->targets[i].key);
}

struct target_env capture_target_env(struct capture *c)
{
	return (struct target_env){
		.node = c->env.node, .spool = c->env.spool, .metrics = c->env.metrics,
		.works = c->env.works, .arm = &c->arm, .dirfd = c->dirfd, .lock = &c->lock,
		.changed = &c->changed, .feed = c->feed,
	};
}

static void *with_room(void *list, size_t have, size_t room, size_t size)
{
	list = xrealloc(list, room, size);
	memset((char *)list + have * size, 0, (room - have) * size);
	return list;
}

/* Entries that targets point at never move, whoever joins. */
void capture_make_room(struct capture *c)
{
	const size_t n = c->arm.n_targets;
	const size_t most = c->n_planned + (c->arm.n_follow ? WIRE_JOINED_MAX : 0);
	const size_t room = (n > most ? n : most) + 1;

	c->arm.targets = with_room(c->arm.targets, n, room, sizeof(*c->arm.targets));
	c->report.targets = with_room(c->report.targets, n, room, sizeof(*c->report.targets));
	c->targets = xcalloc(room, sizeof(struct target *));
	c->n_targets = n;
}

static void make_targets(struct capture *c)
{
	const struct target_env env = capture_target_env(c);

	c->n_planned = c->arm.n_targets;
	capture_make_room(c);
	for (size_t i = 0; i < c->n_targets; i++)
		c->targets[i] = target_new(&env, i, &c->report.targets[i]);
}

static void make_feed(struct capture *c)
{
	const struct wire_arm *a = &c->arm;
	const struct node *n = c->env.node;
	cleanup_free char *os = xasprintf("%s, host %s", n->kernel, n->name);
	cleanup_free struct pcapng_name *names = xcalloc(a->n_hosts + 1, sizeof(*names));
	const struct pcapng_section section = {
		.os = os, .application = "swarmcap " SWARMCAP_VERSION,
	};

	for (size_t i = 0; i < a->n_hosts; i++)
		names[i] = (struct pcapng_name){ .address = a->hosts[i].address,
						 .name = a->hosts[i].name };
	c->feed = feed_new(&section, names, a->n_hosts);
}

int capture_new(struct capture **out, const struct capture_env *env, struct wire_arm *arm,
		const char *body_digest, struct err *err)
{
	struct capture *c;
	int dirfd = -1, r = arm->live ? 0 : spool_create_dir(env->spool, arm->id, &dirfd, err);

	if (r)
		return r;
	c = allocate(env);
	c->dirfd = dirfd;
	c->arm = *arm;
	*arm = (struct wire_arm){ 0 };
	snprintf(c->body_digest, sizeof(c->body_digest), "%s", body_digest);
	c->arming = true;
	c->deadline_ns = clock_mono_ns() + c->arm.deadline_ms * NS_PER_MS;
	c->lease_ns = clock_mono_ns() + c->arm.lease_ms * NS_PER_MS;
	c->safe_ns = clock_wall_ns();
	fill_report(c);
	if (c->arm.live)
		make_feed(c);
	make_targets(c);
	*out = c;
	return 0;
}

struct capture *capture_restore(const struct capture_env *env, int dirfd,
				struct wire_report *report, const char *body_digest, json_t *served,
				int64_t finished_ns)
{
	struct capture *c = allocate(env);

	c->dirfd = dirfd;
	c->report = *report;
	*report = (struct wire_report){ 0 };
	snprintf(c->body_digest, sizeof(c->body_digest), "%s", body_digest);
	if (json_is_array(served)) {
		json_decref(c->served);
		c->served = json_incref(served);
	}
	c->finished_ns = finished_ns;
	c->dirty = true;
	return c;
}

struct capture *capture_ref(struct capture *c)
{
	atomic_fetch_add(&c->refs, 1);
	return c;
}

void capture_unref(struct capture *c)
{
	if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
		return;
	for (size_t i = 0; i < c->n_targets; i++)
		target_free(c->targets[i]);
	free(c->targets);
	capture_follow_release(c);
	program_free(c->program);
	feed_free(c->feed);
	wire_report_release(&c->report);
	wire_arm_release(&c->arm);
	json_decref(c->served);
	util_close(c->dirfd);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
	pthread_mutex_destroy(&c->persisting);
	free(c);
}

const char *capture_id(const struct capture *c)
{
	return c->report.id;
}

bool capture_is_from(const struct capture *c, const char *body_digest)
{
	return *c->body_digest && !strcmp(c->body_digest, body_digest);
}

size_t capture_count_targets(struct capture *c)
{
	size_t n;

	pthread_mutex_lock(&c->lock);
	n = c->n_targets;
	pthread_mutex_unlock(&c->lock);
	return n;
}

/* ---- ending ---- */

void capture_stop(struct capture *c, enum wire_end end, const char *error)
{
	bool arming;

	pthread_mutex_lock(&c->lock);
	arming = c->arming;
	if (arming && !c->early_end)
		c->early_end = end;
	if (end != WIRE_END_AGENT_LOST)
		c->suspended = false;	/* it is to end, not to go on */
	pthread_mutex_unlock(&c->lock);
	if (arming)
		return;
	capture_follow_end(c, end, error);
	targets_stop(c->targets, capture_count_targets(c), end, error);
}

void capture_wait(struct capture *c)
{
	bool dirty;

	while (capture_is_lingering(c)) {
		capture_follow_tick(c);
		clock_sleep_ms(LINGER_STEP_MS);
	}
	pthread_mutex_lock(&c->lock);
	while (capture_goes_on(c))
		pthread_cond_wait(&c->changed, &c->lock);
	capture_settle(c);
	dirty = c->dirty;
	pthread_mutex_unlock(&c->lock);
	if (dirty)
		capture_persist(c);
}

int capture_renew(struct capture *c, const char *token, int64_t window_start_ns)
{
	int r = -EACCES;

	pthread_mutex_lock(&c->lock);
	if (*c->report.token && !strcmp(c->report.token, token)) {
		c->lease_ns = clock_mono_ns() + c->arm.lease_ms * NS_PER_MS;
		if (window_start_ns > 0 && !c->report.window_start_ns) {
			c->report.window_start_ns = window_start_ns;
			c->dirty = true;
		}
		r = 0;
	}
	pthread_mutex_unlock(&c->lock);
	return r;
}

void capture_set_window_stop(struct capture *c, int64_t ns)
{
	pthread_mutex_lock(&c->lock);
	if (ns > 0 && !c->report.window_stop_ns) {
		c->report.window_stop_ns = ns;
		c->dirty = true;
	}
	pthread_mutex_unlock(&c->lock);
}

/* The lock is held. The number of targets when none is being captured. */
static size_t find_largest(const struct capture *c)
{
	size_t best = c->n_targets;

	for (size_t i = 0; i < c->n_targets; i++)
		if (c->report.targets[i].state == WIRE_ARMED &&
		    (best == c->n_targets ||
		     c->report.targets[i].bytes > c->report.targets[best].bytes))
			best = i;
	return best;
}

int64_t capture_largest(struct capture *c)
{
	size_t i;
	int64_t bytes = 0;

	pthread_mutex_lock(&c->lock);
	i = c->arming || c->feed ? c->n_targets : find_largest(c);
	if (i < c->n_targets)
		bytes = c->report.targets[i].bytes;
	pthread_mutex_unlock(&c->lock);
	return bytes;
}

int64_t capture_stop_largest(struct capture *c, enum wire_end end)
{
	int64_t bytes = 0;
	size_t i;

	pthread_mutex_lock(&c->lock);
	i = c->arming ? c->n_targets : find_largest(c);
	if (i < c->n_targets)
		bytes = c->report.targets[i].bytes;
	pthread_mutex_unlock(&c->lock);
	if (i < c->n_targets)
		targets_stop(&c->targets[i], 1, end, NULL);
	return bytes;
}

void capture_container_died(struct capture *c, const char *container_id)
{
	size_t n;

	capture_follow_died(c, container_id);
	n = capture_count_targets(c);
	for (size_t i = 0; i < n; i++) {
		const char *id = c->arm.targets[i].container_id;

		if (id && !strcmp(id, container_id))
			targets_stop(&c->targets[i], 1, WIRE_END_TASK_ENDED, NULL);
	}
}

/* The lock is held. */
static bool has_lease(const struct capture *c)
{
	return c->arm.attached || (c->arm.lease_ms && !c->report.window_start_ns);
}

/* The end has been told to its viewer; one that does not take it is cut off. */
static void tick_live(struct capture *c)
{
	bool late;

	pthread_mutex_lock(&c->lock);
	late = !c->report.running && clock_wall_ns() - c->finished_ns > CUT_OFF_MS * NS_PER_MS;
	pthread_mutex_unlock(&c->lock);
	if (late)
		feed_cut_off(c->feed);
}

int64_t capture_tick(struct capture *c)
{
	int64_t now = clock_mono_ns(), limit = INT64_MAX;
	enum wire_end end = WIRE_END_NONE;
	bool dirty, check;
	size_t n;

	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	n = c->n_targets;
	if (c->report.running)
		limit = has_lease(c) && c->lease_ns < c->deadline_ns ? c->lease_ns : c->deadline_ns;
	if (now >= limit)
		end = now >= c->deadline_ns ? WIRE_END_DURATION : WIRE_END_LEASE_EXPIRED;
	check = c->report.running && !c->arming && now - c->checked_ns > NETNS_CHECK_MS * NS_PER_MS;
	if (check)
		c->checked_ns = now;
	dirty = c->dirty && !c->arming;
	pthread_mutex_unlock(&c->lock);
	if (end)
		capture_stop(c, end, NULL);
	if (capture_is_lingering(c))
		capture_follow_tick(c);
	for (size_t i = 0; check && i < n; i++)
		target_check(c->targets[i]);
	if (dirty)
		capture_persist(c);
	if (c->feed)
		tick_live(c);
	else
		capture_keep_life(c, false);
	return end ? INT64_MAX : limit;
}

