/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_block.h - the packets of one block of a TPACKET_V3 ring
 *
 * Pure: memory in, packets out. The layout is the kernel's (linux/if_packet.h,
 * Documentation/networking/packet_mmap.rst); each offset is checked against the block all the same.
 */
#ifndef RING_BLOCK_H
#define RING_BLOCK_H

#include <linux/if_packet.h>

#include "pcapng.h"

/*
 * What the socket is to keep free in front of a packet (PACKET_RESERVE), for ring_lay.h: an Ethernet frame then stands
 * where its file's block wants it, at a multiple of 4.
 */
#define RING_RESERVE 2u

struct ring_frame {
	const struct tpacket3_hdr *head;	/* timestamp, lengths, VLAN tag */
	const struct sockaddr_ll *from;	/* interface, hardware type, direction */
};

/* A place in a block. */
struct ring_cursor {
	uint8_t *block;
	uint32_t size;			/* bytes of the block */
	uint32_t left;			/* frames from here on; 0: through */
	uint32_t at;			/* of the frame */
	uint32_t damaged;		/* frames that made no sense, and those behind them */
};

#define RING_CURSOR_NONE { NULL, 0, 0, 0, 0 }

void ring_cursor_init(struct ring_cursor *c, void *block, uint32_t size);
/* The next frames, up to max of them; 0: none is left. */
size_t ring_cursor_take(struct ring_cursor *c, struct ring_frame *out, size_t max);

/*
 * The frames as packets of a file: with the VLAN tag that the kernel took off, with a header of
 * Linux cooked captures where the link type is that (the interface's own header is then left
 * out), and with their direction. Bytes in front of a frame are used for that, so it works once
 * for each. Goes on as long as the frames are of the first one's interface and hardware type, and
 * returns how many that were.
 */
size_t ring_frames_to_packets(const struct ring_frame *f, size_t n, uint32_t interface,
			      uint16_t link_type, uint32_t snaplen, struct pcapng_packet *out);

/* epb_flags: direction, and how it was addressed (bits 2 to 4). On loopback nothing is either. */
uint32_t ring_flags(const struct sockaddr_ll *from);

#define RING_LINK_ETHERNET 1	/* LINKTYPE_*, https://www.tcpdump.org/linktypes.html */
#define RING_LINK_RAW 101
#define RING_LINK_COOKED 113

/* How frames of a hardware type (ARPHRD_*) are written. */
uint16_t ring_link_type(uint16_t hardware);

#endif
