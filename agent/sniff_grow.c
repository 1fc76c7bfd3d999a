/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_grow.c - from a ring that is too small to a larger one, without loss or duplicate
 *
 * Two threads. The grower (sniff_grow) makes the larger ring, and then, step by step:
 *
 *	packets are stamped once for all sockets: both rings will tell the same time of each
 *	OVERLAP		from here on the reader notes each packet of the first ring
 *	bind		the second ring receives, too
 *	settle		on every processor
 *	BOTH		from here on the reader may leave the first ring, see below
 *	HALTED		from here on it may not
 *	halt, settle	the first receives no more
 *	READY
 *
 * Each packet is in the first ring or in the second or in both. The reader empties the first,
 * switches, and passes over what it noted. What only the second has with a time at which
 * the first was still receiving, the first had dropped: it is regained. What the second dropped
 * while the first received is the first's to count.
 *
 * On a busy machine it takes 25 ms to settle, in which a flood fills 16 MiB. So the reader does not wait
 * for READY where packets are many: when it has read a block of the first ring that was begun since
 * BOTH, all that may come there comes to the second as well, and it leaves what the first still has.
 */
#include "sniff_inside.h"
#include "netns.h"

#include <errno.h>

#define STAMPS_MS 20		/* until stamps are shared everywhere: the kernel does it by a work queue */
#define LEAVE_MS 20		/* at BOTH: who does not fill a block meanwhile does not fill a ring while we settle */
#define OPENED_NS 10000		/* a packet is stamped so much before it begins a block, at most */
#define MATCH_NS (100 * NS_PER_MS)	/* so long after the halt nothing is repeated any more */

/* ---- the grower ---- */

struct opening {
	struct ring_options o;
	struct ring *ring;
};

static int open_inside(void *arg, struct err *err)
{
	struct opening *w = arg;

	return ring_open(&w->ring, &w->o, err);
}

/*
 * The kernel clears every page of a ring, and on a busy machine that takes as long as a tenth of a second
 * for 64 MiB: as much as a million small packets.
 */
static size_t size_after(size_t now)
{
	const size_t next = now < SNIFF_RING_MAX / SNIFF_GROWTH ? now * SNIFF_GROWTH
								: SNIFF_RING_MAX;

	return next < SNIFF_GROWN_MIN ? SNIFF_GROWN_MIN : next;
}

/* False: the capture ends just now. */
static bool announce(struct sniff *s, struct ring *larger)
{
	bool going;

	pthread_mutex_lock(&s->lock);
	going = !s->halted;
	if (going) {
		s->next = larger;
		atomic_store(&s->handover, HANDOVER_OVERLAP);
	}
	pthread_mutex_unlock(&s->lock);
	return going;
}

static int bind_next(struct sniff *s, struct err *err)
{
	int r;

	pthread_mutex_lock(&s->lock);
	r = s->halted ? 0 : ring_bind(s->next, err);
	pthread_mutex_unlock(&s->lock);
	return r;
}

/* The lock is held. A ring that the reader has left is closed by others, perhaps just now. */
static bool has_left(const struct sniff *s, const struct ring *larger)
{
	return s->next != larger;
}

static bool wait_for_reader(struct sniff *s, const struct ring *larger)
{
	bool left = false;

	for (int ms = 0; !left && ms < LEAVE_MS; ms++) {
		clock_sleep_ms(1);
		pthread_mutex_lock(&s->lock);
		left = has_left(s, larger);
		pthread_mutex_unlock(&s->lock);
	}
	return left;
}

/* The lock is held. So far the first ring was there. True: it was needed. */
static bool count_not_lost(struct sniff *s)
{
	const uint64_t before = s->not_lost;
	struct ring_counts c;

	ring_counts(s->next, &c);
	s->not_lost = c.dropped;
	return s->not_lost != before;
}

static void take_over(struct sniff *s, const struct ring *larger)
{
	ring_settle();
	pthread_mutex_lock(&s->lock);
	count_not_lost(s);
	s->open_block = 0;
	atomic_store(&s->handover, HANDOVER_BOTH);
	pthread_mutex_unlock(&s->lock);
	if (wait_for_reader(s, larger))
		return;
	pthread_mutex_lock(&s->lock);
	if (!has_left(s, larger)) {
		count_not_lost(s);
		atomic_store(&s->handover, HANDOVER_HALTED);
		s->halted_ns = clock_kernel_ns();
		ring_halt(s->ring);
	}
	pthread_mutex_unlock(&s->lock);
	ring_settle();
	pthread_mutex_lock(&s->lock);
	if (!has_left(s, larger))
		atomic_store(&s->handover, HANDOVER_READY);
	pthread_mutex_unlock(&s->lock);
}

int sniff_grow(struct sniff *s, struct err *err)
{
	const size_t now = ring_bytes(s->ring);
	struct opening w = { .o = {
		.bytes = size_after(now),
		.retire_ms = s->o.retire_ms, .ifindex = s->ifindex, .program = s->o.program,
		.budget = s->o.budget,
	} };
	int r = netns_run(s->ns, open_inside, &w, err);

	if (r)
		return r;
	if (ring_bytes(w.ring) <= now) {
		ring_close(w.ring);
		return err_set(err, -ENOBUFS, "no memory is left for a larger ring: --ring-bytes");
	}
	ring_share_stamps(w.ring);
	clock_sleep_ms(STAMPS_MS);
	if (!announce(s, w.ring)) {
		ring_close(w.ring);
		return 0;
	}
	r = bind_next(s, err);
	if (r) {
		atomic_store(&s->handover, HANDOVER_NONE);	/* next is closed with the sniff */
		return r;
	}
	take_over(s, w.ring);
	return 0;
}

void sniff_retire(struct sniff *s)
{
	struct ring *old;

	pthread_mutex_lock(&s->lock);
	old = s->next;
	s->next = NULL;
	pthread_mutex_unlock(&s->lock);
	ring_close(old);
	atomic_store(&s->asked_to_grow, false);
}

/* ---- the reader ---- */

bool sniff_must_grow(struct sniff *s)
{
	/* one hand-over at a time: what is matched is told by when the last one was */
	if (s->pcap || s->matching || atomic_load(&s->asked_to_grow) ||
	    ring_bytes(s->ring) >= SNIFF_RING_MAX || !ring_is_filled(s->ring, 2))
		return false;
	atomic_store(&s->asked_to_grow, true);
	return true;
}

void sniff_begin_block(struct sniff *s)
{
	if (s->matching) {
		const struct tpacket_block_desc *b = (const void *)s->at.block;

		s->matching = (int64_t)b->hdr.bh1.ts_first_pkt.ts_sec * NS_PER_S +
			      b->hdr.bh1.ts_first_pkt.ts_nsec < s->halted_ns + MATCH_NS;
		if (!s->matching)
			overlap_release(&s->overlap);
	} else if (!s->noting && atomic_load(&s->handover) != HANDOVER_NONE) {
		s->noting = true;
	}
}

bool sniff_is_news(struct sniff *s, const struct ring_frame *f)
{
	int64_t ts = (int64_t)f->head->tp_sec * NS_PER_S + f->head->tp_nsec;
	uint64_t key = overlap_key(f);

	if (s->noting) {
		overlap_note(&s->overlap, key);
		return true;
	}
	if (overlap_take(&s->overlap, key))
		return false;
	s->regained += ts < s->halted_ns && s->regained < s->regain_max;
	return true;
}

/* halted_ns: what was stamped before, and is not noted, the first had dropped. The lock is held. */
static void change_over(struct sniff *s, int64_t halted_ns)
{
	struct ring_counts c;
	struct ring *old = s->ring;

	sniff_watch_lent(s, true);
	ring_counts(old, &c);
	s->ring = s->next;
	s->next = old;			/* closed by sniff_retire, away from the packet path */
	atomic_store(&s->handover, HANDOVER_NONE);
	s->halted_ns = halted_ns;
	s->dropped += c.dropped - s->regained - s->not_lost;
	s->regained = 0;
	s->regain_max = c.dropped;
	s->noting = false;
	s->matching = true;
	s->in_last = s->over = false;
}

void sniff_switch(struct sniff *s)
{
	pthread_mutex_lock(&s->lock);
	change_over(s, s->halted_ns);
	pthread_mutex_unlock(&s->lock);
}

/*
 * The lock is held. A block of the first ring that was begun since BOTH has nothing that is not in the
 * second, unless that drops. The one that was open when this was last so is read before:
 * later ones have other numbers.
 */
static bool is_doubled(struct sniff *s, uint64_t number, bool empty)
{
	/* what it dropped is the first's to count, and may be in a block that was begun since the number was taken */
	if (count_not_lost(s)) {
		s->open_block = 0;
		return false;
	}
	if (!s->open_block)
		s->open_block = number;
	return empty || number != s->open_block;
}

bool sniff_leave(struct sniff *s)
{
	int64_t now = clock_kernel_ns(), since;
	uint64_t number;
	bool leaves;

	if (atomic_load(&s->handover) != HANDOVER_BOTH || s->in_block || ring_block(s->ring, NULL))
		return false;
	number = ring_open_block(s->ring, &since);
	pthread_mutex_lock(&s->lock);
	/* halted meanwhile, it is empty for that reason: what only the second has it did not drop */
	leaves = atomic_load(&s->handover) == HANDOVER_BOTH && is_doubled(s, number, !since);
	if (leaves)
		change_over(s, since ? since - OPENED_NS : now);
	pthread_mutex_unlock(&s->lock);
	return leaves;
}
