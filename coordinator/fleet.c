/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet.c - one conversation per node: orders, and waiting for them to be carried out
 *
 * Theory of operation. One thread per node (fleet_node.c) and the main thread share struct
 * fleet under one lock. The rules:
 *
 * - The main thread writes the order and what belongs to it (window, staging folder), raises
 *   it, and broadcasts `ordered`. Orders only rise, so a thread that is late misses nothing.
 * - A node's thread is the only writer of its struct fleet_node, and writes under the lock;
 *   it may read it without. The main thread reads under the lock, or after the thread is
 *   past the stage that the header names.
 * - No call to an agent is made with the lock held.
 * - The main thread sleeps in poll(2) on its signals and on event_fd, which every change of
 *   a stage and every event raises; so it owns the terminal, and threads never print.
 * - `cancel` is written under the lock and read without it (atomically) by transfers in flight:
 *   it only ever becomes true, and whoever sees it late sees it a second later.
 */
#include "fleet_parts.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define STACK_SIZE (256 << 10)
#define TICK_NS NS_PER_S
#define LEASE_NS (60 * NS_PER_S)	/* without a renewal for so long an agent stops by itself */

/* ---- for the nodes' threads ---- */

bool fleet_await(struct fleet *f, enum fleet_order order, int64_t until_mono_ns)
{
	struct timespec until = { until_mono_ns / NS_PER_S, until_mono_ns % NS_PER_S };
	bool given;
	int rc = 0;

	fleet_lock(f);
	while (f->order < order && !f->cancel && rc != ETIMEDOUT) {
		if (until_mono_ns)
			rc = pthread_cond_timedwait(&f->ordered, &f->lock, &until);
		else
			rc = pthread_cond_wait(&f->ordered, &f->lock);
	}
	given = f->order >= order;
	fleet_unlock(f);
	return given;
}

enum fleet_order fleet_order(struct fleet *f)
{
	enum fleet_order order;

	fleet_lock(f);
	order = f->order;
	fleet_unlock(f);
	return order;
}

/* ---- for the main thread ---- */

static void give_order(struct fleet *f, enum fleet_order order)
{
	if (f->order < order)
		f->order = order;
	pthread_cond_broadcast(&f->ordered);
}

void fleet_abandon(struct fleet *f)
{
	fleet_lock(f);
	__atomic_store_n(&f->cancel, true, __ATOMIC_RELAXED);
	give_order(f, ORDER_END);
	fleet_unlock(f);
}

void fleet_disk_failed(struct fleet *f, const struct err *err)
{
	fleet_lock(f);
	if (!f->disk_err.code)
		f->disk_err = *err;
	__atomic_store_n(&f->cancel, true, __ATOMIC_RELAXED);
	give_order(f, ORDER_END);
	fleet_unlock(f);
}

int fleet_start_talk(struct fleet_talk *t, struct err *err)
{
	pthread_attr_t attr;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	rc = pthread_create(&t->thread, &attr, fleet_talk_main, t);
	pthread_attr_destroy(&attr);
	if (rc)
		return err_set(err, -rc, "cannot start a thread for node %s: %s",
			       t->node->plan->name, strerror(rc));
	t->running = true;
	return 0;
}

/* Signals are the main thread's. */
static int start_threads(struct fleet *f, struct err *err)
{
	sigset_t all, before;
	int rc = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (size_t i = 0; i < f->n && rc == 0; i++)
		rc = fleet_start_talk(&f->talks[i], err);
	if (rc == 0)
		rc = fleet_follow_start(f, err);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static struct fleet *fleet_new(const struct fleet_job *job)
{
	struct fleet *f = xcalloc(1, sizeof(*f));
	pthread_condattr_t attr;

	f->job = *job;
	f->n = job->plan->n_nodes;
	f->room = f->n + fleet_follow_room(job);
	f->talks = xcalloc(f->room + 1, sizeof(*f->talks));
	f->nodes = xcalloc(f->room + 1, sizeof(*f->nodes));
	f->follow.ended = true;
	f->staging_fd = -1;
	f->events_end = &f->events;
	f->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->ordered, &attr);
	pthread_condattr_destroy(&attr);

	for (size_t i = 0; i < f->n; i++) {
		f->nodes[i].plan = &job->plan->nodes[i];
		f->talks[i] = (struct fleet_talk){ .fleet = f, .node = &f->nodes[i], .index = i };
	}
	return f;
}

int fleet_start(struct fleet **out, const struct fleet_job *job, struct err *err)
{
	struct fleet *f = fleet_new(job);
	int rc;

	reach_set_cancel(job->reach, &f->cancel);
	rc = f->event_fd < 0 ? err_errno(err, "cannot make an event descriptor")
				 : start_threads(f, err);

	if (rc < 0) {
		fleet_abandon(f);
		fleet_free(f);
		return rc;
	}
	*out = f;
	return 0;
}

typedef bool fleet_condition(struct fleet *f);	/* called with the lock held */

/* Until ready, until_mono_ns (0: never) or wake_fd. */
static enum fleet_wake wait_for(struct fleet *f, fleet_condition *ready, int64_t until_mono_ns,
				const struct fleet_watch *w)
{
	struct pollfd fds[2] = { { .fd = f->event_fd, .events = POLLIN },
				 { .fd = w->wake_fd, .events = POLLIN } };
	uint64_t count;

	for (;;) {
		int64_t now = clock_mono_ns(), ns = TICK_NS;
		struct timespec sleep;
		bool is_ready;

		(void)!read(f->event_fd, &count, sizeof(count));
		fleet_lock(f);
		is_ready = ready(f);
		fleet_unlock(f);
		if (w->tick)
			w->tick(w->arg);
		if (is_ready)
			return FLEET_WAKE_READY;
		if (until_mono_ns && now >= until_mono_ns)
			return FLEET_WAKE_TIME;

		if (until_mono_ns && until_mono_ns - now < ns)
			ns = until_mono_ns - now;
		sleep = (struct timespec){ ns / NS_PER_S, ns % NS_PER_S };
		if (ppoll(fds, 2, &sleep, NULL) > 0 && fds[1].revents)
			return FLEET_WAKE_FD;
	}
}

static bool all_armed(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].stage == FLEET_ARMING && !f->nodes[i].follows_only)
			return false;
	return true;
}

static bool all_done(struct fleet *f)
{
	if (!f->follow.ended)
		return false;
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].stage != FLEET_DONE && f->nodes[i].stage != FLEET_LOST)
			return false;
	return true;
}

static bool all_ended(struct fleet *f)
{
	return f->ended == f->n;
}

static bool has_armed_target(const struct fleet_node *n)
{
	for (size_t i = 0; i < n->report.n_targets; i++)
		if (n->report.targets[i].state == WIRE_ARMED)
			return true;
	return false;
}

static bool nothing_captures(struct fleet *f)
{
	int64_t now = clock_mono_ns();

	if (f->follow.running && !f->follow.quiet)
		return false;
	for (size_t i = 0; i < f->n; i++) {
		const struct fleet_node *n = &f->nodes[i];

		if (n->armed && n->report.running && has_armed_target(n) &&
		    now - f->talks[i].answered_ns < LEASE_NS)
			return false;
	}
	return true;
}

enum fleet_wake fleet_wait_armed(struct fleet *f, const struct fleet_watch *w)
{
	return wait_for(f, all_armed, 0, w);
}

void fleet_open_window(struct fleet *f, int64_t start_ns)
{
	fleet_lock(f);
	f->window_start_ns = start_ns;
	f->opened_ns = clock_mono_ns();
	give_order(f, ORDER_RUN);
	fleet_unlock(f);
}

/* A node where everything has ended already captured too. */
static bool is_live(const struct fleet *f, size_t i)
{
	const struct fleet_node *n = &f->nodes[i];

	return n->armed && n->stage != FLEET_LOST &&
	       (f->talks[i].answered_ns > f->opened_ns || !n->report.running ||
		!has_armed_target(n));
}

static bool all_live(struct fleet *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (f->nodes[i].armed && f->nodes[i].stage != FLEET_LOST && !is_live(f, i))
			return false;
	return true;
}

size_t fleet_wait_live(struct fleet *f, int64_t until_mono_ns, const struct fleet_watch *w,
		       enum fleet_wake *woken)
{
	size_t live = 0;

	*woken = wait_for(f, all_live, until_mono_ns, w);
	fleet_lock(f);
	for (size_t i = 0; i < f->n; i++)
		live += is_live(f, i);
	fleet_unlock(f);
	return live;
}

enum fleet_wake fleet_wait_left(struct fleet *f, const struct fleet_watch *w)
{
	return wait_for(f, all_done, 0, w);
}

enum fleet_wake fleet_run(struct fleet *f, int64_t until_mono_ns, const struct fleet_watch *w)
{
	return wait_for(f, nothing_captures, until_mono_ns, w);
}

void fleet_stop(struct fleet *f, const char *reason, int64_t stop_ns)
{
	fleet_lock(f);
	f->stop_reason = reason;
	f->window_stop_ns = stop_ns;
	give_order(f, ORDER_STOP);
	fleet_unlock(f);
}

enum fleet_wake fleet_gather(struct fleet *f, int staging_fd, const struct fleet_watch *w)
{
	fleet_lock(f);
	f->staging_fd = staging_fd;
	give_order(f, ORDER_GATHER);
	fleet_unlock(f);
	return wait_for(f, all_done, 0, w);
}

int fleet_disk_error(struct fleet *f, struct err *err)
{
	int code;

	fleet_lock(f);
	code = f->disk_err.code;
	if (code < 0)
		err_set(err, code, "%s", f->disk_err.text);
	fleet_unlock(f);
	return code;
}

void fleet_remove(struct fleet *f, bool all)
{
	struct fleet_watch quiet = { .wake_fd = -1 };

	fleet_lock(f);
	f->remove_all = all;
	give_order(f, ORDER_REMOVE);
	fleet_unlock(f);
	wait_for(f, all_ended, 0, &quiet);
}

static void node_release(struct fleet_node *n)
{
	wire_report_release(&n->report);
	free(n->version);
	for (size_t i = 0; i < n->n_notes; i++)
		free(n->notes[i]);
	free(n->notes);
	for (size_t i = 0; i < n->n_fetched; i++)
		free(n->fetched[i]);
	free(n->fetched);
}

void fleet_free(struct fleet *f)
{
	struct fleet_event *e;

	if (!f)
		return;
	fleet_lock(f);
	give_order(f, ORDER_END);
	fleet_unlock(f);
	if (f->follow.running)
		pthread_join(f->follow.thread, NULL);
	for (size_t i = 0; i < f->n; i++)
		if (f->talks[i].running)
			pthread_join(f->talks[i].thread, NULL);
	reach_set_cancel(f->job.reach, NULL);

	while ((e = fleet_next_event(f)))
		fleet_event_free(e);
	for (size_t i = 0; i < f->n; i++)
		node_release(&f->nodes[i]);
	fleet_follow_free(f);
	pthread_cond_destroy(&f->ordered);
	pthread_mutex_destroy(&f->lock);
	util_close(f->event_fd);
	free(f->talks);
	free(f->nodes);
	free(f);
}
