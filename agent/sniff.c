/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff.c - the capture engine: from a ring's blocks to packets for a sink
 *
 * One thread reads: block after block, frame after frame, in the ring's order. A sink gets many packets
 * at once, since a call for each costs as much as the packet. It may refuse some (its
 * disk is behind): they are kept, and come first the next time. A frame is turned into a packet
 * once only, because that moves bytes (ring_block.h).
 *
 * The end, and the hand-over to a larger ring (sniff_grow.c), are the same: a ring that receives
 * no more is read until it has nothing, the block that was still open included.
 */
#include "sniff_inside.h"
#include "netns.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void note(const struct sniff *s, const char *text)
{
	if (s->o.note)
		s->o.note(s->o.arg, text);
}

/* ---- life ---- */

/* A ring, or libpcap where that can't be had. */
static int open_source(struct sniff *s, struct err *err)
{
	const struct ring_options o = {
		.bytes = s->o.ring_bytes, .retire_ms = s->o.retire_ms, .ifindex = s->ifindex,
		.program = s->o.program, .budget = s->o.budget,
	};
	cleanup_free char *text = NULL;
	struct err why = ERR_INIT;
	int r = s->o.without_ring ? err_set(&why, -ENOTSUP, "no ring is wanted")
				  : ring_open(&s->ring, &o, &why);

	if (!r)
		return 0;
	if (r == -EPERM || r == -ENOBUFS || s->o.early)
		return err_set(err, r, "%s", why.text);
	text = xasprintf("captured by libpcap: %s", why.text);
	note(s, text);
	return sniff_pcap_open(&s->pcap, &s->o, &s->ifaces, err);
}

int sniff_open(struct sniff **out, const struct sniff_options *o, struct err *err)
{
	struct sniff *s = xcalloc(1, sizeof(*s));
	int r;

	s->o = *o;
	s->o.interface = xstrdup_null(o->interface);
	s->o.filter = xstrdup_null(o->filter);
	s->ns = -1;
	pthread_mutex_init(&s->lock, NULL);
	r = netns_open_own(&s->ns, err);
	if (!r)
		r = sniff_list_interfaces(s, err);
	if (!r)
		r = open_source(s, err);
	s->o.note = NULL;		/* who asked may be gone later */
	if (r)
		sniff_close(s);
	else
		*out = s;
	return r;
}

void sniff_close(struct sniff *s)
{
	if (!s)
		return;
	ring_close(s->ring);
	ring_close(s->next);
	sniff_pcap_close(s->pcap);
	overlap_release(&s->overlap);
	iface_list_release(&s->ifaces);
	util_close(s->ns);
	pthread_mutex_destroy(&s->lock);
	free((char *)s->o.interface);
	free((char *)s->o.filter);
	free(s);
}

int sniff_bind(struct sniff *s, struct err *err)
{
	return s->pcap ? 0 : ring_bind(s->ring, err);
}

int sniff_fd(const struct sniff *s)
{
	return s->pcap ? sniff_pcap_fd(s->pcap) : ring_fd(s->ring);
}

const struct iface *sniff_interfaces(const struct sniff *s, size_t *n)
{
	*n = s->ifaces.n;
	return s->ifaces.v;
}

int sniff_check(struct sniff *s)
{
	socklen_t n = sizeof(int);
	int error = 0;

	if (s->pcap || !s->ifindex)
		return 0;
	/* asking takes it away, or poll would tell it for ever; and once down, the end is not told */
	getsockopt(ring_fd(s->ring), SOL_SOCKET, SO_ERROR, &error, &n);
	s->was_down |= error != 0;
	return s->was_down && !sniff_has_interface(s) ? SNIFF_E_GONE : 0;
}

/* ---- reading ---- */

/* Those of n frames that the other ring's reader did not have. */
static size_t only_news(struct sniff *s, struct ring_frame *f, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (sniff_is_news(s, &f[i]))
			f[kept++] = f[i];
	return kept;
}

/* The next frames as packets. False: the block has no more. */
static bool fill_batch(struct sniff *s)
{
	struct ring_frame f[SNIFF_BATCH];
	const size_t found = ring_cursor_take(&s->at, f, SNIFF_BATCH);
	const size_t n = s->noting || s->matching ? only_news(s, f, found) : found;

	s->batch_n = n;
	s->batch_at = 0;
	for (size_t i = 0; i < n;) {
		uint32_t number = sniff_number(s, f[i].from);

		i += ring_frames_to_packets(&f[i], n - i, number, s->ifaces.v[number].link_type,
					    s->o.snaplen, &s->batch[i]);
	}
	return found;
}

/* The frames of the block from where it was left. 0, or SNIFF_E_SINK. */
static int take_frames(struct sniff *s, sniff_sink *sink, void *arg)
{
	do {
		size_t taken = 0;
		bool goes_on;

		if (s->batch_at == s->batch_n)
			continue;
		goes_on = sink(arg, s->batch + s->batch_at, s->batch_n - s->batch_at, &taken);
		s->batch_at += taken;
		if (!goes_on)
			return SNIFF_E_SINK;
	} while (fill_batch(s));
	return 0;
}

static void begin(struct sniff *s, void *block)
{
	ring_cursor_init(&s->at, block, ring_block_size(s->ring));
	s->batch_n = s->batch_at = 0;
	s->in_block = true;
	sniff_begin_block(s);
}

static void end(struct sniff *s)
{
	s->in_block = false;
	s->dropped += s->at.damaged;	/* the kernel makes no such blocks; if it ever does, we say so */
	if (s->in_last)
		s->over = true;
	else
		ring_release(s->ring);
}

/* Blocks that are ready, up to max bytes of them. */
static int take_blocks(struct sniff *s, size_t max, sniff_sink *sink, void *arg, bool *timed_out)
{
	for (size_t taken = 0; taken < max; taken += ring_block_size(s->ring)) {
		void *block = s->in_block ? NULL : ring_block(s->ring, timed_out);
		int r;

		if (block)
			begin(s, block);
		if (!s->in_block)
			return 0;
		if (block && sniff_lend(s)) {
			s->in_block = false;
			continue;
		}
		r = take_frames(s, sink, arg);
		if (r)
			return r;
		end(s);
		if (s->over)
			return 0;
	}
	return 0;
}

/* A ring that receives no more, to its end: 0, SNIFF_E_SINK, SNIFF_E_LATER. */
static int empty_ring(struct sniff *s, sniff_sink *sink, void *arg)
{
	void *last;
	int r;

	if (s->over)
		return 0;
	r = take_blocks(s, SIZE_MAX, sink, arg, NULL);
	if (r || s->over)
		return r;
	if (ring_last(s->ring, &last) == RING_E_LATER)
		return SNIFF_E_LATER;
	/* the timer may have handed a block over between the two looks */
	if (ring_block(s->ring, NULL))
		return SNIFF_E_LATER;
	s->over = !last;
	if (!last)
		return 0;
	s->in_last = true;
	begin(s, last);
	return take_blocks(s, SIZE_MAX, sink, arg, NULL);
}

int sniff_take(struct sniff *s, sniff_sink *sink, void *arg, struct sniff_taken *out,
	       struct err *err)
{
	int r;

	*out = (struct sniff_taken){ 0 };
	if (s->pcap) {
		out->is_idle = true;
		return sniff_pcap_take(s->pcap, sink, arg, err);
	}
	sniff_watch_lent(s, false);
	if (atomic_load(&s->handover) == HANDOVER_READY) {
		r = empty_ring(s, sink, arg);
		if (r)
			return r == SNIFF_E_LATER ? 0 : r;
		sniff_switch(s);
		out->fd_changed = true;
		return 0;
	}
	r = take_blocks(s, SNIFF_TAKE_BYTES, sink, arg, &out->is_idle);
	out->fd_changed = !r && sniff_leave(s);
	return r;
}

bool sniff_is_filled(const struct sniff *s, unsigned quarters)
{
	if (s->pcap)
		return false;
	/* what is to be emptied fills no more: the next one does */
	if (atomic_load(&s->handover) == HANDOVER_READY)
		return ring_is_filled(s->next, quarters);
	return ring_is_filled(s->ring, quarters);
}

uint64_t sniff_drop_block(struct sniff *s)
{
	void *block = s->pcap || s->in_block ? NULL : ring_block(s->ring, NULL);
	uint64_t n = 0;

	if (block)
		begin(s, block);
	if (!s->in_block)
		return 0;
	do {
		n += s->batch_n - s->batch_at;
	} while (fill_batch(s));
	end(s);
	return n;
}

/* ---- the end ---- */

void sniff_halt(struct sniff *s)
{
	pthread_mutex_lock(&s->lock);
	s->halted = true;
	if (s->pcap)
		sniff_pcap_halt(s->pcap);
	if (s->ring)
		ring_halt(s->ring);
	if (s->next)
		ring_halt(s->next);
	pthread_mutex_unlock(&s->lock);
}

void sniff_settle(void)
{
	ring_settle();
}

int sniff_drain(struct sniff *s, sniff_sink *sink, void *arg, struct err *err)
{
	int r;

	if (s->pcap)
		return sniff_pcap_drain(s->pcap, sink, arg, err);
	r = empty_ring(s, sink, arg);
	while (!r && atomic_load(&s->handover) == HANDOVER_READY) {
		sniff_switch(s);
		r = empty_ring(s, sink, arg);
	}
	return !r && atomic_load(&s->handover) != HANDOVER_NONE ? SNIFF_E_LATER : r;
}

void sniff_counts(struct sniff *s, struct sniff_counts *out)
{
	struct ring_counts c = { 0 };
	uint64_t held;

	*out = (struct sniff_counts){ 0 };
	if (s->pcap) {
		out->dropped = sniff_pcap_dropped(s->pcap);
		return;
	}
	ring_counts(s->ring, &c);
	held = sniff_held_dropped(s, c.dropped);
	out->dropped = s->dropped + c.dropped - s->regained;
	out->dropped_held = held < out->dropped ? held : out->dropped;
	out->dropped -= out->dropped_held;
	out->ring_bytes = ring_bytes(s->ring);
}
