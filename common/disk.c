/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.c - large aligned writes, by one thread for all files
 *
 * Each of the two pools is one reserved range of addresses. A buffer that is taken is the first
 * one that is free, so what is in use lies close together at the range's beginning: what lies
 * behind the highest one of a period goes back to the system, and an idle disk holds nothing.
 *
 * The large buffers ask for huge pages. What the kernel does for a page of a direct write it then
 * does 256 times less often: writing 1.5 GB costs 0.06 s of CPU instead of 0.27, and the disk's
 * own rate is reached by one writer (2.6 GB/s instead of 0.5). The small ones are
 * of small pages, since of them only what was written is touched.
 */
#include "disk_parts.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#define HUGE_PAGE (2u << 20)
#define PERIOD_NS (2 * NS_PER_S)
#define NAP_NS (100 * NS_PER_MS)

struct pool {
	struct disk_buffer *v;
	size_t n, size, grain;		/* grain: what is given back at once */
	void *range;
	size_t range_size;
	bool *busy;
	size_t touched, high;		/* one behind the last: in memory; taken in this period */
	atomic_size_t taken;
};

struct disk {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work;
	struct pool large, small;
	struct disk_buffer *queue, **queue_end;
	int64_t period_ns;		/* when it began */
	bool worked;			/* since it slept last */
	bool stop, refused, napping;
	void (*on_free)(void *arg);
	void *arg;
};

/* ---- pools ---- */

static int pool_init(struct pool *p, size_t n, size_t size, size_t grain, struct err *err)
{
	uint8_t *data;

	p->range_size = n * size + grain;
	p->range = mmap(NULL, p->range_size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->range == MAP_FAILED) {
		p->range = NULL;
		return err_errno(err, "cannot have memory for writing files");
	}
	data = (uint8_t *)(((uintptr_t)p->range + grain - 1) & ~(uintptr_t)(grain - 1));
	p->n = n;
	p->size = size;
	p->grain = grain;
	p->v = xcalloc(n, sizeof(*p->v));
	p->busy = xcalloc(n, sizeof(*p->busy));
	for (size_t i = 0; i < n; i++)
		p->v[i] = (struct disk_buffer){ .data = data + i * size, .size = size, .index = i };
	/* where there are none, small ones do */
	if (grain == HUGE_PAGE)
		madvise(data, n * size, MADV_HUGEPAGE);
	return 0;
}

static void pool_release(struct pool *p)
{
	if (p->range)
		munmap(p->range, p->range_size);
	free(p->v);
	free(p->busy);
}

static struct disk_buffer *pool_take(struct pool *p)
{
	bool *free_one = memchr(p->busy, 0, p->n);
	size_t i;

	if (!free_one)
		return NULL;
	i = (size_t)(free_one - p->busy);
	p->busy[i] = true;
	atomic_fetch_add_explicit(&p->taken, 1, memory_order_relaxed);
	if (p->high <= i)
		p->high = i + 1;
	if (p->touched < p->high)
		p->touched = p->high;
	return &p->v[i];
}

static void pool_give(struct pool *p, size_t i)
{
	p->busy[i] = false;
	atomic_fetch_sub_explicit(&p->taken, 1, memory_order_relaxed);
}

/* The end of a period: what nobody took in it goes back to the system. */
static void pool_trim(struct pool *p)
{
	size_t from = (p->high * p->size + p->grain - 1) / p->grain * p->grain;
	size_t to = p->touched * p->size;

	if (to > from)
		madvise(p->v[0].data + from, to - from, MADV_DONTNEED);
	if (p->touched > p->high)
		p->touched = p->high;
	for (p->high = p->n; p->high && !p->busy[p->high - 1]; p->high--)
		continue;
}

static bool pool_is_short(const struct pool *p)
{
	return atomic_load_explicit(&p->taken, memory_order_relaxed) * 4 >= p->n * 3;
}

static struct pool *pool_of(struct disk *d, const struct disk_buffer *b)
{
	return b->size == DISK_BUFFER ? &d->large : &d->small;
}

/* ---- buffers ---- */

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
	if (!b && !must)
		d->refused = true;
	pthread_mutex_unlock(&d->lock);
	return b || !must ? b : make_extra();
}

/* The lock is held. True: tell who was refused one. */
static bool take_back(struct disk *d, struct disk_buffer *b)
{
	bool tell = d->refused && b->index != DISK_EXTRA;

	b->file = NULL;
	if (b->index != DISK_EXTRA)
		pool_give(pool_of(d, b), b->index);
	else
		free_extra(b);
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

void disk_submit(struct disk *d, struct disk_buffer *b)
{
	b->next = NULL;
	pthread_mutex_lock(&d->lock);
	outfile_count(b->file, 1);
	*d->queue_end = b;
	d->queue_end = &b->next;
	if (!d->napping || b->len - b->skip >= DISK_SMALL || disk_is_short(d))
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
 * The lock is held. After some work the thread looks up by itself a few times, so little orders
 * need not wake it, one by one. Without buffers in memory there is nothing to wake up for.
 */
static void sleep_a_while(struct disk *d)
{
	int64_t until = clock_mono_ns() + (d->worked ? NAP_NS : PERIOD_NS);
	const struct timespec t = { .tv_sec = until / NS_PER_S, .tv_nsec = until % NS_PER_S };

	d->napping = d->worked;
	d->worked = false;
	if (!d->napping && !d->large.touched && !d->small.touched)
		pthread_cond_wait(&d->work, &d->lock);
	else
		pthread_cond_timedwait(&d->work, &d->lock, &t);
	d->napping = false;
	trim(d, clock_mono_ns());
}

static struct disk_buffer *next_order(struct disk *d)
{
	struct disk_buffer *b = d->queue;

	d->queue = b->next;
	if (!d->queue)
		d->queue_end = &d->queue;
	return b;
}

static void *run(void *arg)
{
	struct disk *d = arg;

	prctl(PR_SET_NAME, "disk");
	pthread_mutex_lock(&d->lock);
	while (d->queue || !d->stop) {
		struct disk_buffer *b;
		struct outfile *file;
		bool tell;

		if (!d->queue) {
			sleep_a_while(d);
			continue;
		}
		b = next_order(d);
		d->worked = true;
		file = b->file;
		pthread_mutex_unlock(&d->lock);
		outfile_write(b);
		pthread_mutex_lock(&d->lock);
		tell = take_back(d, b);
		outfile_count(file, -1);
		if (!tell)
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
	r = pool_init(&d->large, n, DISK_BUFFER, HUGE_PAGE, err);
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
	sum = d->large.touched * DISK_BUFFER + d->small.touched * DISK_SMALL;
	pthread_mutex_unlock(&d->lock);
	return sum;
}
