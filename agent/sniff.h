/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff.h - the capture engine: the packets of one network namespace
 *
 *	sniff_open		in a thread that stands in the namespace (netns_run)
 *	sniff_round		waits, hands over what is there; by one thread, again and again
 *	sniff_drain		the last packets up to the stop, then nothing more
 *	sniff_close
 *
 * Nobody but this module knows libpcap. Timestamps are nanoseconds by the node's clock. Packets
 * of one round come in order of time; rounds may overlap by the retire interval, because each
 * interface has a ring of its own.
 */
#ifndef SNIFF_H
#define SNIFF_H

#include "iface.h"
#include "pcapng.h"

#define SNIFF_RING_BYTES (2 << 20)	/* per interface */
#define SNIFF_RETIRE_MS 60		/* the kernel hands over a block that old, full or not */
#define SNIFF_ROUND_PACKETS 8192	/* a round ends after so many, that others get their turn */

#define SNIFF_E_GONE 1		/* no interface but loopback is left: the task's network is gone */
#define SNIFF_E_SINK 2		/* the sink ended the round */

struct sniff_options {
	const char *interface;		/* NULL: all that are up, loopback included */
	const char *filter;		/* NULL: everything */
	uint32_t snaplen;
	void (*note)(void *arg, const char *text);	/* an interface left out; may be NULL */
	void *arg;
};

struct sniff_counts {
	uint64_t received;	/* passed the filter, dropped ones included */
	uint64_t dropped;	/* by the kernel: its ring was full */
};

/* 0 goes on, else the round ends: > 0 the packet was taken, < 0 it was not (nor is it counted). */
typedef int sniff_sink(void *arg, const struct pcapng_packet *p);

struct sniff;

/* -ENODEV: no such interface, or none that is up. */
int sniff_open(struct sniff **out, const struct sniff_options *o, struct err *err);
void sniff_close(struct sniff *s);
/* Interfaces with an open handle; a packet's `interface` counts in this order. */
const struct iface *sniff_interfaces(const struct sniff *s, size_t *n);
/*
 * Waits up to timeout_ms, or until wake_fd is readable, then hands over what is there. 0,
 * SNIFF_E_GONE, SNIFF_E_SINK, or -errno.
 */
int sniff_round(struct sniff *s, int wake_fd, int timeout_ms, sniff_sink *sink, void *arg,
		struct err *err);
/*
 * Waits until the kernel has handed over all that came before stop_ns (wall clock) and gives it
 * to the sink; what came later is neither given nor counted. Takes SNIFF_DRAIN_MS; with
 * a sink that is slow until nothing is left, SNIFF_DRAIN_MAX_MS at most.
 */
#define SNIFF_DRAIN_MS (2 * SNIFF_RETIRE_MS + 30)
#define SNIFF_DRAIN_MAX_MS 5000
int sniff_drain(struct sniff *s, int64_t stop_ns, sniff_sink *sink, void *arg, struct err *err);
void sniff_counts(struct sniff *s, size_t interface, struct sniff_counts *out);

#endif
