/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_lay.h - a block of a TPACKET_V3 ring becomes a piece of a pcapng file where it lies
 *
 * Copying is what a large packet costs. Here its bytes stay: the header of its file's block is written over the end of
 * what the kernel says of it, and what is left between two packets becomes an option without meaning. The piece is a
 * whole number of pages, so it can be written straight from the ring (O_DIRECT). A packet takes 88 bytes more
 * than its own, where a copy takes 44: that is worth it for large ones.
 *
 * Pure: memory in, memory out. Not every block can be laid: ring_survey tells.
 */
#ifndef RING_LAY_H
#define RING_LAY_H

#include "ring_block.h"

#define RING_LAY_ALIGN 4096u	/* of the piece's size */
#define RING_LAY_MEAN_MIN 512u	/* bytes in the ring, of a block's frames (blk_len): below that copying costs less */

/* What a block holds, before it is laid. */
struct ring_survey {
	uint32_t packets, truncated;
	int64_t first_ns, last_ns;	/* the least and the greatest time */
	uint32_t size;			/* of the piece */
};

/*
 * Walks the block and shows each frame's origin to `visit`. False: it can't be laid, and nothing was changed. It has frames
 * that are damaged, that stand where no Ethernet frame does, with a VLAN tag that the kernel took off, longer than snaplen, or small
 * on the average; or no room for its end; or visit said no.
 */
typedef bool ring_visit(void *arg, const struct sockaddr_ll *from);
bool ring_survey(void *block, uint32_t size, uint32_t snaplen, ring_visit *visit, void *arg,
		 struct ring_survey *out);
/* A frame's interface, as the file numbers it. */
typedef uint32_t ring_number(void *arg, const struct sockaddr_ll *from);
/* After such a survey that said true: the block's first out->size bytes become the piece. */
void ring_lay(void *block, uint32_t size, ring_number *number, void *arg);

#endif
