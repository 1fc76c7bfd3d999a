/* SPDX-License-Identifier: Apache-2.0
 *
 * feed.h - a live capture's packets on their way to the one who looks on: one pcapng stream
 *
 *	feed_new	section and names stand in it
 *	feed_declare	one more interface, at any time before its first packet
 *	feed_put	packets, as far as there is room: what finds none is for the caller to count
 *	feed_stats	at the end of an interface
 *	feed_end	no more comes
 *
 *	feed_open	the viewer; there is one in a feed's life
 *	feed_read	waits for bytes, and notices that the viewer has hung up
 *	feed_close	it has gone
 *
 * Two buffers of FEED_BYTES: one fills while the other is read. So memory is bounded, and a viewer
 * that is slow, or stands still, holds nobody up. Interfaces and statistics may take FEED_RESERVE
 * more, so that packets do not push them out.
 *
 * Any thread may call; the packets of one target come in the order of the calls.
 */
#ifndef FEED_H
#define FEED_H

#include "pcapng.h"

#define FEED_BYTES (2u << 20)		/* 20 ms of a gigabit per second, twice */
#define FEED_RESERVE (1u << 20)
#define FEED_NO_INTERFACE UINT32_MAX

struct feed;

struct feed *feed_new(const struct pcapng_section *s, const struct pcapng_name *names,
		      size_t n_names);
void feed_free(struct feed *f);

/* Of what comes later; left out where there is no room. */
void feed_names(struct feed *f, const struct pcapng_name *names, size_t n);
/* Its number in the stream; FEED_NO_INTERFACE: there is no room now. */
uint32_t feed_declare(struct feed *f, const struct pcapng_interface *i);
/*
 * n packets, whose interfaces are numbers of feed_declare. How many of them were taken: those from
 * there on found no room.
 */
size_t feed_put(struct feed *f, const struct pcapng_packet *p, size_t n);
/* Left out where not even the reserve has room. */
void feed_stats(struct feed *f, const struct pcapng_stats *s);
void feed_end(struct feed *f);

/* connection is the viewer's socket, and stays the caller's. -EBUSY: there is, or was, a viewer. */
int feed_open(struct feed *f, int connection, struct err *err);
/* Bytes, up to max; 0: the end; -ECONNRESET: the viewer has hung up. Waits. */
ssize_t feed_read(struct feed *f, void *p, size_t max);
void feed_close(struct feed *f);
/* A viewer that does not take the rest is cut off. */
void feed_cut_off(struct feed *f);

#endif
