/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_ring_lay.c - any bytes as a block of a ring: laid, it holds the packets that the copying way finds in it
 *
 * Few bytes are a block. So, but for one input of eight, they tell what a kernel puts into one, and where that
 * goes wrong: a third of all can be laid. The block is a heap allocation of just its size, so a step outside is seen.
 */
#include "../../agent/ring_lay.h"
#include "fuzz.h"

#include <linux/if_arp.h>
#include <string.h>
#include <sys/param.h>

#include "../../common/pcapng_format.h"
#include "../../common/pcapng_packet.h"

#define LL_OFFSET TPACKET_ALIGN(sizeof(struct tpacket3_hdr))
#define DATA_OFFSET (LL_OFFSET + sizeof(struct sockaddr_ll))
#define FIRST 48u
#define MAC 84u
#define PAGES_MAX 17u		/* a gap can be too large */
#define ODD 31			/* of a frame's first byte, the upper five bits */
#define UNWANTED 7		/* sll_ifindex */

struct input {
	const uint8_t *data;
	size_t left;
};

struct block {
	uint8_t *data;
	uint32_t size;
};

struct frame {
	uint32_t caplen, mac, status, next;	/* next 0: right behind */
	struct sockaddr_ll from;
};

/* Zeros behind the end. */
static uint32_t take(struct input *in, size_t n)
{
	uint32_t v = 0;

	for (size_t i = 0; i < n && in->left; i++, in->left--)
		v |= (uint32_t)*in->data++ << 8 * i;
	return v;
}

/* ---- the block ---- */

static struct tpacket_hdr_v1 *description(const struct block *b)
{
	return &((struct tpacket_block_desc *)(void *)b->data)->hdr.bh1;
}

static void make_odd(struct frame *f, struct input *in)
{
	const uint32_t v = take(in, 2);

	switch (take(in, 1) % 10) {
	case 0: f->caplen = v; break;
	case 1: f->mac = v; break;
	case 2: f->mac = DATA_OFFSET + v % 64 / 4 * 4; break;
	case 3: f->next = (f->mac + f->caplen + v) & ~7u; break;	/* a gap */
	case 4: f->next = v; break;
	case 5: f->next = 72 + v % 32 * 8; break;		/* inside of this one */
	case 6: f->status = v; break;
	case 7: f->from.sll_hatype = v % 2 ? ARPHRD_LOOPBACK : ARPHRD_NONE; break;
	case 8: f->from.sll_ifindex = UNWANTED; break;
	case 9: f->next = UINT32_MAX - v; break;
	}
}

/* A byte says it all, but of few. */
static struct frame next_frame(struct input *in, uint8_t how)
{
	static const uint32_t caplens[] = { 1514, 600, 601, 602, 603, 9014, 66, 2963 };
	struct frame f = {
		.caplen = caplens[how & 7], .mac = MAC,
		.from = { .sll_ifindex = 1 + (how >> 3 & 1), .sll_hatype = ARPHRD_ETHER,
			  .sll_pkttype = (uint8_t)(how >> 3) },
	};

	if (how >> 3 == ODD)
		make_odd(&f, in);
	return f;
}

/* At `at`, cut to what there is. The step to the next one; 0: there is no room for one. */
static uint32_t put(struct block *b, uint32_t at, struct frame f, struct input *in)
{
	const uint32_t room = b->size - at;
	struct tpacket3_hdr h = { .tp_len = f.caplen, .tp_mac = (uint16_t)f.mac, .tp_status = f.status };

	if (f.mac < room && f.caplen > room - f.mac)
		f.caplen = room - f.mac - MIN(take(in, 1) % 64, room - f.mac);
	h.tp_next_offset = f.next ? f.next : (f.mac + f.caplen + 7) & ~7u;
	h.tp_snaplen = f.caplen;
	h.tp_sec = 1795444745 - description(b)->num_pkts % 3;
	h.tp_nsec = at;
	memcpy(b->data + at, &h, sizeof(h));
	memcpy(b->data + at + LL_OFFSET, &f.from, sizeof(f.from));
	description(b)->num_pkts++;
	description(b)->blk_len = at + h.tp_next_offset;
	return h.tp_next_offset < room && h.tp_next_offset % 8 == 0 ? h.tp_next_offset : 0;
}

/* Words anywhere. */
static void scratch(struct block *b, struct input *in)
{
	for (int i = 0; i < 4 && in->left; i++) {
		const uint32_t at = take(in, 2) * 4 % b->size, v = take(in, 4);

		memcpy(b->data + at, &v, sizeof(v));
	}
}

static struct block made(struct input *in)
{
	struct block b = { .size = (1 + take(in, 1) % PAGES_MAX) * RING_LAY_ALIGN };
	const uint32_t first = take(in, 1), frames = 1 + take(in, 1);
	uint32_t at = first < 240 ? FIRST : first % 16 * 8, step = 1, end = 0;

	b.data = xmalloc(b.size);
	for (uint32_t i = 0; i < b.size; i++)
		b.data[i] = (uint8_t)(i * 7 + (i >> 8) + 1);
	*description(&b) = (struct tpacket_hdr_v1){ .block_status = TP_STATUS_USER, .offset_to_first_pkt = at };
	for (uint32_t i = 0; i < frames && step && b.size - at >= DATA_OFFSET; i++) {
		struct frame f = next_frame(in, (uint8_t)take(in, 1));

		if (at < end)		/* inside of the one before, but its packet is not */
			f.mac = (end - at + 60) & ~3u;
		end = at + f.mac + f.caplen;
		step = put(&b, at, f, in);
		at += step;
	}
	scratch(&b, in);
	return b;
}

/* Pages, the last one filled up with zeros. */
static struct block raw(const struct input *in)
{
	struct block b = { .size = (uint32_t)(in->left / RING_LAY_ALIGN + 1) * RING_LAY_ALIGN };

	b.data = xcalloc(1, b.size);
	memcpy(b.data, in->data, in->left);
	return b;
}

/* ---- the piece, as strictly as it can be read ---- */

static void expect_zeros(const uint8_t *p, const uint8_t *end)
{
	while (p < end)
		expect(*p++ == 0);
}

/* Flags or none, the filler, the end: all there is between p and end. */
static uint32_t flags_of(const uint8_t *p, const uint8_t *end)
{
	uint32_t flags = 0;

	expect(end - p >= 8);
	if (get16(p, false) == PCAPNG_EPB_FLAGS) {
		expect(end - p >= 16 && get16(p + 2, false) == 4);
		flags = get32(p + 4, false);
		expect(flags);
		p += 8;
	}
	expect(get16(p, false) == PCAPNG_OPT_FILLER && p + 4 + get16(p + 2, false) == end - 4);
	expect_zeros(p + 4, end);
	return flags;
}

/* The size of the block at p, which ends before or at `end`. */
static uint32_t framed(const uint8_t *p, const uint8_t *end)
{
	uint32_t size;

	expect(end - p >= PCAPNG_FRAME);
	size = get32(p + 4, false);
	expect(size >= PCAPNG_FRAME && size % 4 == 0 && size <= end - p && get32(p + size - 4, false) == size);
	return size;
}

static void expect_packet(const uint8_t *p, uint32_t size, const struct pcapng_packet *want)
{
	const uint8_t *data = p + PCAPNG_PACKET_HEAD, *options = data + pcapng_padded(want->caplen);
	const uint64_t ts = (uint64_t)get32(p + 12, false) << 32 | get32(p + 16, false);

	expect(get32(p, false) == PCAPNG_BLOCK_PACKET && size >= PCAPNG_PACKET_HEAD + 4);
	expect(get32(p + 20, false) == want->caplen && want->caplen <= size - PCAPNG_PACKET_HEAD - 4);
	expect(get32(p + 24, false) == want->len && ts == (uint64_t)want->ts_ns);
	expect(get32(p + 8, false) == want->interface);
	expect(!memcmp(data, want->data, want->caplen));
	expect_zeros(data + want->caplen, options);
	expect(flags_of(options, p + size - 4) == want->flags);
}

/* ---- both ways ---- */

static bool wants(void *arg, const struct sockaddr_ll *from)
{
	return from->sll_ifindex != UNWANTED && ring_link_type(from->sll_hatype) == RING_LINK_ETHERNET;
}

static uint32_t number(void *arg, const struct sockaddr_ll *from)
{
	return (uint32_t)from->sll_ifindex * 3 + 1;
}

static void sum(struct ring_survey *s, const struct pcapng_packet *p)
{
	s->first_ns = s->packets ? MIN(s->first_ns, p->ts_ns) : p->ts_ns;
	s->last_ns = s->packets ? MAX(s->last_ns, p->ts_ns) : p->ts_ns;
	s->packets++;
	s->truncated += p->caplen < p->len;
}

/* The piece in b, of what was in `before`. */
static void expect_same(const struct block *b, uint8_t *before, uint32_t snaplen, const struct ring_survey *s)
{
	const uint8_t *end = b->data + s->size, *p = b->data + framed(b->data, end);
	struct ring_survey found = { .size = s->size };
	struct ring_cursor c;
	struct ring_frame f;

	expect(get32(b->data, false) == PCAPNG_BLOCK_FILLER);
	expect(!memcmp(b->data + 8, before + 8, sizeof(struct tpacket_block_desc) - 8));
	expect_zeros(b->data + sizeof(struct tpacket_block_desc), p - 4);
	ring_cursor_init(&c, before, b->size);
	while (ring_cursor_take(&c, &f, 1)) {
		const uint32_t size = framed(p, end);
		struct pcapng_packet want = { 0 };

		expect(wants(NULL, f.from));
		ring_frames_to_packets(&f, 1, number(NULL, f.from), RING_LINK_ETHERNET, snaplen, &want);
		expect_packet(p, size, &want);
		sum(&found, &want);
		p += size;
	}
	expect(p == end && !c.damaged && !memcmp(end, before + s->size, b->size - s->size));
	expect(found.packets == s->packets && found.truncated == s->truncated &&
	       found.first_ns == s->first_ns && found.last_ns == s->last_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	const uint32_t how = take(&in, 1), snaplen = how & 8 ? 2000 : 262144;
	const struct block b = (how & 7) == 7 ? raw(&in) : made(&in);
	uint8_t *before = xmalloc(b.size);
	struct ring_survey s;
	bool fit;

	memcpy(before, b.data, b.size);
	fit = ring_survey(b.data, b.size, snaplen, wants, NULL, &s);
	expect(!memcmp(b.data, before, b.size));
	if (fit) {
		expect(s.size <= b.size && s.size % RING_LAY_ALIGN == 0);
		ring_lay(b.data, b.size, number, NULL);
		expect_same(&b, before, snaplen, &s);
	}
	free(before);
	free(b.data);
	return 0;
}
