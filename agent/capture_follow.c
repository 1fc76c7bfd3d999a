/* SPDX-License-Identifier: Apache-2.0
 *
 * capture_follow.c - tasks that start during a capture become targets of it
 *
 * A capture with services to follow goes on until it is stopped, whatever its targets do. Its
 * arrays of targets have room for WIRE_JOINED_MAX more from the beginning, since threads hold pointers into
 * them: an entry is filled in under the lock, counted, and never moves.
 *
 * An entry is written to the state file before its first file is made: what a dead agent's next life
 * finds in the spool belongs to somebody.
 *
 * At the stop some namespaces may be open of which nobody knows yet whose they are. Their rings
 * are halted with the others', and what is in them has LAST_MS to be claimed.
 */
#include "capture_inside.h"
#include "log.h"

#include <string.h>
#include <sys/eventfd.h>

#define LAST_MS 2000	/* after the stop, for tasks that had just begun: the engine answers within that */

/* The lock is held. */
void capture_follow_begin(struct capture *c)
{
	struct candidate_options o = {
		.netns_dir = c->env.node->netns_dir, .interface = c->arm.interface,
		.filter = c->arm.filter, .program = c->program, .snaplen = c->arm.snaplen,
		.budget = &c->env.works->rings,
	};

	if (!c->arm.n_follow || !c->program)
		return;
	if (c->feed) {
		o.budget = &c->env.works->live_rings;
		o.retire_ms = TARGET_LIVE_RETIRE_MS;
	}
	c->candidates = candidates_new(&o);
	c->following = FOLLOW_ALL;
	if (c->env.news && *c->env.news >= 0)
		eventfd_write(*c->env.news, 1);
}

void capture_follow_end(struct capture *c, enum wire_end end, const char *why)
{
	struct candidates *candidates = NULL;

	pthread_mutex_lock(&c->lock);
	if (c->following == FOLLOW_ALL) {
		candidates = c->candidates;
		c->following = FOLLOW_LAST;
		c->last_ns = clock_mono_ns() + LAST_MS * NS_PER_MS;
	}
	if (!c->over_by) {
		c->over_by = end;
		c->over_why = xstrdup_null(why);
	}
	pthread_mutex_unlock(&c->lock);
	if (candidates)
		candidates_halt(candidates);
	capture_follow_tick(c);
}

void capture_follow_release(struct capture *c)
{
	candidates_free(c->candidates);
	free(c->over_why);
}

bool capture_is_lingering(struct capture *c)
{
	bool lingering;

	pthread_mutex_lock(&c->lock);
	lingering = c->following == FOLLOW_LAST;
	pthread_mutex_unlock(&c->lock);
	return lingering;
}

/* NULL: it does not follow (any more). */
static struct candidates *candidates_of(struct capture *c)
{
	struct candidates *candidates;

	pthread_mutex_lock(&c->lock);
	candidates = c->following ? c->candidates : NULL;
	pthread_mutex_unlock(&c->lock);
	return candidates;
}

bool capture_follows(struct capture *c, const struct local_task *t)
{
	return candidates_of(c) &&
	       (!t || wire_service_takes(c->arm.follow, c->arm.n_follow, t->service_id, t->task,
					 t->task_id));
}

bool capture_wants_sweep(struct capture *c)
{
	bool wants;

	pthread_mutex_lock(&c->lock);
	wants = c->following == FOLLOW_ALL && !c->swept;
	c->swept |= wants;
	pthread_mutex_unlock(&c->lock);
	return wants;
}

void capture_offer(struct capture *c, const char *netns_file, int ns)
{
	struct candidates *candidates = candidates_of(c);

	if (candidates)
		candidates_add(candidates, netns_file, ns);
}

void capture_disown(struct capture *c, const char *netns_file)
{
	struct candidates *candidates = candidates_of(c);

	if (candidates)
		candidates_drop(candidates, netns_file);
}

/* The last ones are taken, or it takes too long to learn whose they are. */
static void end_last(struct capture *c)
{
	candidates_close(c->candidates);
	pthread_mutex_lock(&c->lock);
	c->following = FOLLOW_NOBODY;
	capture_settle(c);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

size_t capture_follow_tick(struct capture *c)
{
	struct candidates *candidates = candidates_of(c);
	size_t n;
	bool late;

	if (!candidates)
		return 0;
	candidates_tick(candidates);
	n = candidates_count(candidates);
	pthread_mutex_lock(&c->lock);
	late = c->following == FOLLOW_LAST && (!n || clock_mono_ns() > c->last_ns);
	pthread_mutex_unlock(&c->lock);
	if (late)
		end_last(c);
	return late ? 0 : n;
}

/* ---- joining ---- */

/* The lock is held. */
static bool has_key(const struct capture *c, const char *key)
{
	for (size_t i = 0; i < c->n_targets; i++)
		if (!strcmp(c->arm.targets[i].key, key))
			return true;
	return false;
}

/* The lock is held. Whoever forges labels may claim to be a task that is a target already. */
static char *unique_key(const struct capture *c, const struct local_task *t)
{
	char *key = local_task_key(t, c->env.node->id);

	for (unsigned i = 2; has_key(c, key); i++) {
		cleanup_free char *first = key;

		key = xasprintf("%.*s_%u", 116, first, i);
	}
	return key;
}

/* The lock is held. */
static bool is_target(const struct capture *c, const char *container_id)
{
	for (size_t i = 0; i < c->n_targets; i++) {
		const char *id = c->arm.targets[i].container_id;

		if (id && !strcmp(id, container_id))
			return true;
	}
	return false;
}

/* The lock is held. */
static void fill_entry(struct capture *c, const struct local_task *t, int64_t joined_ns)
{
	struct wire_report *r = &c->report;
	cleanup_free char *key = unique_key(c, t);
	const struct target_env env = capture_target_env(c);
	const size_t number = c->n_targets;

	c->arm.targets[number] = (struct wire_wanted){
		.key = xstrdup(key), .kind = WIRE_TASK, .label = xstrdup(key),
		.container_id = xstrdup(t->container_id), .task_id = xstrdup(t->task_id),
		.networks = wire_networks_copy(t->networks, t->n_networks),
		.n_networks = t->n_networks,
	};
	r->targets[number].key = xstrdup(key);
	r->targets[number].container_id = xstrdup(t->container_id);
	r->targets[number].image = xstrdup(t->image);
	r->joined = xrealloc(r->joined, r->n_joined + 1, sizeof(*r->joined));
	r->joined[r->n_joined++] = (struct wire_joined){
		.key = xstrdup(key), .service = xstrdup(t->service),
		.service_id = xstrdup(t->service_id), .task = xstrdup(t->task),
		.task_id = xstrdup(t->task_id), .slot = t->slot, .joined_ns = joined_ns,
		.networks = wire_networks_copy(t->networks, t->n_networks),
		.n_networks = t->n_networks,
	};
	c->targets[number] = target_new(&env, number, &r->targets[number]);
	c->arm.n_targets = r->n_targets = c->n_targets = number + 1;
}

/*
 * The new target, or NULL: it is one already, it may not join any more, or there is no room. early:
 * its namespace was open before it was known; after the stop only those count.
 */
static struct target *enter(struct capture *c, const struct local_task *t, bool early,
			    int64_t joined_ns)
{
	struct target *target = NULL;

	pthread_mutex_lock(&c->lock);
	if ((!early && c->following != FOLLOW_ALL) || is_target(c, t->container_id)) {
		/* nothing to be done */
	} else if (c->report.n_joined == WIRE_JOINED_MAX) {
		if (!c->report.not_joined++)
			log_warn("capture %s: %d tasks have joined, no more will", c->report.id,
				 WIRE_JOINED_MAX);
		c->dirty = true;
	} else {
		fill_entry(c, t, joined_ns);
		target = c->targets[c->n_targets - 1];
	}
	pthread_mutex_unlock(&c->lock);
	return target;
}

void capture_follow_died(struct capture *c, const char *container_id)
{
	pthread_mutex_lock(&c->lock);
	if (c->following)
		snprintf(c->died[c->n_died++ % CAPTURE_DIED_MAX], sizeof(c->died[0]), "%s",
			 container_id);
	pthread_mutex_unlock(&c->lock);
}

/* The lock is held. */
static bool has_died(const struct capture *c, const char *container_id)
{
	for (size_t i = 0; i < CAPTURE_DIED_MAX; i++)
		if (!strcmp(c->died[i], container_id))
			return true;
	return false;
}

/* From here to leave() the capture goes on, since somebody may be on the way into it. */
static bool approach(struct capture *c)
{
	bool may;

	pthread_mutex_lock(&c->lock);
	may = c->following != FOLLOW_NOBODY;
	c->joining += may;
	pthread_mutex_unlock(&c->lock);
	return may;
}

static void leave(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	c->joining--;
	c->dirty = true;
	capture_settle(c);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

/* The end of all may have been asked for, or the task may have died, while it joined. */
static void end_if_over(struct capture *c, struct target *target, const struct local_task *t)
{
	cleanup_free char *why = NULL;
	enum wire_end end;
	bool died;

	pthread_mutex_lock(&c->lock);
	end = c->over_by;
	why = xstrdup_null(c->over_why);
	died = !t->running || has_died(c, t->container_id);
	pthread_mutex_unlock(&c->lock);
	if (end || died)
		targets_stop(&target, 1, died ? WIRE_END_TASK_ENDED : end, died ? NULL : why);
}

static void say(struct capture *c, const struct local_task *t, bool early)
{
	const char *text = early ? "joined" : "joined, its first packets may be missing";

	pthread_mutex_lock(&c->lock);
	for (size_t i = c->n_planned; i < c->n_targets; i++)
		if (!strcmp(c->arm.targets[i].container_id, t->container_id) &&
		    c->report.targets[i].state == WIRE_FAILED)
			text = c->report.targets[i].error;
	log_info("capture %s: task %s (%.12s): %s", c->report.id, t->task, t->container_id, text);
	pthread_mutex_unlock(&c->lock);
}

/* False: its namespace was not seen when it was new. */
static bool take_candidate(struct capture *c, const struct local_task *t, struct candidate *out)
{
	return t->netns_file && candidates_take(c->candidates, t->netns_file, out);
}

static void join(struct capture *c, const struct local_task *t, const struct target_means *m)
{
	struct candidate found = { 0 };
	bool has = take_candidate(c, t, &found);
	struct target *target = enter(c, t, has, has ? found.opened_ns : clock_wall_ns());

	if (!target) {
		candidate_release(&found);
		return;
	}
	capture_persist(c);
	if (has)
		target_adopt(target, &(struct target_found){
			.sniff = take_ptr(&found.sniff), .netns_file = found.file,
			.netns = found.netns, .started_ns = found.opened_ns,
		}, m);
	else
		target_open(target, m);
	target_start(target);
	target_watch(target);
	say(c, t, has);
	end_if_over(c, target, t);
	candidate_release(&found);
}

void capture_join(struct capture *c, const struct local_task *t, struct engine *e,
		  const struct err *why)
{
	const struct target_means m = { .engine = e, .why = why, .program = c->program };

	if (!approach(c))
		return;
	join(c, t, &m);
	leave(c);
}
