/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_stream.h - a stream of packets from a node: classic pcap or pcapng, whatever comes
 *
 * Classic in both byte orders, with micro- or nanoseconds; or one section of pcapng. Each packet
 * is told with the interface that it came from: a cooked one (SLL2) by the number in its header,
 * 0 where the stream does not say. Hostile: a packet is at most WIRE_SNAPLEN_MAX long, a pcapng
 * stream has at most WIRE_INTERFACES_MAX interfaces.
 *
 * Of a packet through the loopback interface `any` sees two: as it goes out, and as it comes in.
 * The first is dropped here, and counted.
 */
#ifndef TAP_STREAM_H
#define TAP_STREAM_H

#include "pcapng.h"
#include "wire.h"

#define TAP_LINK_EN10MB 1
#define TAP_LINK_RAW 101
#define TAP_LINK_SLL 113
#define TAP_LINK_SLL2 276

#define TAP_STREAM_E_END 1	/* a clean end, behind a whole packet */
#define TAP_STREAM_E_CUT 2	/* the stream ends inside a packet, or before its header */

enum tap_event_kind {
	TAP_HEADER,		/* classic: the first event; link_type and snaplen are known */
	TAP_INTERFACE,		/* pcapng: one more, numbered from 0 in order */
	TAP_PACKET,
	TAP_STATS,		/* pcapng */
};

struct tap_event {
	enum tap_event_kind kind;
	uint16_t link_type;			/* of HEADER, INTERFACE and PACKET */
	int64_t index;				/* of PACKET: the kernel's number (SLL2); -1: not told */
	struct pcapng_interface interface;	/* of INTERFACE; texts valid until the next call */
	struct pcapng_packet packet;
	struct pcapng_stats stats;
};

struct tap_stream;

/* fd stays the caller's, and may be one that does not block. */
struct tap_stream *tap_stream_new(int fd);
void tap_stream_free(struct tap_stream *s);
/* 0; TAP_STREAM_E_*; -EAGAIN: nothing whole is there yet; -EINVAL damaged; -errno of reading. */
int tap_stream_next(struct tap_stream *s, struct tap_event *out, struct err *err);
/* Outgoing copies of loopback packets that were left out. */
int64_t tap_stream_copies(const struct tap_stream *s);
/* "LINUX_SLL2", pcap's name; out has room for 32. */
const char *tap_link_text(uint16_t link_type, char out[32]);

#endif
