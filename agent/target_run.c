/* SPDX-License-Identifier: Apache-2.0
 *
 * target_run.c - one target of a capture: packets from its ring to its files, until it ends
 *
 * All in the pump's thread, where nothing may block:
 *
 *	ready		ring -> files. A disk that is behind refuses: then the ring is left to fill up
 *			to three quarters, and after that blocks are given up, counted as ours
 *	tick		files go to the disk, rotate; counters go to the report
 *	asked to end	the halted ring is drained; ticks go on with that while there is more
 *
 * What blocks is the crew's: a larger ring, a retired one, and the end (target_finish.c).
 */
#include "target_inside.h"

#include <errno.h>
#include "iface_detail.h"

#include <stdatomic.h>
#include <string.h>

#define FLUSH_MS 200		/* what is older is written with the next tick, so within 2 s */
#define DRAIN_MAX_MS 5000	/* a disk that is behind gets so long at the end */

/* ---- interfaces ---- */

/* The lock is held. A former life may have shown it. */
static bool is_shown(const struct wire_target *s, const struct iface *i)
{
	for (size_t k = 0; k < s->n_interfaces; k++)
		if (s->interfaces[k].index == i->index && !strcmp(s->interfaces[k].name, i->name))
			return true;
	return false;
}

void target_show_interfaces(struct target *t)
{
	size_t n;
	const struct iface *v = sniff_interfaces(t->sniff, &n);
	const struct iface_list all = { (struct iface *)(uintptr_t)v, n };
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	s->interfaces = xrealloc(s->interfaces, s->n_interfaces + n, sizeof(*s->interfaces));
	for (size_t i = 0; i < n && s->n_interfaces < WIRE_INTERFACES_MAX; i++) {
		if (is_shown(s, &v[i]))
			continue;
		iface_report(&all, &v[i], &s->interfaces[s->n_interfaces++]);
	}
	pthread_mutex_unlock(t->env.lock);
}

int target_declare(struct target *t, struct err *err)
{
	size_t n;
	const struct iface *v = sniff_interfaces(t->sniff, &n);
	int r = 0;

	while (!r && t->declared < n) {
		const struct iface *i = &v[t->declared];
		const struct fileset_interface f = {
			.name = i->name, .link_type = i->link_type, .link_text = i->link_text,
			.mac = i->has_mac ? i->mac : NULL, .addresses = i->addresses,
			.n_addresses = i->n_addresses, .loopback = i->loopback,
		};

		r = fileset_declare(t->files, &f, err);
		t->declared++;
	}
	target_show_interfaces(t);
	return r;
}

/* ---- the crew's work ---- */

void target_begin_job(struct target *t)
{
	pthread_mutex_lock(t->env.lock);
	t->jobs++;
	pthread_mutex_unlock(t->env.lock);
}

void target_hand_to_crew(struct target *t, void (*fn)(void *job))
{
	target_begin_job(t);
	crew_run(t->env.works->crew, fn, t);
}

void target_end_job(struct target *t)
{
	pthread_mutex_lock(t->env.lock);
	t->jobs--;
	if (t->item)
		pump_wake(t->item);
	pthread_cond_broadcast(t->env.changed);
	pthread_mutex_unlock(t->env.lock);
}

static void grow(void *job)
{
	struct target *t = job;
	struct err err = ERR_INIT;

	if (sniff_grow(t->sniff, &err))
		target_note(t, err.text);
	target_end_job(t);
}

static void retire(void *job)
{
	struct target *t = job;

	sniff_retire(t->sniff);
	target_end_job(t);
}

void target_publish(struct target *t, const struct target_counts *now)
{
	struct wire_target *s = t->seen;
	struct metrics *m = t->env.metrics;

	s->packets = now->packets;
	s->bytes = now->bytes;
	s->truncated = now->truncated;
	s->dropped_kernel = now->dropped_kernel;
	s->dropped_agent = now->dropped_agent;
	s->received = s->packets + s->dropped_kernel + s->dropped_agent;
	atomic_fetch_add(&m->packets, (unsigned long long)(s->packets - t->told_packets));
	atomic_fetch_add(&m->bytes, (unsigned long long)(s->bytes - t->told_bytes));
	atomic_fetch_add(&m->dropped, (unsigned long long)(s->dropped_kernel - t->told_kernel));
	atomic_fetch_add(&m->dropped_agent,
			 (unsigned long long)(s->dropped_agent - t->told_agent));
	t->told_packets = s->packets;
	t->told_bytes = s->bytes;
	t->told_kernel = s->dropped_kernel;
	t->told_agent = s->dropped_agent;
}

void target_publish_files(struct target *t, int64_t dropped_kernel)
{
	const struct target_counts now = {
		.packets = fileset_packets(t->files), .bytes = fileset_bytes(t->files),
		.truncated = fileset_truncated(t->files),
		.dropped_kernel = dropped_kernel + (t->former ? t->former->dropped_kernel : 0),
		.dropped_agent = t->dropped_agent + t->dropped_held +
				 (t->former ? t->former->dropped_agent : 0),
	};

	target_publish(t, &now);
}

int64_t target_count_drops(struct target *t)
{
	struct sniff_counts c;

	sniff_counts(t->sniff, &c);
	t->dropped_held = (int64_t)c.dropped_held;
	fileset_set_dropped(t->files, (int64_t)(c.dropped + c.dropped_held) + t->dropped_agent);
	return (int64_t)c.dropped;
}

/* ---- the end ---- */

void target_end(struct target *t, enum wire_end end)
{
	pthread_mutex_lock(t->env.lock);
	t->ending = true;
	if (t->item)
		pump_remove(t->item);
	t->item = NULL;
	pthread_mutex_unlock(t->env.lock);
	t->end = end;
	if (!t->stop_ns)
		t->stop_ns = clock_wall_ns();
	target_hand_to_crew(t, t->live_out ? target_live_finish : target_finish);
}

static enum wire_end end_of_sink(int result)
{
	switch (result) {
	case FILESET_E_PACKETS:
		return WIRE_END_PACKETS;
	case FILESET_E_BYTES:
		return WIRE_END_BYTES;
	case -EDQUOT:
		return WIRE_END_QUOTA;
	case -ENOSPC:
		return WIRE_END_DISK_FLOOR;
	default:
		return WIRE_END_ERROR;
	}
}

/* A clock that a test shifts (clock.h) is shifted for packets, too. */
static int add(struct target *t, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	int64_t shift = clock_shift_ns();
	int r = 0;

	if (!shift)
		return fileset_add(t->files, p, n, taken, &t->err);
	*taken = 0;
	for (size_t i = 0; !r && i < n; i++) {
		struct pcapng_packet shifted = p[i];
		size_t one;

		shifted.ts_ns += shift;
		r = fileset_add(t->files, &shifted, 1, &one, &t->err);
		*taken += one;
	}
	return r;
}

static bool sink(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	struct target *t = arg;
	size_t known;
	int r = 0;

	sniff_interfaces(t->sniff, &known);
	if (known > t->declared)
		r = target_declare(t, &t->err);
	if (!r)
		r = add(t, p, n, taken);
	t->sink_result = r;
	return !r;
}

bool target_lend(void *arg, struct segment_lent *l)
{
	struct target *t = arg;

	return l->n_counts == t->declared && !clock_shift_ns() && fileset_lend(t->files, l);
}

static bool is_asked(struct target *t)
{
	bool asked;

	pthread_mutex_lock(t->env.lock);
	asked = t->wanted_end && t->settled;
	if (asked) {
		t->end = t->wanted_end;
		t->stop_ns = t->wanted_stop_ns;
	}
	pthread_mutex_unlock(t->env.lock);
	return asked;
}

/*
 * The last packets of a target that others ended; a limit may still be reached by them. Goes on
 * with the next tick or wake while the disk is behind, or the kernel has not told all.
 */
static void drain(struct target *t, int64_t now)
{
	bool late = now >= t->drain_ns;
	int r;

	for (;;) {
		r = sniff_drain(t->sniff, sink, t, &t->err);
		if (r != SNIFF_E_SINK || t->sink_result != FILESET_E_BUSY || !late)
			break;
		t->dropped_agent += (int64_t)sniff_drop_block(t->sniff);
	}
	if (r == SNIFF_E_LATER && !late)
		return;
	if (r == SNIFF_E_SINK && t->sink_result == FILESET_E_BUSY) {
		fileset_tick(t->files, now, 0, NULL);
		return;
	}
	target_end(t, r == SNIFF_E_SINK ? end_of_sink(t->sink_result) : t->end);
}

/* ---- capturing ---- */

/* One sniff_take, and what it means: true while the target goes on. */
static bool take(struct target *t, int64_t now)
{
	struct sniff_taken taken;
	int r;

	if (sniff_must_grow(t->sniff))
		target_hand_to_crew(t, grow);
	r = sniff_take(t->sniff, sink, t, &taken, &t->err);
	while (r == SNIFF_E_SINK && t->sink_result == FILESET_E_BUSY) {
		/* what we hold ourselves may be what is missing */
		fileset_tick(t->files, now, 0, NULL);
		if (!sniff_is_filled(t->sniff, 3)) {
			pump_set_watch(t->item, PUMP_PAUSED);
			return true;
		}
		t->dropped_agent += (int64_t)sniff_drop_block(t->sniff);
		r = sniff_take(t->sniff, sink, t, &taken, &t->err);
	}
	if (r) {
		target_end(t, r == SNIFF_E_SINK ? end_of_sink(t->sink_result) : WIRE_END_ERROR);
		return false;
	}
	if (taken.fd_changed) {
		pump_set_fd(t->item, sniff_fd(t->sniff));
		target_hand_to_crew(t, retire);
	}
	pump_set_watch(t->item, sniff_has_lent(t->sniff) ? PUMP_EDGE : PUMP_WATCHED);
	/* little traffic: what there is goes to the disk, and the buffer to those who need it */
	if (taken.is_idle || disk_is_short(t->env.works->disk))
		fileset_tick(t->files, now, 0, NULL);
	return true;
}

static bool tick(struct target *t, int64_t now)
{
	/* a ring that nobody stirred had room, and asking a hundred of them is a hundred calls */
	int64_t dropped = t->stirred ? target_count_drops(t) : t->told_kernel;
	int r = fileset_tick(t->files, now, FLUSH_MS, &t->err);

	t->stirred = false;

	if (r < 0) {
		target_end(t, end_of_sink(r));
		return false;
	}
	pthread_mutex_lock(t->env.lock);
	target_publish_files(t, dropped);
	pthread_mutex_unlock(t->env.lock);
	target_sync(t, now);
	return true;
}

bool target_is_ending(struct target *t, enum pump_event event, int64_t now, int drain_ms,
		      target_drain *go_on)
{
	if (!t->draining && is_asked(t)) {
		t->draining = true;
		t->drain_ns = now + drain_ms * NS_PER_MS;
		pump_set_watch(t->item, PUMP_PAUSED);
	}
	if (t->draining) {
		go_on(t, now);
		return true;
	}
	if ((event == PUMP_ERROR || event == PUMP_TICK) && sniff_check(t->sniff)) {
		target_end(t, WIRE_END_TASK_ENDED);
		return true;
	}
	return false;
}

void target_on_event(void *arg, enum pump_event event, int64_t now)
{
	struct target *t = arg;

	if (target_is_ending(t, event, now, DRAIN_MAX_MS, drain))
		return;
	if (event == PUMP_READY || event == PUMP_WOKEN) {
		t->stirred = true;
		if (!take(t, now))
			return;
	}
	if (event == PUMP_TICK)
		tick(t, now);
}
