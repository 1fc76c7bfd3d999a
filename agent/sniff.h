/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff.h - the capture engine: the packets of one network namespace
 *
 *	sniff_open	in a thread that stands in the namespace (netns_run): all is ready, nothing comes
 *	sniff_bind	from now on packets come
 *	sniff_take	hands over what is there; by one thread, when sniff_fd is readable
 *	sniff_halt	nothing more comes; then sniff_settle, once for many
 *	sniff_drain	the last packets
 *	sniff_close	takes the kernel some milliseconds: not on the packet path
 *
 * One ring sees all interfaces (ring.h), those that come later too. Packets keep the ring's order.
 * A ring that fills up is followed by a larger one (sniff_must_grow, sniff_grow) without loss or
 * duplicate. Where a ring can't be had libpcap captures, with a note (sniff_pcap.h).
 */
#ifndef SNIFF_H
#define SNIFF_H

#include "iface.h"
#include "ring.h"

#define SNIFF_RETIRE_MS 1000	/* wake-ups are what idle targets cost */
#define SNIFF_TAKE_BYTES (8u << 20)	/* one sniff_take ends after so many, that others get their turn */
#define SNIFF_GROWTH 2			/* how much larger the next ring is, as far as the budget goes, */
#define SNIFF_GROWN_MIN (8u << 20)	/* and at least so large */
#define SNIFF_RING_MAX (64u << 20)

#define SNIFF_E_GONE 1		/* the interface that was asked for is gone */
#define SNIFF_E_SINK 2		/* the sink ended it */
#define SNIFF_E_LATER 3		/* the end is not all there yet: again in some milliseconds */

struct sniff_options {
	const char *interface;		/* NULL: all, loopback included */
	const struct program *program;	/* outlives the sniff */
	const char *filter;		/* the program's text, for libpcap; NULL: everything */
	uint32_t snaplen;
	size_t ring_bytes;
	unsigned retire_ms;
	struct ring_budget *budget;	/* NULL: none; outlives the sniff */
	bool without_ring;		/* for tests: as if no ring could be had */
	bool early;			/* no interface need be there yet; a ring or nothing */
	void (*note)(void *arg, const char *text);	/* what is worth a word in the report */
	void *arg;
};

/*
 * n packets, in order; *taken becomes how many of them were taken. True (all were): goes on. False:
 * the call ends, and what was not taken comes first the next time. interface counts as
 * sniff_interfaces does; it may be one that was not there before.
 */
typedef bool sniff_sink(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken);

/*
 * Before that, what a whole block holds (segment.h); interfaces as above. True: it was taken, to be laid and to be done
 * with; false: its packets come one by one.
 */
struct segment_lent;
typedef bool sniff_lender(void *arg, struct segment_lent *l);

struct sniff;

/* -ENODEV: no such interface, or none that the filter fits. */
int sniff_open(struct sniff **out, const struct sniff_options *o, struct err *err);
void sniff_close(struct sniff *s);
int sniff_bind(struct sniff *s, struct err *err);
/* May change during sniff_take, when another ring took over (fd_changed). */
int sniff_fd(const struct sniff *s);
/*
 * Of one that was opened early, before the first take: the interfaces that came, or changed, since. Those
 * that are gone meanwhile stay known.
 */
int sniff_refresh(struct sniff *s, struct err *err);
/* In order of their numbers; the array is valid until the next take or drain. */
const struct iface *sniff_interfaces(const struct sniff *s, size_t *n);

struct sniff_taken {
	bool is_idle;		/* a block's time was up before it was full: not much is going on */
	bool fd_changed;
};
/* 0, SNIFF_E_SINK, or -errno. */
int sniff_take(struct sniff *s, sniff_sink *sink, void *arg, struct sniff_taken *out,
	       struct err *err);
/* When poll tells of an error, and from time to time: 0, or SNIFF_E_GONE. */
int sniff_check(struct sniff *s);
/* From now on blocks are offered to fn first. Before the first take. */
void sniff_set_lender(struct sniff *s, sniff_lender *fn, void *arg);
/*
 * After a take: a block is lent, so sniff_fd may be readable though there is nothing to take, and
 * the caller had better look again from time to time than wait for it.
 */
bool sniff_has_lent(const struct sniff *s);

/* For a sink that takes nothing: how full it is, and what lies in the next block is given up. */
bool sniff_is_filled(const struct sniff *s, unsigned quarters);
uint64_t sniff_drop_block(struct sniff *s);

/* From any thread, also while another one takes. */
void sniff_halt(struct sniff *s);
void sniff_settle(void);
/* 0: all was handed over. SNIFF_E_SINK and SNIFF_E_LATER: call again. */
int sniff_drain(struct sniff *s, sniff_sink *sink, void *arg, struct err *err);

/*
 * By the thread that takes. True when half of the ring waits to be read, and not again until the last
 * growing is over, and what both rings had is behind.
 */
bool sniff_must_grow(struct sniff *s);
/*
 * Opens a larger ring and lets it take over, in a thread that may wait: some tens of milliseconds.
 * sniff_take does the rest, and says fd_changed; then sniff_retire, in such a thread too.
 * -ENOBUFS: the budget is used up; the ring stays as it is, for good.
 */
int sniff_grow(struct sniff *s, struct err *err);
void sniff_retire(struct sniff *s);

struct sniff_counts {
	uint64_t dropped;	/* by the kernel: the ring was full, */
	uint64_t dropped_held;	/* or too much of it waited to be written */
	size_t ring_bytes;
};
/* By the thread that takes. */
void sniff_counts(struct sniff *s, struct sniff_counts *out);

#endif
