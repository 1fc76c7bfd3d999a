/* SPDX-License-Identifier: Apache-2.0
 *
 * capture_arm.c - one capture on this node: its targets are opened side by side, and begin in one loop
 */
#include "capture_inside.h"

#include <errno.h>

struct arming {
	struct capture *c;
	atomic_size_t next;
	struct err program_err;
	size_t ring_bytes;
};

static bool is_given_up(struct capture *c)
{
	bool given_up;

	pthread_mutex_lock(&c->lock);
	given_up = c->early_end != WIRE_END_NONE;
	pthread_mutex_unlock(&c->lock);
	return given_up;
}

/*
 * With an engine that hangs each target costs a time-out: when the capture was ended meanwhile,
 * the rest is not asked for any more.
 */
static void *open_targets(void *arg)
{
	struct arming *a = arg;
	struct err why = ERR_INIT, ended = ERR_INIT;
	struct target_means m = { .why = &why, .program = a->c->program,
				  .program_err = &a->program_err, .ring_bytes = a->ring_bytes };
	struct engine *e = NULL;
	bool asked = false;

	err_set(&ended, -ECANCELED, "the capture was ended while it was being armed");

	for (;;) {
		size_t i = atomic_fetch_add(&a->next, 1);

		if (i >= a->c->n_targets)
			break;
		if (is_given_up(a->c)) {
			const struct target_means none = { .why = &ended, .program_err = &ended };

			target_open(a->c->targets[i], &none);
			continue;
		}
		if (!asked && local_needs_engine(a->c->arm.targets[i].kind)) {
			engine_open_host(&e, a->c->env.node->engine, &why);
			asked = true;
		}
		m.engine = e;
		target_open(a->c->targets[i], &m);
	}
	engine_close(e);
	return NULL;
}

/* Side by side what waits for engine and kernel; then all begin in one loop. */
static void open_all(struct capture *c)
{
	struct arming a = { .c = c, .ring_bytes = works_ring_size(c->env.works, c->n_targets) };
	pthread_t threads[CAPTURE_ARM_THREADS];
	size_t n = 0;

	program_new(&c->program, c->arm.filter, c->arm.snaplen, &a.program_err);
	while (n + 1 < CAPTURE_ARM_THREADS && n + 1 < c->n_targets &&
	       !pthread_create(&threads[n], NULL, open_targets, &a))
		n++;
	open_targets(&a);
	for (size_t i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
	targets_share(c->targets, c->n_targets);
	for (size_t i = 0; i < c->n_targets; i++)
		target_start(c->targets[i]);
}

static void watch_all(struct capture *c)
{
	for (size_t i = 0; i < c->n_targets; i++)
		target_watch(c->targets[i]);
}

/* Written while the targets open: it is there before the answer, and costs no time. */
static void *write_request(void *arg)
{
	struct capture *c = arg;
	struct wire_arm planned = c->arm;	/* shallow: who joined stands in the report */
	cleanup_json json_t *request = NULL;

	if (c->feed)
		return NULL;
	planned.n_targets = c->n_planned;
	request = wire_arm_encode(&planned);

	/* a spool that cannot be written fails the targets' files too, with their own words */
	spool_write_json(c->dirfd, SPOOL_REQUEST, request, NULL);
	capture_keep_life(c, true);
	return NULL;
}

void capture_arm(struct capture *c)
{
	pthread_t writer;
	bool threaded = !pthread_create(&writer, NULL, write_request, c);
	enum wire_end early;
	int64_t armed_ns;

	open_all(c);
	armed_ns = clock_wall_ns();
	watch_all(c);
	/* before anybody is let go who waits to remove the capture's directory */
	if (threaded)
		pthread_join(writer, NULL);
	else
		write_request(c);
	pthread_mutex_lock(&c->lock);
	if (!c->report.armed_ns)	/* else in a former life */
		c->report.armed_ns = armed_ns;
	early = c->early_end;
	if (!early)
		capture_follow_begin(c);
	c->arming = false;
	c->dirty = true;
	capture_settle(c);
	pthread_cond_broadcast(&c->changed);
	pthread_mutex_unlock(&c->lock);
	atomic_fetch_add(&c->env.metrics->captures, 1);
	if (early)
		capture_stop(c, early, NULL);
}

void capture_wait_armed(struct capture *c)
{
	pthread_mutex_lock(&c->lock);
	while (c->arming)
		pthread_cond_wait(&c->changed, &c->lock);
	pthread_mutex_unlock(&c->lock);
}
