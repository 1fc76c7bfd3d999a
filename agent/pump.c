/* SPDX-License-Identifier: Apache-2.0
 *
 * pump.c - the few threads that read all rings
 *
 * The lock guards the list of items and their `woken`; callbacks run without it. An item is taken
 * out of the list, and freed, by its own thread only, at the end of a turn: so what epoll
 * or a walk over the list has in hand stays valid.
 */
#include "pump.h"

#include <errno.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#define EVENTS 64

struct lane;

struct pump_item {
	struct lane *lane;
	struct pump_item *next;
	int fd;
	pump_fn *fn;
	void *arg;
	bool woken;			/* under the lock */
	enum pump_watch how;
	bool removed;
	int64_t ticked_ns;
};

/* One thread. */
struct lane {
	pthread_t thread;
	bool threaded;
	int epoll, wake;
	pthread_mutex_t lock;
	struct pump_item *items;	/* under the lock */
	size_t n;
	bool stopping, all_woken;	/* under the lock */
	int64_t ticked_ns;
	size_t timed;			/* items that are called every PUMP_PAUSE_MS */
	bool aside;
};

struct pump {
	struct lane lanes[PUMP_THREADS];
	int n;
};

static void ring_bell(struct lane *l)
{
	const uint64_t one = 1;

	if (write(l->wake, &one, sizeof(one)) < 0)
		errno = 0;		/* full: it is awake already */
}

/* ---- the thread ---- */

static void call(struct pump_item *i, enum pump_event event, int64_t now)
{
	if (!i->removed)
		i->fn(i->arg, event, now);
}

static void tick_if_due(struct pump_item *i, int64_t now)
{
	if (now - i->ticked_ns < PUMP_TICK_MS * NS_PER_MS * 3 / 4)
		return;
	i->ticked_ns = now;
	call(i, PUMP_TICK, now);
}

/* The items that were woken, or all of them at a tick; the list may grow at its front meanwhile. */
static void walk(struct lane *l, bool tick)
{
	struct pump_item *i;
	bool all;

	pthread_mutex_lock(&l->lock);
	all = l->all_woken;
	l->all_woken = false;
	i = l->items;
	while (i) {
		bool woken = i->woken || i->how != PUMP_WATCHED || all;
		struct pump_item *next = i->next;

		i->woken = false;
		pthread_mutex_unlock(&l->lock);
		if (woken)
			call(i, PUMP_WOKEN, clock_mono_ns());
		if (tick)
			tick_if_due(i, l->ticked_ns);
		pthread_mutex_lock(&l->lock);
		i = next;
	}
	pthread_mutex_unlock(&l->lock);
}

static void sweep(struct lane *l)
{
	struct pump_item **at = &l->items, *i;

	pthread_mutex_lock(&l->lock);
	while ((i = *at)) {
		if (!i->removed) {
			at = &i->next;
			continue;
		}
		*at = i->next;
		l->n--;
		free(i);
	}
	pthread_mutex_unlock(&l->lock);
}

static bool is_stopping(struct lane *l, bool *has_items)
{
	bool stopping;

	pthread_mutex_lock(&l->lock);
	stopping = l->stopping;
	*has_items = l->items;
	pthread_mutex_unlock(&l->lock);
	return stopping;
}

static int time_to_tick(const struct lane *l, bool has_items)
{
	int64_t left = l->ticked_ns + PUMP_TICK_MS * NS_PER_MS - clock_mono_ns();

	if (!has_items)
		return -1;
	if (l->timed && left > PUMP_PAUSE_MS * NS_PER_MS)
		return PUMP_PAUSE_MS;
	return left <= 0 ? 0 : (int)(left / NS_PER_MS) + 1;
}

static void hear_bell(struct lane *l)
{
	uint64_t n;

	if (read(l->wake, &n, sizeof(n)) < 0)
		errno = 0;
}

static void *run(void *arg)
{
	struct lane *l = arg;
	struct epoll_event events[EVENTS];
	bool has_items;

	if (l->aside)
		(void)setpriority(PRIO_PROCESS, (id_t)gettid(), PUMP_ASIDE_NICE);
	while (!is_stopping(l, &has_items)) {
		int n = epoll_wait(l->epoll, events, EVENTS, time_to_tick(l, has_items));
		bool bell = false, tick;

		for (int k = 0; k < n; k++) {
			struct pump_item *i = events[k].data.ptr;
			int64_t now = clock_mono_ns();

			if (!i) {
				bell = true;
				continue;
			}
			call(i, events[k].events & EPOLLERR ? PUMP_ERROR : PUMP_READY, now);
			tick_if_due(i, now);
		}
		if (bell)
			hear_bell(l);
		tick = has_items && !time_to_tick(l, true);
		if (tick)
			l->ticked_ns = clock_mono_ns();
		if (bell || tick || l->timed)
			walk(l, tick);
		sweep(l);
	}
	return NULL;
}

/* ---- from outside ---- */

static int lane_start(struct lane *l, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN };

	pthread_mutex_init(&l->lock, NULL);
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->epoll < 0 || l->wake < 0 || epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e))
		return err_errno(err, "cannot watch packet rings");
	errno = pthread_create(&l->thread, NULL, run, l);
	l->threaded = !errno;
	return errno ? err_errno(err, "cannot start a thread for packet rings") : 0;
}

static void lane_stop(struct lane *l)
{
	pthread_mutex_lock(&l->lock);
	l->stopping = true;
	pthread_mutex_unlock(&l->lock);
	if (l->threaded) {
		ring_bell(l);
		pthread_join(l->thread, NULL);
	}
	util_close(l->epoll);
	util_close(l->wake);
	pthread_mutex_destroy(&l->lock);
}

static int start(struct pump **out, int lanes, bool aside, struct err *err)
{
	struct pump *p = xcalloc(1, sizeof(*p));
	int r = 0, n = 0;

	p->n = lanes;
	for (; !r && n < lanes; n++) {
		p->lanes[n].aside = aside;
		r = lane_start(&p->lanes[n], err);
	}
	if (!r) {
		*out = p;
		return 0;
	}
	while (n-- > 0)
		lane_stop(&p->lanes[n]);
	free(p);
	return r;
}

int pump_start(struct pump **out, struct err *err)
{
	return start(out, PUMP_THREADS, false, err);
}

int pump_start_aside(struct pump **out, struct err *err)
{
	return start(out, 1, true, err);
}

void pump_stop(struct pump *p)
{
	if (!p)
		return;
	for (int i = 0; i < p->n; i++)
		lane_stop(&p->lanes[i]);
	free(p);
}

static struct lane *least_busy(struct pump *p)
{
	size_t least = SIZE_MAX;
	struct lane *best = NULL;

	for (int i = 0; i < p->n; i++) {
		struct lane *l = &p->lanes[i];

		pthread_mutex_lock(&l->lock);
		if (l->n < least) {
			least = l->n;
			best = l;
		}
		pthread_mutex_unlock(&l->lock);
	}
	return best;
}

static int watch(struct pump_item *i, int operation, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.ptr = i };

	return epoll_ctl(i->lane->epoll, operation, i->fd, &e);
}

int pump_add(struct pump *p, struct pump_item **out, int fd, pump_fn *fn, void *arg,
	     struct err *err)
{
	struct lane *l = least_busy(p);
	struct pump_item *i = xcalloc(1, sizeof(*i));

	*i = (struct pump_item){ .lane = l, .fd = fd, .fn = fn, .arg = arg };
	*out = i;			/* before the first call */
	pthread_mutex_lock(&l->lock);
	if (watch(i, EPOLL_CTL_ADD, EPOLLIN)) {
		pthread_mutex_unlock(&l->lock);
		*out = NULL;
		free(i);
		return err_errno(err, "cannot watch a packet ring");
	}
	i->next = l->items;
	l->items = i;
	l->n++;
	pthread_mutex_unlock(&l->lock);
	ring_bell(l);			/* it may be sleeping without a tick */
	return 0;
}

void pump_set_fd(struct pump_item *i, int fd)
{
	pump_set_watch(i, PUMP_WATCHED);
	watch(i, EPOLL_CTL_DEL, 0);
	i->fd = fd;
	watch(i, EPOLL_CTL_ADD, EPOLLIN);
}

void pump_set_watch(struct pump_item *i, enum pump_watch how)
{
	static const uint32_t events[] = {
		[PUMP_WATCHED] = EPOLLIN, [PUMP_EDGE] = EPOLLIN | EPOLLET, [PUMP_PAUSED] = 0,
	};

	if (i->how == how)
		return;
	watch(i, EPOLL_CTL_MOD, events[how]);
	i->lane->timed += (size_t)(how != PUMP_WATCHED) - (size_t)(i->how != PUMP_WATCHED);
	i->how = how;
}

void pump_remove(struct pump_item *i)
{
	pump_set_watch(i, PUMP_WATCHED);
	watch(i, EPOLL_CTL_DEL, 0);
	i->removed = true;
}

void pump_wake(struct pump_item *i)
{
	struct lane *l = i->lane;

	pthread_mutex_lock(&l->lock);
	i->woken = true;
	pthread_mutex_unlock(&l->lock);
	ring_bell(l);
}

void pump_wake_all(struct pump *p)
{
	for (int i = 0; i < p->n; i++) {
		struct lane *l = &p->lanes[i];

		pthread_mutex_lock(&l->lock);
		l->all_woken = true;
		pthread_mutex_unlock(&l->lock);
		ring_bell(l);
	}
}
