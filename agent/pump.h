/* SPDX-License-Identifier: Apache-2.0
 *
 * pump.h - the few threads that read all rings
 *
 * Each ring belongs to one thread, from pump_add to pump_remove: what is called back is called
 * there, and needs no lock of its own against itself. A thread sleeps in epoll. A tick comes behind
 * an event of the ring, which has just been in the cache; to those without, together: so they cost
 * no wake-ups of their own.
 */
#ifndef PUMP_H
#define PUMP_H

#include "err.h"

#define PUMP_THREADS 2
#define PUMP_ASIDE_NICE 5
#define PUMP_TICK_MS 1000	/* about: two ticks of one ring lie 750 to 1750 ms apart */
#define PUMP_PAUSE_MS 4		/* a ring of 8 MiB fills in 13 ms; waking costs 20 us */

struct pump;
struct pump_item;

enum pump_event {
	PUMP_READY,		/* the descriptor is readable */
	PUMP_ERROR,		/* something is wrong with it */
	PUMP_TICK,
	PUMP_WOKEN,		/* by pump_wake or pump_wake_all */
};

/* Must not block. */
typedef void pump_fn(void *arg, enum pump_event event, int64_t now_ns);	/* now_ns: monotonic */

int pump_start(struct pump **out, struct err *err);
/* One thread, which gives way to the others: captures come before live views. */
int pump_start_aside(struct pump **out, struct err *err);
/* All items are removed by now. */
void pump_stop(struct pump *p);
int pump_add(struct pump *p, struct pump_item **out, int fd, pump_fn *fn, void *arg,
	     struct err *err);

/* In the item's thread, from inside fn. */
void pump_set_fd(struct pump_item *i, int fd);
enum pump_watch {
	PUMP_WATCHED,		/* as long as the descriptor is readable */
	PUMP_EDGE,		/* when it becomes so, or is so anew, and every PUMP_PAUSE_MS */
	PUMP_PAUSED,		/* it is not looked at: instead it is woken every PUMP_PAUSE_MS */
};
void pump_set_watch(struct pump_item *i, enum pump_watch how);
/* fn is never called again; the item is gone. */
void pump_remove(struct pump_item *i);

/* From any thread. */
void pump_wake(struct pump_item *i);
void pump_wake_all(struct pump *p);

#endif
