/* SPDX-License-Identifier: Apache-2.0
 *
 * pump_test.c - items over pipes: ready, tick, wake, pause, another descriptor, removal
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../../agent/pump.h"

struct one {
	struct pump_item *_Atomic item;
	int fds[2], other[2];
	atomic_int ready, ticks, woken;
	atomic_bool pause, change, remove, removed;
	int64_t ready_ns;
	atomic_bool ticked_behind;	/* an event */
};

static void on_event(void *arg, enum pump_event event, int64_t now_ns)
{
	struct one *o = arg;
	char c;

	if (event == PUMP_READY && read(o->fds[0], &c, 1) == 1) {
		atomic_fetch_add(&o->ready, 1);
		o->ready_ns = now_ns;
	}
	if (event == PUMP_TICK && o->ready_ns == now_ns)
		atomic_store(&o->ticked_behind, true);
	atomic_fetch_add(event == PUMP_TICK ? &o->ticks : &o->woken, event >= PUMP_TICK);
	if (event != PUMP_WOKEN)
		return;
	if (atomic_exchange(&o->pause, false))
		pump_set_watch(o->item, PUMP_PAUSED);
	if (atomic_exchange(&o->change, false)) {
		o->fds[0] = o->other[0];
		pump_set_fd(o->item, o->fds[0]);
	}
	if (atomic_load(&o->remove)) {
		pump_remove(o->item);
		atomic_store(&o->removed, true);
	}
}

static void open_one(struct pump *p, struct one *o)
{
	struct pump_item *i = NULL;

	*o = (struct one){ .item = NULL };
	assert_int_equal(pipe2(o->fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pipe2(o->other, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pump_add(p, &i, o->fds[0], on_event, o, NULL), 0);
	o->item = i;
}

static void put(int fd)
{
	assert_int_equal(write(fd, "x", 1), 1);
}

static void wait_for(atomic_int *n, int value)
{
	for (int i = 0; i < 2000 && atomic_load(n) < value; i++)
		clock_sleep_ms(1);
	assert_true(atomic_load(n) >= value);
}

static void close_one(struct one *o)
{
	atomic_store(&o->remove, true);
	pump_wake(o->item);
	for (int i = 0; i < 2000 && !atomic_load(&o->removed); i++)
		clock_sleep_ms(1);
	assert_true(atomic_load(&o->removed));
	for (int i = 0; i < 2; i++) {
		close(o->other[i]);
		if (o->fds[i] != o->other[i])
			close(o->fds[i]);
	}
}

static void test_events(void **state)
{
	struct pump *p = NULL;
	struct one v[5];

	assert_int_equal(pump_start(&p, NULL), 0);
	for (int i = 0; i < 5; i++)
		open_one(p, &v[i]);
	for (int i = 0; i < 5; i++)
		put(v[i].fds[1]);
	for (int i = 0; i < 5; i++) {
		wait_for(&v[i].ready, 1);
		wait_for(&v[i].ticks, 2);
	}
	pump_wake(v[3].item);
	wait_for(&v[3].woken, 1);
	assert_int_equal(atomic_load(&v[2].woken), 0);
	pump_wake_all(p);
	for (int i = 0; i < 5; i++)
		wait_for(&v[i].woken, 1);
	for (int i = 0; i < 5; i++)
		close_one(&v[i]);
	pump_stop(p);
	pump_stop(NULL);
}

/* An event that comes when a tick is nearly due brings it along. */
static void test_a_tick_behind_an_event(void **state)
{
	struct pump *p = NULL;
	struct one o;

	assert_int_equal(pump_start(&p, NULL), 0);
	open_one(p, &o);
	wait_for(&o.ticks, 1);
	for (int i = 0; i < 30 && !atomic_load(&o.ticked_behind); i++) {
		put(o.fds[1]);
		clock_sleep_ms(PUMP_TICK_MS * 4 / 5);
	}
	assert_true(atomic_load(&o.ticked_behind));
	close_one(&o);
	pump_stop(p);
}

static void test_paused_and_changed(void **state)
{
	struct pump *p = NULL;
	struct one o;
	int first;

	assert_int_equal(pump_start(&p, NULL), 0);
	open_one(p, &o);
	first = o.fds[0];
	atomic_store(&o.pause, true);
	pump_wake(o.item);
	wait_for(&o.woken, 1);
	put(o.fds[1]);
	wait_for(&o.ticks, 2);
	assert_int_equal(atomic_load(&o.ready), 0);
	atomic_store(&o.change, true);
	pump_wake(o.item);
	wait_for(&o.woken, 2);
	put(o.other[1]);
	wait_for(&o.ready, 1);
	close(first);
	o.fds[0] = o.other[0];
	close_one(&o);
	pump_stop(p);
}

static void test_aside(void **state)
{
	struct pump *p = NULL;
	struct one o[3];

	assert_int_equal(pump_start_aside(&p, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++)
		open_one(p, &o[i]);
	for (size_t i = 0; i < ARRAY_SIZE(o); i++) {
		put(o[i].fds[1]);
		wait_for(&o[i].ready, 1);
		wait_for(&o[i].ticks, 1);
		close_one(&o[i]);
	}
	pump_stop(p);
}

/* One that is readable for long: nobody reads it but the test. */
struct unread {
	struct pump_item *_Atomic item;
	int fds[2];
	atomic_int ready, woken;
	atomic_int how;			/* what it is to become at the next event; -1: as it is */
	atomic_bool remove, removed;
};

static void on_unread(void *arg, enum pump_event event, int64_t now_ns)
{
	struct unread *u = arg;
	const int how = atomic_load(&u->how);

	if (event == PUMP_READY)
		atomic_fetch_add(&u->ready, 1);
	if (event == PUMP_WOKEN)
		atomic_fetch_add(&u->woken, 1);
	if (how >= 0) {
		pump_set_watch(u->item, (enum pump_watch)how);
		atomic_store(&u->how, -1);
	}
	if (event == PUMP_WOKEN && atomic_load(&u->remove)) {
		pump_remove(u->item);
		atomic_store(&u->removed, true);
	}
}

static void open_unread(struct pump *p, struct unread *u)
{
	struct pump_item *i = NULL;

	*u = (struct unread){ .item = NULL, .how = -1 };
	assert_int_equal(pipe2(u->fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(pump_add(p, &i, u->fds[0], on_unread, u, NULL), 0);
	u->item = i;
}

static void close_unread(struct unread *u)
{
	atomic_store(&u->remove, true);
	pump_wake(u->item);
	for (int i = 0; i < 2000 && !atomic_load(&u->removed); i++)
		clock_sleep_ms(1);
	assert_true(atomic_load(&u->removed));
	close(u->fds[0]);
	close(u->fds[1]);
}

static void become(struct unread *u, enum pump_watch how)
{
	atomic_store(&u->how, (int)how);
	pump_wake(u->item);
	for (int i = 0; i < 2000 && atomic_load(&u->how) >= 0; i++)
		clock_sleep_ms(1);
	assert_int_equal(atomic_load(&u->how), -1);
}

/* Events of that kind in so many ms. */
static int count_in(atomic_int *n, int ms)
{
	const int before = atomic_load(n);

	clock_sleep_ms(ms);
	return atomic_load(n) - before;
}

/*
 * A ring whose last block is lent is readable all the time, and a thread must not turn for that: it is told of what
 * is new, and else it looks every few ms.
 */
static void test_edge(void **state)
{
	struct pump *p = NULL;
	struct unread u;

	assert_int_equal(pump_start_aside(&p, NULL), 0);
	open_unread(p, &u);
	become(&u, PUMP_EDGE);
	assert_int_equal(atomic_load(&u.ready), 0);
	for (int i = 1; i <= 3; i++) {
		put(u.fds[1]);
		wait_for(&u.ready, i);
		assert_int_equal(count_in(&u.ready, 100), 0);
	}
	assert_in_range(count_in(&u.woken, 200), 2, 200 / PUMP_PAUSE_MS + 10);
	close_unread(&u);
	pump_stop(p);
}

/* Level and back, while it is readable: no event is missed at either step. */
static void test_edge_and_back(void **state)
{
	struct pump *p = NULL;
	struct unread u;

	assert_int_equal(pump_start_aside(&p, NULL), 0);
	open_unread(p, &u);
	become(&u, PUMP_EDGE);
	put(u.fds[1]);
	wait_for(&u.ready, 1);
	become(&u, PUMP_WATCHED);
	assert_true(count_in(&u.ready, 100) > 100);
	assert_int_equal(count_in(&u.woken, 100), 0);
	become(&u, PUMP_PAUSED);
	assert_int_equal(count_in(&u.ready, 100), 0);
	assert_in_range(count_in(&u.woken, 200), 2, 200 / PUMP_PAUSE_MS + 10);
	/* what came while it was not looked at is told */
	atomic_store(&u.ready, 0);
	become(&u, PUMP_EDGE);
	wait_for(&u.ready, 1);
	assert_int_equal(count_in(&u.ready, 100), 0);
	become(&u, PUMP_PAUSED);
	become(&u, PUMP_WATCHED);
	assert_true(count_in(&u.ready, 100) > 100);
	close_unread(&u);
	pump_stop(p);
}

/* One that is gone is called no more, and the others of its thread were never called for it. */
static void test_edge_ends(void **state)
{
	struct pump *p = NULL;
	struct unread u;
	struct one o;

	assert_int_equal(pump_start_aside(&p, NULL), 0);
	open_one(p, &o);
	open_unread(p, &u);
	become(&u, PUMP_EDGE);
	put(u.fds[1]);
	wait_for(&u.ready, 1);
	assert_int_equal(atomic_load(&o.woken), 0);
	close_unread(&u);
	assert_int_equal(count_in(&u.woken, 50) + count_in(&u.ready, 50), 0);
	put(o.fds[1]);
	wait_for(&o.ready, 1);
	assert_int_equal(atomic_load(&o.woken), 0);
	close_one(&o);
	pump_stop(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_events),
		cmocka_unit_test(test_a_tick_behind_an_event),
		cmocka_unit_test(test_paused_and_changed),
		cmocka_unit_test(test_aside),
		cmocka_unit_test(test_edge),
		cmocka_unit_test(test_edge_and_back),
		cmocka_unit_test(test_edge_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
