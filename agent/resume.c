/* SPDX-License-Identifier: Apache-2.0
 *
 * resume.c - a capture outlives its agent
 *
 * While a capture is suspended its targets have ended, and its report says that they are armed, as it
 * will be true again soon: a coordinator goes on asking, and renews its lease. Who wants its end meanwhile
 * gets it (capture_stop).
 */
#include "resume.h"
#include "capture_inside.h"
#include "log.h"

#include <errno.h>
#include <string.h>

/* What joined a former life's capture goes on as if it had been asked for. */
static void add_joined(struct wire_arm *arm, const struct wire_report *r,
		       const struct wire_joined *j)
{
	const struct wire_target *seen = &r->targets[arm->n_targets];

	arm->targets = xrealloc(arm->targets, arm->n_targets + 1, sizeof(*arm->targets));
	arm->targets[arm->n_targets++] = (struct wire_wanted){
		.key = xstrdup(seen->key), .kind = WIRE_TASK, .label = xstrdup(seen->key),
		.container_id = xstrdup_null(seen->container_id), .task_id = xstrdup_null(j->task_id),
		.networks = wire_networks_copy(j->networks, j->n_networks),
		.n_networks = j->n_networks,
	};
}

bool resume_may(int dirfd, const struct wire_report *r, const struct life *l, struct wire_arm *arm)
{
	cleanup_json json_t *request = NULL;
	int64_t now = clock_mono_ns();
	bool good;

	if (!r->running || r->window_stop_ns || r->dropped || now >= l->deadline_ns ||
	    l->deadline_ns - now > WIRE_DEADLINE_MAX_MS * NS_PER_MS ||
	    (r->attached && now >= l->lease_ns))
		return false;
	if (spool_read_json(dirfd, SPOOL_REQUEST, &request, NULL))
		return false;
	/* those that joined stand behind those of the request */
	good = !wire_arm_decode(request, arm, NULL) &&
	       arm->n_targets + r->n_joined == r->n_targets;
	for (size_t i = 0; good && i < arm->n_targets; i++)
		good = !strcmp(arm->targets[i].key, r->targets[i].key);
	for (size_t i = 0; good && i < r->n_joined; i++)
		good = !strcmp(r->joined[i].key, r->targets[arm->n_targets + i].key);
	if (!good) {
		wire_arm_release(arm);
		*arm = (struct wire_arm){ 0 };
	}
	for (size_t i = 0; good && i < r->n_joined; i++)
		add_joined(arm, r, &r->joined[i]);
	return good;
}

int64_t resume_gap_begin(const struct wire_target *t, const struct life *l)
{
	int64_t now = clock_wall_ns(), from = t->stopped_ns;

	if (from)
		return from;
	from = t->started_ns > l->safe_ns ? t->started_ns : l->safe_ns;
	for (size_t i = 0; i < t->n_files; i++)
		if (t->files[i].last_ns > from)
			from = t->files[i].last_ns;
	return from < now ? from : now;
}

static void make_targets(struct capture *c, const struct life *l)
{
	const struct target_env env = capture_target_env(c);
	const struct life_target none = { 0 };

	c->n_planned = c->arm.n_targets - c->report.n_joined;
	capture_make_room(c);
	for (size_t i = 0; i < c->n_targets; i++) {
		struct wire_target *seen = &c->report.targets[i];

		c->targets[i] = target_resume(&env, i, seen,
					      i < l->n_targets ? &l->targets[i] : &none,
					      resume_gap_begin(seen, l));
	}
}

static void go_on(void *job)
{
	struct capture *c = job;
	struct capture_facts f;

	capture_arm(c);
	capture_facts(c, &f);
	log_info("capture %s: goes on with %zu of %zu targets", capture_id(c), f.targets_armed,
		 c->n_targets);
	capture_unref(c);
}

struct capture *resume(const struct capture_env *env, int dirfd, struct resume_plan *p)
{
	struct capture *c = capture_restore(env, dirfd, &p->report, p->life.body_digest, p->served,
					    0);

	c->arm = p->arm;
	p->arm = (struct wire_arm){ 0 };
	memcpy(c->report.token, p->life.token, sizeof(c->report.token));
	c->deadline_ns = p->life.deadline_ns;
	c->lease_ns = p->life.lease_ns;
	c->safe_ns = p->life.safe_ns;
	c->arming = true;
	make_targets(c, &p->life);
	crew_run(env->works->crew, go_on, capture_ref(c));
	return c;
}

/* ---- what the next life needs ---- */

/* The lock is held. */
static void fill_life(struct capture *c, struct life *l)
{
	int64_t safe = INT64_MAX;

	memcpy(l->token, c->report.token, sizeof(l->token));
	memcpy(l->body_digest, c->body_digest, sizeof(l->body_digest));
	l->deadline_ns = c->deadline_ns;
	l->lease_ns = c->lease_ns;
	l->n_targets = c->n_targets;
	l->targets = xcalloc(c->n_targets + 1, sizeof(*l->targets));
	for (size_t i = 0; i < c->n_targets; i++) {
		int64_t one = target_life(c->targets[i], &l->targets[i]);

		safe = one < safe ? one : safe;
	}
	if (safe != INT64_MAX && safe > c->safe_ns)
		c->safe_ns = safe;
	l->safe_ns = c->safe_ns;
}

/* Persisting is held. */
static void write_life(struct capture *c)
{
	struct life l = { 0 };

	pthread_mutex_lock(&c->lock);
	fill_life(c, &l);
	pthread_mutex_unlock(&c->lock);
	life_write(c->dirfd, &l, NULL);
	life_release(&l);
}

/* A ring of files let one go since it was written last. */
static bool is_stale(struct capture *c)
{
	struct life_target one;
	int64_t removed = 0;

	pthread_mutex_lock(&c->lock);
	for (size_t i = 0; i < c->n_targets; i++) {
		target_life(c->targets[i], &one);
		removed += one.removed_packets;
	}
	pthread_mutex_unlock(&c->lock);
	if (removed == c->removed_told)
		return false;
	c->removed_told = removed;
	return true;
}

void capture_keep_life(struct capture *c, bool now)
{
	bool running;

	pthread_mutex_lock(&c->persisting);
	pthread_mutex_lock(&c->lock);
	running = c->report.running && !c->forgotten;
	pthread_mutex_unlock(&c->lock);
	if (running && (is_stale(c) || now || clock_mono_ns() - c->life_ns > LIFE_MS * NS_PER_MS)) {
		c->life_ns = clock_mono_ns();
		write_life(c);
	}
	pthread_mutex_unlock(&c->persisting);
}

/* ---- the agent ends ---- */

void capture_disguise(const struct capture *c, struct wire_report *shallow)
{
	for (size_t i = 0; c->suspended && i < shallow->n_targets; i++) {
		struct wire_target *t = &shallow->targets[i];

		if (t->state != WIRE_ENDED || t->end != WIRE_END_AGENT_LOST)
			continue;
		t->state = WIRE_ARMED;
		t->end = WIRE_END_NONE;
		t->error = NULL;
	}
}

static void suspend(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	capture_settle(c);
	c->suspended = c->report.running && !c->feed;	/* who looks on sees that it is over */
	pthread_mutex_unlock(&c->lock);
	capture_stop(c, WIRE_END_AGENT_LOST, "the agent was stopped");
}

void resume_suspend_all(struct captures *r)
{
	size_t n;
	struct capture **all = captures_all(r, &n);

	for (size_t i = 0; i < n; i++)
		suspend(all[i]);
	for (size_t i = 0; i < n; i++) {
		capture_wait(all[i]);
		if (!capture_feed(all[i]))
			capture_keep_life(all[i], true);
		capture_persist(all[i]);
	}
	captures_give_back(all, n);
}
