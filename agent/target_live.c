/* SPDX-License-Identifier: Apache-2.0
 *
 * target_live.c - one target of a live capture: packets from its ring to the feed, until it ends
 *
 * What target_run.c is for files. All in the pump aside (works.h), where nothing may block: a feed
 * that is full takes no packets, and they are counted as ours. The ring is small and never grows, its
 * blocks come every TARGET_LIVE_RETIRE_MS: who looks on wants to see it soon, and loses rather than
 * holds up.
 *
 * An interface that finds no room in the feed is tried again with its next packets.
 */
#include "target_inside.h"

#include <string.h>

#define BATCH 32u
#define DRAIN_MAX_MS 1000
#define STATS_COMMENT "drops: of all interfaces together, by the kernel and by a viewer that was slow"

struct target_live {
	uint32_t *numbers;		/* in the feed; FEED_NO_INTERFACE: not yet */
	uint64_t *received;		/* what was read of each, dropped ones included */
	size_t n;
	int64_t packets, bytes, truncated, dropped;
};

void target_live_free(struct target_live *l)
{
	if (!l)
		return;
	free(l->numbers);
	free(l->received);
	free(l);
}

/* ---- interfaces ---- */

static uint32_t declare_one(struct target *t, const struct iface *i)
{
	const struct fileset_interface f = {
		.name = i->name, .addresses = i->addresses, .n_addresses = i->n_addresses,
		.loopback = i->loopback,
	};
	cleanup_free char *description = fileset_describe(t->wanted, t->env.node->name, &f);
	cleanup_buf struct buf name = BUF_INIT(WIRE_TEXT_MAX);
	struct pcapng_interface p = {
		.description = description, .filter = t->env.arm->filter,
		.link_type = i->link_type, .snaplen = t->env.arm->snaplen, .has_mac = i->has_mac,
	};

	buf_add_safe(&name, i->name);
	p.name = name.data;
	memcpy(p.mac, i->mac, sizeof(p.mac));
	return feed_declare(t->env.feed, &p);
}

/* Those that came since the last call, and those that found no room. */
static void declare(struct target *t)
{
	struct target_live *l = t->live_out;
	size_t n;
	const struct iface *v = sniff_interfaces(t->sniff, &n);
	bool more = n > l->n;

	l->numbers = xrealloc(l->numbers, n + 1, sizeof(*l->numbers));
	l->received = xrealloc(l->received, n + 1, sizeof(*l->received));
	for (; l->n < n; l->n++) {
		l->numbers[l->n] = FEED_NO_INTERFACE;
		l->received[l->n] = 0;
	}
	for (size_t i = 0; i < n; i++)
		if (l->numbers[i] == FEED_NO_INTERFACE)
			l->numbers[i] = declare_one(t, &v[i]);
	if (more)
		target_show_interfaces(t);
}

/* Those of the request are known by its hosts; who joins is not. */
static void tell_names(struct target *t)
{
	const struct wire_wanted *w = t->wanted;

	for (size_t i = 0; i < w->n_networks; i++)
		for (size_t k = 0; k < w->networks[i].n_addresses; k++)
			feed_names(t->env.feed, &(struct pcapng_name){
				.address = w->networks[i].addresses[k], .name = w->key }, 1);
}

void target_live_begin(struct target *t)
{
	t->live_out = xcalloc(1, sizeof(*t->live_out));
	tell_names(t);
	declare(t);
}

/* ---- packets ---- */

/* p's packets are of one interface, whose number is known. */
static void put(struct target *t, struct pcapng_packet *p, size_t n)
{
	struct target_live *l = t->live_out;
	size_t taken = feed_put(t->env.feed, p, n);

	l->packets += (int64_t)taken;
	l->dropped += (int64_t)(n - taken);
	for (size_t i = 0; i < taken; i++) {
		l->bytes += (int64_t)pcapng_packet_size(p[i].caplen, p[i].flags);
		l->truncated += p[i].caplen < p[i].len;
	}
}

static bool sink(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	struct target *t = arg;
	struct target_live *l = t->live_out;
	const int64_t shift = clock_shift_ns();
	struct pcapng_packet batch[BATCH];
	size_t known, fill = 0;

	sniff_interfaces(t->sniff, &known);
	if (known > l->n)
		declare(t);
	for (size_t i = 0; i < n; i++) {
		const uint32_t from = p[i].interface;

		l->received[from]++;
		if (l->numbers[from] == FEED_NO_INTERFACE)
			declare(t);
		if (l->numbers[from] == FEED_NO_INTERFACE) {
			l->dropped++;
			continue;
		}
		batch[fill] = p[i];
		batch[fill].interface = l->numbers[from];
		batch[fill].ts_ns += shift;
		if (++fill == BATCH) {
			put(t, batch, fill);
			fill = 0;
		}
	}
	put(t, batch, fill);
	*taken = n;
	return true;
}

/* ---- the report, and the end ---- */

static int64_t dropped_by_kernel(struct target *t)
{
	struct sniff_counts c;

	sniff_counts(t->sniff, &c);
	return (int64_t)c.dropped;
}

static void publish(struct target *t, int64_t dropped_kernel)
{
	const struct target_live *l = t->live_out;
	const struct target_counts now = {
		.packets = l->packets, .bytes = l->bytes, .truncated = l->truncated,
		.dropped_kernel = dropped_kernel, .dropped_agent = l->dropped,
	};

	pthread_mutex_lock(t->env.lock);
	target_publish(t, &now);
	pthread_mutex_unlock(t->env.lock);
}

static void put_stats(struct target *t, int64_t dropped_kernel)
{
	const struct target_live *l = t->live_out;
	const int64_t end_ns = t->stop_ns;

	for (size_t i = 0; i < l->n; i++) {
		const struct pcapng_stats s = {
			.interface = l->numbers[i], .ts_ns = end_ns,
			.start_ns = t->seen->started_ns, .end_ns = end_ns,
			.received = (int64_t)l->received[i],
			.dropped = i ? -1 : dropped_kernel + l->dropped,
			.comment = i ? NULL : STATS_COMMENT,
		};

		if (l->numbers[i] != FEED_NO_INTERFACE)
			feed_stats(t->env.feed, &s);
	}
}

void target_live_finish(void *job)
{
	struct target *t = job;
	const int64_t dropped = dropped_by_kernel(t);

	put_stats(t, dropped);
	sniff_close(t->sniff);
	t->sniff = NULL;
	publish(t, dropped);
	pthread_mutex_lock(t->env.lock);
	target_show_end(t, t->err.code ? WIRE_END_ERROR : t->end);
	t->jobs--;
	pthread_cond_broadcast(t->env.changed);
	pthread_mutex_unlock(t->env.lock);
}

static void drain(struct target *t, int64_t now)
{
	int r = sniff_drain(t->sniff, sink, t, &t->err);

	if (r != SNIFF_E_LATER || now >= t->drain_ns)
		target_end(t, t->end);
}

void target_live_on_event(void *arg, enum pump_event event, int64_t now)
{
	struct target *t = arg;
	struct sniff_taken taken;

	if (target_is_ending(t, event, now, DRAIN_MAX_MS, drain))
		return;
	if (event != PUMP_TICK && sniff_take(t->sniff, sink, t, &taken, &t->err) < 0) {
		target_end(t, WIRE_END_ERROR);
		return;
	}
	if (event == PUMP_TICK)
		publish(t, dropped_by_kernel(t));
}
