/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_inside.h - what the files of the capture engine share; nobody else looks inside
 */
#ifndef SNIFF_INSIDE_H
#define SNIFF_INSIDE_H

#include <pthread.h>

#include "overlap.h"
#include "sniff.h"
#include "sniff_pcap.h"

#define SNIFF_BATCH 32		/* packets for one call of a sink */

/* Of one ring to the next. */
enum handover {
	HANDOVER_NONE,
	HANDOVER_OVERLAP,		/* both may receive: what is read is noted */
	HANDOVER_BOTH,			/* all that comes is in both, but for what they drop */
	HANDOVER_HALTED,		/* the first one was told to stop, and is read to its end */
	HANDOVER_READY,			/* it receives no more */
};

struct sniff {
	struct sniff_options o;		/* its interface and filter are copies */
	int ns;				/* the namespace */
	unsigned ifindex;		/* of o.interface; 0: all */
	struct iface_list ifaces;
	size_t last;			/* interface of the last packet */
	bool was_down;			/* the one that was asked for */
	struct sniff_pcap *pcap;	/* instead of a ring; or NULL */

	struct ring *ring;		/* the one that is read */
	struct ring_cursor at;		/* in its block */
	bool in_block, in_last, over;	/* in_last: the block that was still open at the end */
	struct pcapng_packet batch[SNIFF_BATCH];	/* of that block, as packets; */
	size_t batch_n, batch_at;	/* from batch_at on the sink has not taken them yet */
	sniff_lender *lender;		/* NULL: all packets are for the sink */
	void *lender_arg;
	bool held;			/* by the disk, of whose blocks of the ring the kernel may need one: */
	uint64_t held_from;		/* what the kernel had dropped before that, */
	uint64_t held_dropped;		/* and what it dropped in all such times that are over */
	bool watched;			/* there were blocks lent at the last look: */
	uint64_t watched_dropped;	/* what the kernel had dropped then */
	uint64_t dropped;		/* by rings that are closed */
	atomic_bool asked_to_grow;

	pthread_mutex_t lock;		/* of what follows, up to the reader's own */
	bool halted;
	struct ring *next;
	_Atomic enum handover handover;
	int64_t halted_ns;		/* when the first ring was told to stop, or left; wall clock */
	uint64_t open_block;		/* of the first ring, when it was seen that both receive; 0: not yet */
	uint64_t not_lost;		/* what the second dropped while the first still received */
	/* the reader's own */
	bool noting;			/* it has seen that the two overlap */
	bool matching;			/* the second ring is read, and may repeat what is noted */
	struct overlap overlap;
	uint64_t regained, regain_max;	/* what the first dropped and the second had */
};

/* ---- sniff_iface.c ---- */

/* In the namespace: the interfaces that are up, or the one that was asked for. */
int sniff_list_interfaces(struct sniff *s, struct err *err);
/* The number of the frame's interface, which may be new. */
uint32_t sniff_number(struct sniff *s, const struct sockaddr_ll *from);
/* Whether the namespace still has the interface that was asked for. */
bool sniff_has_interface(const struct sniff *s);

/* ---- sniff_lend.c ---- */

/* The block that was just begun is another's, until it gives it back to the ring. False: it is ours. */
bool sniff_lend(struct sniff *s);
/* From time to time, and before the ring changes (ends): has the disk begun to hold the ring up, or ended that? */
void sniff_watch_lent(struct sniff *s, bool ends);
/* What the kernel dropped of this ring's because the disk had its blocks. now: what it dropped in all. */
uint64_t sniff_held_dropped(const struct sniff *s, uint64_t now);

/* ---- sniff_grow.c ---- */

/* When a block is begun: has the other ring come in, or gone? */
void sniff_begin_block(struct sniff *s);
/* Before a frame is handed over: false when the other ring's reader had it. */
bool sniff_is_news(struct sniff *s, const struct ring_frame *f);
/* The first ring is read to its end: the second one takes its place. */
void sniff_switch(struct sniff *s);
/* With nothing to read in the first ring: the same, when the second has all that may still come there. */
bool sniff_leave(struct sniff *s);

#endif
