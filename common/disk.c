/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.c - large aligned writes, by one thread for all files
 *
 * Waking the thread and making a request of the device cost as much as writing a megabyte does
 * (with 1400-byte packets half of this thread's time), so orders gather: while the thread naps,
 * little ones do not wake it, and of large ones the second does, which is written with the first
 * by one call. When the pool is short nothing waits for a second.
 */
#include "disk_parts.h"
#include "disk_pool.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#define PERIOD_NS (2 * NS_PER_S)
#define NAP_NS (100 * NS_PER_MS)	/* little orders wait so long for others, */
#define HOLD_NS (300 * NS_PER_MS)	/* and a large one for a second, where the last came so soon; */
#define LENT_NS (20 * NS_PER_MS)	/* what is lent is missed: a ring fills in 13 ms */

struct disk {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct pool large, small;
	struct disk_buffer *queue, **queue_end;
	int64_t period_ns;		/* when it began */
	int64_t large_ns;		/* when a large order was taken up last */
	int64_t nap_ns;			/* so soon more is expected; 0: nothing is */
	int64_t napping;		/* how long it naps; 0: it does not */
	bool stop, refused;
	void (*on_free)(void *arg);
	void *arg;
};

/* ---- buffers ---- */

static struct pool *pool_of(struct disk *d, const struct disk_buffer *b)
{
	return b->size == DISK_BUFFER ? &d->large : &d->small;
}

static struct disk_buffer *make_extra(void)
{
	struct disk_buffer *b = xcalloc(1, sizeof(*b));
	void *data = NULL;

	if (posix_memalign(&data, DISK_ALIGN, DISK_SMALL))
		util_out_of_memory();
	b->data = data;
	b->size = DISK_SMALL;
	b->index = DISK_EXTRA;
	return b;
}

static void free_extra(struct disk_buffer *b)
{
	free(b->data);
	free(b);
}

struct disk_buffer *disk_lend(void *data, size_t len, void (*done)(void *arg), void *arg)
{
	struct disk_buffer *b = xcalloc(1, sizeof(*b));

	*b = (struct disk_buffer){ .data = data, .size = len, .index = DISK_LENT, .len = len,
				   .done = done, .arg = arg };
	return b;
}

static void end_lent(struct disk_buffer *b)
{
	b->done(b->arg);
	free(b);
}

struct disk_buffer *disk_take(struct disk *d, const struct outfile *o, size_t need, bool large,
			      bool must)
{
	struct disk_buffer *b = NULL;
	bool insist;

	pthread_mutex_lock(&d->lock);
	/* a file that waits for the disk itself would only make more of little writes */
	insist = need > DISK_SMALL || (large && !must && outfile_pending(o));
	/* many files that want a large one get small ones rather than nothing */
	if (insist || (large && !pool_is_short(&d->large)))
		b = pool_take(&d->large);
	if (!b && !insist)
		b = pool_take(&d->small);
	if (!b && !insist)
		b = pool_take(&d->large);
	if (!b && !must) {
		d->refused = true;
		pthread_cond_signal(&d->work);	/* an order that waits for a second holds one */
	}
	pthread_mutex_unlock(&d->lock);
	if (b)
		b->next = NULL;
	return b || !must ? b : make_extra();
}

/* The lock is held. True: tell who was refused one. */
static bool take_back(struct disk *d, struct disk_buffer *b)
{
	bool tell = d->refused && b->index < DISK_LENT;

	b->file = NULL;
	if (b->index == DISK_LENT)
		end_lent(b);
	else if (b->index == DISK_EXTRA)
		free_extra(b);
	else
		pool_give(pool_of(d, b), b->index);
	if (tell)
		d->refused = false;
	return tell && d->on_free;
}

void disk_give(struct disk *d, struct disk_buffer *b)
{
	bool tell;

	pthread_mutex_lock(&d->lock);
	tell = take_back(d, b);
	pthread_mutex_unlock(&d->lock);
	if (tell)
		d->on_free(d->arg);
}

static bool is_large(const struct disk_buffer *b)
{
	return b->len - b->skip >= DISK_SMALL;
}

void disk_submit(struct disk *d, struct disk_buffer *b)
{
	bool first;

	b->next = NULL;
	pthread_mutex_lock(&d->lock);
	outfile_count(b->file, 1);
	first = !d->queue;
	*d->queue_end = b;
	d->queue_end = &b->next;
	if (!d->napping || (!first && is_large(b)) || disk_is_short(d) ||
	    (b->index == DISK_LENT && d->napping > LENT_NS))
		pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
}

void disk_wait(struct disk *d, const unsigned *pending, pthread_cond_t *idle)
{
	pthread_mutex_lock(&d->lock);
	while (*pending) {
		pthread_cond_signal(&d->work);
		pthread_cond_wait(idle, &d->lock);
	}
	pthread_mutex_unlock(&d->lock);
}

/* ---- the thread ---- */

static void trim(struct disk *d, int64_t now)
{
	if (now - d->period_ns < PERIOD_NS)
		return;
	d->period_ns = now;
	pool_trim(&d->large);
	pool_trim(&d->small);
}

/*
 * The lock is held. A nap ends by itself, so orders that come meanwhile need not end it, one by
 * one. Without buffers in memory there is nothing to wake up for.
 */
static void sleep_a_while(struct disk *d)
{
	int64_t until = clock_mono_ns() + (d->nap_ns ? d->nap_ns : PERIOD_NS);
	const struct timespec t = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };

	d->napping = d->nap_ns;
	d->nap_ns = 0;
	if (!d->napping && !d->large.touched && !d->small.touched)
		pthread_cond_wait(&d->work, &d->lock);
	else
		pthread_cond_timedwait(&d->work, &d->lock, &t);
	d->napping = 0;
	trim(d, clock_mono_ns());
}

/* Little orders come many at a time, and large ones of a busy file soon after each other. */
static void expect_more(struct disk *d, const struct disk_buffer *b)
{
	int64_t now = clock_mono_ns();

	if (!is_large(b)) {
		d->nap_ns = NAP_NS;
		return;
	}
	if (!d->nap_ns && now - d->large_ns < HOLD_NS)
		d->nap_ns = b->index == DISK_LENT ? LENT_NS : HOLD_NS;
	d->large_ns = now;
}

/* The next order, and behind it in the list the one that the same call can write. */
static struct disk_buffer *next_orders(struct disk *d)
{
	struct disk_buffer *first = d->queue, *last = first;

	if (first->next && outfile_joins(first, first->next))
		last = first->next;
	d->queue = last->next;
	if (!d->queue)
		d->queue_end = &d->queue;
	last->next = NULL;
	expect_more(d, first);
	return first;
}

/* The lock is held. True: tell who was refused one. */
static bool take_all_back(struct disk *d, struct disk_buffer *b)
{
	bool tell = false;

	while (b) {
		struct disk_buffer *next = b->next;

		outfile_count(b->file, -1);
		tell |= take_back(d, b);
		b = next;
	}
	return tell;
}

static void *run(void *arg)
{
	struct disk *d = arg;

	prctl(PR_SET_NAME, "disk");
	pthread_mutex_lock(&d->lock);
	while (d->queue || !d->stop) {
		struct disk_buffer *b;

		if (!d->queue) {
			sleep_a_while(d);
			continue;
		}
		b = next_orders(d);
		pthread_mutex_unlock(&d->lock);
		outfile_write(b);
		pthread_mutex_lock(&d->lock);
		if (!take_all_back(d, b))
			continue;
		pthread_mutex_unlock(&d->lock);
		d->on_free(d->arg);
		pthread_mutex_lock(&d->lock);
	}
	pthread_mutex_unlock(&d->lock);
	return NULL;
}

/* Signals are for others. */
static int start_thread(struct disk *d)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(&d->thread, NULL, run, d);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return r;
}

static void release(struct disk *d)
{
	pool_release(&d->large);
	pool_release(&d->small);
	pthread_mutex_destroy(&d->lock);
	pthread_cond_destroy(&d->work);
	free(d);
}

int disk_start(struct disk **out, size_t buffers, struct err *err)
{
	struct disk *d = xcalloc(1, sizeof(*d));
	pthread_condattr_t monotonic;
	size_t n = buffers < 2 ? 2 : buffers;
	int r;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->work, &monotonic);
	pthread_condattr_destroy(&monotonic);
	d->queue_end = &d->queue;
	r = pool_init(&d->large, n, DISK_BUFFER, POOL_HUGE, err);
	if (!r)
		r = pool_init(&d->small, n * DISK_SMALLS, DISK_SMALL, DISK_ALIGN, err);
	if (!r) {
		errno = start_thread(d);
		r = errno ? err_errno(err, "cannot start a thread for the disk") : 0;
	}
	if (r) {
		release(d);
		return r;
	}
	*out = d;
	return 0;
}

void disk_stop(struct disk *d)
{
	if (!d)
		return;
	pthread_mutex_lock(&d->lock);
	d->stop = true;
	pthread_cond_signal(&d->work);
	pthread_mutex_unlock(&d->lock);
	pthread_join(d->thread, NULL);
	release(d);
}

void disk_on_free(struct disk *d, void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&d->lock);
	d->on_free = fn;
	d->arg = arg;
	pthread_mutex_unlock(&d->lock);
}

bool disk_is_short(const struct disk *d)
{
	return pool_is_short(&d->large) || pool_is_short(&d->small);
}

size_t disk_resident(struct disk *d)
{
	size_t sum;

	pthread_mutex_lock(&d->lock);
	sum = d->large.touched * (DISK_BUFFER + DISK_STAGE) + d->small.touched * DISK_SMALL;
	pthread_mutex_unlock(&d->lock);
	return sum;
}
