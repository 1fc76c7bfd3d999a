/* SPDX-License-Identifier: Apache-2.0
 *
 * crew.c - threads for what blocks
 *
 * Where no thread can be had and none is there, the caller works itself: late is better than never.
 */
#include "crew.h"

#include <errno.h>
#include <pthread.h>
#include <time.h>

struct work {
	void (*fn)(void *job);
	void *job;
	struct work *next;
};

struct crew {
	pthread_mutex_t lock;
	pthread_cond_t work, gone;	/* gone: a thread ended */
	struct work *first, **last;
	size_t waiting;			/* pieces of work */
	size_t threads, idle;
};

struct crew *crew_new(void)
{
	struct crew *c = xcalloc(1, sizeof(*c));
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->work, &monotonic);
	pthread_cond_init(&c->gone, NULL);
	pthread_condattr_destroy(&monotonic);
	c->last = &c->first;
	return c;
}

void crew_free(struct crew *c)
{
	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	while (c->threads)
		pthread_cond_wait(&c->gone, &c->lock);
	pthread_mutex_unlock(&c->lock);
	pthread_cond_destroy(&c->work);
	pthread_cond_destroy(&c->gone);
	pthread_mutex_destroy(&c->lock);
	free(c);
}

/* The lock is held. NULL: there was none for CREW_IDLE_MS. */
static struct work *wait_for_work(struct crew *c)
{
	int64_t until = clock_mono_ns() + CREW_IDLE_MS * NS_PER_MS;
	const struct timespec t = { until / NS_PER_S, until % NS_PER_S };
	struct work *w;
	int r = 0;

	c->idle++;
	while (!c->first && r != ETIMEDOUT)
		r = pthread_cond_timedwait(&c->work, &c->lock, &t);
	c->idle--;
	w = c->first;
	if (!w)
		return NULL;
	c->first = w->next;
	if (!c->first)
		c->last = &c->first;
	c->waiting--;
	return w;
}

static void *labour(void *arg)
{
	struct crew *c = arg;
	struct work *w;

	pthread_mutex_lock(&c->lock);
	while ((w = wait_for_work(c))) {
		pthread_mutex_unlock(&c->lock);
		w->fn(w->job);
		free(w);
		pthread_mutex_lock(&c->lock);
	}
	c->threads--;
	pthread_cond_broadcast(&c->gone);
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* The lock is held. */
static bool hire(struct crew *c)
{
	pthread_attr_t detached;
	pthread_t thread;
	int r;

	pthread_attr_init(&detached);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	r = pthread_create(&thread, &detached, labour, c);
	pthread_attr_destroy(&detached);
	c->threads += !r;
	return !r;
}

void crew_run(struct crew *c, void (*fn)(void *job), void *job)
{
	struct work *w = xcalloc(1, sizeof(*w));
	bool here = false;

	*w = (struct work){ .fn = fn, .job = job };
	pthread_mutex_lock(&c->lock);
	if (c->waiting + 1 > c->idle && c->threads < CREW_THREADS_MAX && !hire(c))
		here = !c->threads;
	if (!here) {
		*c->last = w;
		c->last = &w->next;
		c->waiting++;
		pthread_cond_signal(&c->work);
	}
	pthread_mutex_unlock(&c->lock);
	if (!here)
		return;
	fn(job);
	free(w);
}
