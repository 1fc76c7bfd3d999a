/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_lend.c - whole blocks of a ring go to the disk as they are, but for the headers of their packets
 *
 * For blocks of large packets, from a ring that receives alone: while another takes over from it packets are noted or
 * passed over, one by one.
 */
#include "sniff_inside.h"
#include "ring_lay.h"
#include "segment.h"

#define LEND_MIN (256u << 10)		/* bytes: the disk's share of a smaller order is as much as a copy */

struct lent {
	struct segment_lent l;
	struct sniff *s;		/* until it is laid */
	struct ring *ring;
	const uint32_t *numbers;
	uint32_t *counts;
};

static bool count(void *arg, const struct sockaddr_ll *from)
{
	struct lent *w = arg;
	const uint32_t i = sniff_number(w->s, from);

	/* one that just came has to be declared before its packets */
	if (i >= w->l.n_counts || w->s->ifaces.v[i].link_type != RING_LINK_ETHERNET)
		return false;
	w->counts[i]++;
	return true;
}

static uint32_t number(void *arg, const struct sockaddr_ll *from)
{
	const struct lent *w = arg;

	return w->numbers[sniff_number(w->s, from)];
}

static void lay(struct segment_lent *l, const uint32_t *numbers)
{
	struct lent *w = (struct lent *)l;

	ring_lend(w->ring);
	w->numbers = numbers;
	ring_lay(l->data, ring_block_size(w->ring), number, w);
	w->s = NULL;
	free(w->counts);
	l->counts = w->counts = NULL;
}

static void done(struct segment_lent *l)
{
	struct lent *w = (struct lent *)l;

	ring_return(w->ring, l->data);
	free(w);
}

static bool offer(struct sniff *s, struct lent *w)
{
	struct ring_survey found;

	w->counts = xcalloc(s->ifaces.n + 1, sizeof(*w->counts));
	w->l.counts = w->counts;
	w->l.n_counts = s->ifaces.n;
	if (!ring_survey(s->at.block, ring_block_size(s->ring), s->o.snaplen, count, w, &found))
		return false;
	w->l.data = s->at.block;
	w->l.size = found.size;
	w->l.packets = found.packets;
	w->l.truncated = found.truncated;
	w->l.first_ns = found.first_ns;
	w->l.last_ns = found.last_ns;
	return found.size >= LEND_MIN && s->lender(s->lender_arg, &w->l);
}

bool sniff_lend(struct sniff *s)
{
	struct lent *w;

	if (!s->lender || s->noting || s->matching || s->in_last || !ring_may_lend(s->ring))
		return false;
	w = xcalloc(1, sizeof(*w));
	*w = (struct lent){ .l = { .lay = lay, .done = done }, .s = s, .ring = s->ring };
	if (offer(s, w))
		return true;
	free(w->counts);
	free(w);
	return false;
}

void sniff_watch_lent(struct sniff *s, bool ends)
{
	const bool held = !ends && ring_is_held(s->ring);
	struct ring_counts c;

	if (!s->held && !ring_lent(s->ring)) {
		s->watched = false;
		return;
	}
	ring_counts(s->ring, &c);
	/* it began at some time since the last look, and what was dropped since then was dropped for it */
	if (held && !s->held)
		s->held_from = s->watched ? s->watched_dropped : c.dropped;
	else if (!held && s->held)
		s->held_dropped += c.dropped - s->held_from;
	s->held = held;
	s->watched = !ends;
	s->watched_dropped = c.dropped;
}

uint64_t sniff_held_dropped(const struct sniff *s, uint64_t now)
{
	return s->held_dropped + (s->held ? now - s->held_from : 0);
}

void sniff_set_lender(struct sniff *s, sniff_lender *fn, void *arg)
{
	s->lender = fn;
	s->lender_arg = arg;
}

bool sniff_has_lent(const struct sniff *s)
{
	return !s->pcap && ring_lent(s->ring);
}
