/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_lay.c - a block of a TPACKET_V3 ring becomes a piece of a pcapng file where it lies
 *
 *	in the ring	description | tpacket3_hdr sockaddr_ll gap | packet | rest | tpacket3_hdr ...
 *	in the file	filler      |                head of block | packet | options, end of block ...
 *
 * The description of the block keeps its place inside the filler, since the kernel and ring.c read its status there.
 * A packet's block ends where the next one's head begins, the last one's with a page. What the kernel
 * says of a frame is read before the frame in front of it is ended, which writes over it.
 */
#include "ring_lay.h"

#include <linux/if_ether.h>
#include <string.h>

#include "../common/pcapng_format.h"
#include "../common/pcapng_packet.h"

#define BATCH 32
#define OPTION 4u			/* code and length */
#define END_MIN (OPTION + 4 + OPTION + OPTION + 4)	/* flags, filler, end of options, length */
#define GAP_MAX 60000u			/* an option's length has 16 bits */
#define DESCRIPTION sizeof(struct tpacket_block_desc)

/* ---- whether it can be ---- */

/* Offsets in the ring's block: of a frame, of the head that its packet's block gets, and behind its bytes. */
struct span {
	uint32_t at, head, end;
};

static struct span span_of(const void *block, const struct tpacket3_hdr *h)
{
	uint32_t at = (uint32_t)((const uint8_t *)h - (const uint8_t *)block);

	return (struct span){ at, at + h->tp_mac - PCAPNG_PACKET_HEAD, at + h->tp_mac + h->tp_snaplen };
}

/* The frame's header is told, so tp_mac and tp_snaplen are inside the block. */
static bool is_fit(const struct tpacket3_hdr *h, uint32_t snaplen)
{
	return h->tp_mac % 4 == 0 && h->tp_snaplen >= ETH_HLEN && h->tp_snaplen <= snaplen &&
	       !(h->tp_status & TP_STATUS_VLAN_VALID);
}

/* The block of the packet before, whose bytes end at `end`, can go on to the next one's head. */
static bool reaches(uint32_t end, const struct span *next)
{
	return next->at >= end && next->head - end >= 3 + END_MIN && next->head - end <= GAP_MAX;
}

static void count(struct ring_survey *s, const struct tpacket3_hdr *h)
{
	int64_t ts = (int64_t)h->tp_sec * NS_PER_S + h->tp_nsec;

	s->packets++;
	s->truncated += h->tp_snaplen < h->tp_len;
	s->first_ns = ts < s->first_ns ? ts : s->first_ns;
	s->last_ns = ts > s->last_ns ? ts : s->last_ns;
}

/* Before the first frame stands the description, which stays. */
static bool is_first_fit(const void *block, const struct tpacket3_hdr *h)
{
	return span_of(block, h).head >= DESCRIPTION + 4;
}

/* By what the kernel says of the block: a walk over small packets for nothing would cost as much as their copies. */
static bool has_large(const void *block, uint32_t size)
{
	const struct tpacket_block_desc *b = block;

	return size >= sizeof(*b) && b->hdr.bh1.num_pkts &&
	       b->hdr.bh1.blk_len / b->hdr.bh1.num_pkts >= RING_LAY_MEAN_MIN;
}

bool ring_survey(void *block, uint32_t size, uint32_t snaplen, ring_visit *visit, void *arg,
		 struct ring_survey *out)
{
	struct ring_frame f[BATCH];
	struct ring_cursor c;
	uint32_t end = 0;
	size_t n;

	*out = (struct ring_survey){ .first_ns = INT64_MAX, .last_ns = INT64_MIN };
	if (!has_large(block, size))
		return false;
	ring_cursor_init(&c, block, size);
	while ((n = ring_cursor_take(&c, f, BATCH))) {
		for (size_t i = 0; i < n; i++) {
			const struct span now = span_of(block, f[i].head);

			if (!is_fit(f[i].head, snaplen) || !visit(arg, f[i].from) ||
			    !(out->packets ? reaches(end, &now) : is_first_fit(block, f[i].head)))
				return false;
			count(out, f[i].head);
			end = now.end;
		}
	}
	if (c.damaged || !out->packets)
		return false;
	out->size = (end + 3 + END_MIN + RING_LAY_ALIGN - 1) / RING_LAY_ALIGN * RING_LAY_ALIGN;
	return out->size <= size;
}

/* ---- doing it ---- */

struct laid {
	uint8_t *head, *end;
	uint32_t flags;
};

/* Options and end of p's block, up to `to`. */
static void end_packet(const struct laid *p, uint8_t *to)
{
	const uint32_t size = (uint32_t)(to - p->head);
	uint8_t *at = p->head + PCAPNG_PACKET_HEAD +
		      pcapng_padded((size_t)(p->end - p->head - PCAPNG_PACKET_HEAD));

	memset(p->end, 0, (size_t)(to - p->end));
	if (p->flags) {
		at = put16(put16(at, PCAPNG_EPB_FLAGS), 4);
		at = put32(at, p->flags);
	}
	put16(put16(at, PCAPNG_OPT_FILLER), (uint16_t)(to - at - 3 * OPTION));
	put32(p->head + 4, size);
	put32(to - 4, size);
}

/* All of a block but its end. h is a copy: what it was read from may be written over by now. */
static struct laid begin_packet(uint8_t *head, const struct tpacket3_hdr *h, uint32_t flags,
				uint32_t interface)
{
	const uint64_t ts = (uint64_t)h->tp_sec * NS_PER_S + h->tp_nsec;
	uint8_t *at = put32(put32(head, PCAPNG_BLOCK_PACKET), 0);

	at = put32(at, interface);
	at = put32(put32(at, (uint32_t)(ts >> 32)), (uint32_t)ts);
	at = put32(put32(at, h->tp_snaplen), h->tp_len);
	return (struct laid){ head, at + h->tp_snaplen, flags };
}

/* What stands in front of the first packet's block. */
static void put_filler(uint8_t *block, uint8_t *to)
{
	const uint32_t size = (uint32_t)(to - block);

	memset(block + DESCRIPTION, 0, size - DESCRIPTION);
	put32(put32(block, PCAPNG_BLOCK_FILLER), size);
	put32(to - 4, size);
}

void ring_lay(void *block, uint32_t size, ring_number *number, void *arg)
{
	const uint32_t rest = RING_LAY_ALIGN - 1;
	struct ring_frame f[BATCH];
	struct laid last = { NULL, NULL, 0 };
	struct ring_cursor c;
	size_t n;

	ring_cursor_init(&c, block, size);
	while ((n = ring_cursor_take(&c, f, BATCH))) {
		for (size_t i = 0; i < n; i++) {
			const struct tpacket3_hdr h = *f[i].head;
			const uint32_t flags = ring_flags(f[i].from), interface = number(arg, f[i].from);
			uint8_t *head = (uint8_t *)(uintptr_t)f[i].head + h.tp_mac - PCAPNG_PACKET_HEAD;

			if (last.head)
				end_packet(&last, head);
			else
				put_filler(block, head);
			last = begin_packet(head, &h, flags, interface);
		}
	}
	if (last.head) {
		const uint32_t end = (uint32_t)(last.end - (uint8_t *)block) + 3 + END_MIN;

		end_packet(&last, (uint8_t *)block + ((end + rest) & ~rest));
	}
}
