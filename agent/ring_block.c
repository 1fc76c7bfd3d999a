/* SPDX-License-Identifier: Apache-2.0
 *
 * ring_block.c - the packets of one block of a TPACKET_V3 ring
 *
 * A frame in the ring: tpacket3_hdr, sockaddr_ll, a gap of at least 10 bytes, the link-layer
 * header (tp_mac), the network packet (tp_net). The gap takes what we put in front:
 *	a VLAN tag		the two addresses move down by 4 bytes, the tag follows them
 *	a cooked header		16 bytes before tp_net; tp_net is never nearer to the sockaddr_ll
 */
#include "ring_block.h"

#include <arpa/inet.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <string.h>

#define LL_OFFSET TPACKET_ALIGN(sizeof(struct tpacket3_hdr))
#define DATA_OFFSET (LL_OFFSET + sizeof(struct sockaddr_ll))
#define FRAME_ALIGN 8		/* the kernel's V3_ALIGNMENT */
#define TAG_LEN 4
#define ADDRESSES_LEN (2 * ETH_ALEN)
#define COOKED_LEN 16
#define COOKED_ADDRESS_MAX 8
#define AHEAD 16		/* frames; measured: from 8 to 24 it makes no difference */
#define AHEAD_LINES 3		/* a small frame; the processor itself sees what a large one is */
#define CACHE_LINE 64

void ring_cursor_init(struct ring_cursor *c, void *block, uint32_t size)
{
	const struct tpacket_block_desc *b = block;

	*c = (struct ring_cursor){ .block = block, .size = size };
	if (size < sizeof(*b))
		return;
	c->left = b->hdr.bh1.num_pkts;
	c->at = b->hdr.bh1.offset_to_first_pkt;
}

static void damage(struct ring_cursor *c)
{
	c->damaged = c->left;
	c->left = 0;
}

/* The frame where the cursor is. */
static bool get(const struct ring_cursor *c, struct ring_frame *out)
{
	const struct tpacket3_hdr *h;
	uint32_t room;

	if (c->at > c->size || c->size - c->at < DATA_OFFSET || c->at % FRAME_ALIGN)
		return false;
	h = (const struct tpacket3_hdr *)(const void *)(c->block + c->at);
	room = c->size - c->at;
	if (h->tp_mac < DATA_OFFSET || h->tp_mac > room || h->tp_snaplen > room - h->tp_mac)
		return false;
	out->head = h;
	out->from = (const struct sockaddr_ll *)(const void *)(c->block + c->at + LL_OFFSET);
	return true;
}

/*
 * A frame that another processor wrote takes as long to come as twenty are worked on, and where a
 * later one lies only the one before it tells. So we guess: where it would be if all were as
 * long as this one. A wrong guess costs nothing; it may lie behind the block. It is asked for step by step:
 * a batch's lines asked for at once came no sooner than without, where a line takes 80 ns (an Intel Xeon).
 */
static void look_ahead(const struct tpacket3_hdr *h, uint32_t step)
{
	uintptr_t to = (uintptr_t)h + (uintptr_t)AHEAD * step;

	for (int i = 0; i < AHEAD_LINES; i++)
		__builtin_prefetch((const void *)(to + (uintptr_t)i * CACHE_LINE));
}

size_t ring_cursor_take(struct ring_cursor *c, struct ring_frame *out, size_t max)
{
	size_t n = 0;

	while (n < max && c->left) {
		uint32_t step;

		if (!get(c, &out[n])) {
			damage(c);
			break;
		}
		step = out[n].head->tp_next_offset;
		look_ahead(out[n++].head, step);
		if (!--c->left)
			break;
		if (step < DATA_OFFSET || step > c->size - c->at) {
			damage(c);
			break;
		}
		c->at += step;
	}
	return n;
}

uint16_t ring_link_type(uint16_t hardware)
{
	switch (hardware) {
	case ARPHRD_ETHER:
	case ARPHRD_LOOPBACK:
		return RING_LINK_ETHERNET;
	case ARPHRD_NONE:		/* tun, wireguard */
	case ARPHRD_RAWIP:
		return RING_LINK_RAW;
	default:
		return RING_LINK_COOKED;
	}
}

uint32_t ring_flags(const struct sockaddr_ll *from)
{
	static const uint32_t by_type[256] = {
		[PACKET_HOST] = PCAPNG_INBOUND | 1 << 2,
		[PACKET_BROADCAST] = PCAPNG_INBOUND | 3 << 2,
		[PACKET_MULTICAST] = PCAPNG_INBOUND | 2 << 2,
		[PACKET_OTHERHOST] = PCAPNG_INBOUND | 4 << 2,
		[PACKET_OUTGOING] = PCAPNG_OUTBOUND,
	};

	return from->sll_hatype == ARPHRD_LOOPBACK ? 0 : by_type[from->sll_pkttype];
}

/* The tag is told beside the packet; where it was not 802.1Q's, its protocol is told too. */
static void put_tag(const struct tpacket3_hdr *h, struct pcapng_packet *p)
{
	uint8_t *to = (uint8_t *)(uintptr_t)p->data - TAG_LEN;
	uint16_t tag[2] = { htons(ETH_P_8021Q), htons((uint16_t)h->hv1.tp_vlan_tci) };

	if (h->tp_status & TP_STATUS_VLAN_TPID_VALID && h->hv1.tp_vlan_tpid)
		tag[0] = htons(h->hv1.tp_vlan_tpid);
	memmove(to, p->data, ADDRESSES_LEN);
	memcpy(to + ADDRESSES_LEN, tag, TAG_LEN);
	p->data = to;
	p->caplen += TAG_LEN;
	p->len += TAG_LEN;
}

/* https://www.tcpdump.org/linktypes/LINKTYPE_LINUX_SLL.html */
static void put_cooked(const struct ring_frame *f, struct pcapng_packet *p)
{
	uint32_t link = f->head->tp_net - f->head->tp_mac;
	uint8_t *to = (uint8_t *)(uintptr_t)p->data + link - COOKED_LEN, address[COOKED_ADDRESS_MAX];
	size_t n = f->from->sll_halen < sizeof(address) ? f->from->sll_halen : sizeof(address);
	uint16_t words[3] = { htons(f->from->sll_pkttype), htons(f->from->sll_hatype),
			      htons(f->from->sll_halen) };

	memset(address, 0, sizeof(address));
	memcpy(address, f->from->sll_addr, n);
	memcpy(to, words, sizeof(words));
	memcpy(to + sizeof(words), address, sizeof(address));
	memcpy(to + sizeof(words) + sizeof(address), &f->from->sll_protocol, 2);
	p->data = to;
	p->caplen = p->caplen - link + COOKED_LEN;
	p->len = p->len - link + COOKED_LEN;
}

static void to_packet(const struct ring_frame *f, uint16_t link_type, struct pcapng_packet *out)
{
	const struct tpacket3_hdr *h = f->head;

	out->ts_ns = (int64_t)h->tp_sec * NS_PER_S + h->tp_nsec;
	out->caplen = h->tp_snaplen;
	out->len = h->tp_len;
	out->data = (const uint8_t *)h + h->tp_mac;
	out->flags = ring_flags(f->from);
	if (link_type == RING_LINK_COOKED) {
		if (h->tp_net >= DATA_OFFSET + COOKED_LEN && h->tp_net >= h->tp_mac &&
		    (uint32_t)(h->tp_net - h->tp_mac) <= h->tp_snaplen)
			put_cooked(f, out);
	} else if (h->tp_status & TP_STATUS_VLAN_VALID && link_type == RING_LINK_ETHERNET &&
		   h->tp_snaplen >= ADDRESSES_LEN && h->tp_mac >= DATA_OFFSET + TAG_LEN) {
		put_tag(h, out);
	}
}

size_t ring_frames_to_packets(const struct ring_frame *f, size_t n, uint32_t interface,
			      uint16_t link_type, uint32_t snaplen, struct pcapng_packet *out)
{
	size_t i = 0;

	while (i < n && f[i].from->sll_ifindex == f->from->sll_ifindex &&
	       f[i].from->sll_hatype == f->from->sll_hatype) {
		to_packet(&f[i], link_type, &out[i]);
		out[i].interface = interface;
		if (out[i].caplen > snaplen)
			out[i].caplen = snaplen;
		i++;
	}
	return i;
}
