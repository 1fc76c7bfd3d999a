/* SPDX-License-Identifier: Apache-2.0
 *
 * ring.h - a packet socket with a TPACKET_V3 ring
 *
 *	ring_open	in a thread that stands in the namespace: socket, filter, ring; nothing comes yet
 *	ring_bind	from now on packets come
 *	ring_block	the oldest block that the kernel has handed over
 *	ring_release	gives it back to the kernel
 *	ring_lend	it is another thread's for a while, which gives it back by ring_return
 *	ring_halt	no more packets; after ring_settle none is under way any more
 *	ring_last	the block that was still open; nothing comes after it
 *	ring_close	waits for what is lent, and for the kernel (an RCU grace period): not on the packet path
 *
 * The ring is not charged to any memory cgroup: it is counted against a budget of the node.
 */
#ifndef RING_H
#define RING_H

#include <stdatomic.h>

#include "program.h"
#include "ring_block.h"

#define RING_BLOCK_MIN (128u << 10)	/* holds a frame of 64 KiB (GSO), and its neighbours */
#define RING_BLOCK_MAX (1u << 20)
#define RING_BLOCKS_MIN 4

struct ring_budget {
	size_t total;
	atomic_size_t used;
};

struct ring_options {
	size_t bytes;			/* wanted; what the budget has left is taken if it is less */
	unsigned retire_ms;		/* a block is handed over that old, full or not */
	unsigned ifindex;		/* 0: all interfaces */
	const struct program *program;
	struct ring_budget *budget;	/* NULL: none */
};

struct ring;

/* -ENOBUFS: not even the smallest ring is left in the budget. */
int ring_open(struct ring **out, const struct ring_options *o, struct err *err);
void ring_close(struct ring *r);
int ring_bind(struct ring *r, struct err *err);
int ring_fd(const struct ring *r);
size_t ring_bytes(const struct ring *r);

/*
 * NULL: none is ready. The same one until it is released. *timed_out (may be NULL): its time was
 * up before it was full.
 */
void *ring_block(const struct ring *r, bool *timed_out);
uint32_t ring_block_size(const struct ring *r);
void ring_release(struct ring *r);
/*
 * In place of ring_release: the next block becomes the oldest one, and the kernel does not get this one until
 * ring_return, from any thread. As long as the last block that came is lent, poll finds the
 * descriptor readable: the caller has to look from time to time instead.
 */
void ring_lend(struct ring *r);
void ring_return(struct ring *r, void *block);
unsigned ring_lent(const struct ring *r);	/* how many are */
bool ring_may_lend(const struct ring *r);
/*
 * What the kernel drops now is not for want of a reader: the block that it needs is lent, or whoever has what is lent
 * keeps it for long.
 */
bool ring_is_held(struct ring *r);
/*
 * When ring_block says NULL: the number of the block that comes next, and since when the kernel fills
 * it (wall clock; 0: it does not yet).
 */
uint64_t ring_open_block(const struct ring *r, int64_t *since_ns);
/* At least so many quarters of the ring wait to be read. */
bool ring_is_filled(const struct ring *r, unsigned quarters);

void ring_halt(struct ring *r);
/* Returns when no processor is in the middle of handing a packet to any halted or bound ring. */
void ring_settle(void);
/*
 * After ring_settle, when ring_block says NULL: *out is the block that was still open (not to be
 * released), or NULL for an empty one. RING_E_LATER: the kernel has not told all yet; ask
 * ring_block again, then this.
 */
#define RING_E_LATER 1
int ring_last(struct ring *r, void **out);

struct ring_counts {
	uint64_t received, dropped;	/* received: passed the filter, dropped ones included */
};
/* Since ring_bind; one thread at a time. */
void ring_counts(struct ring *r, struct ring_counts *out);
/*
 * Stamps each packet once for all sockets of the machine from now on, so that two rings tell the
 * same time of it. Takes some milliseconds to be so everywhere.
 */
void ring_share_stamps(struct ring *r);

#endif
