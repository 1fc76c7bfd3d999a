/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_stream.c - a stream of packets from a node: classic pcap or pcapng, whatever comes
 */
#include "tap_stream.h"

#include <errno.h>
#include <net/if_arp.h>
#include <string.h>

#include "../common/instream.h"
#include "../common/pcapng_format.h"
#include "../common/pcapng_parse.h"

#define MAGIC_NS 0xa1b23c4du
#define MAGIC_US 0xa1b2c3d4u
#define FILE_HEADER 24
#define RECORD_HEADER 16
#define OUTGOING 4		/* the kernel's PACKET_OUTGOING */
#define SLL2_SIZE 20
#define SLL_SIZE 16

enum form { UNKNOWN, CLASSIC, NG };

struct tap_stream {
	struct instream in;		/* of UNKNOWN and CLASSIC */
	struct pcapng_reader *ng;
	enum form form;
	bool big;			/* classic */
	uint32_t per_second;
	uint16_t link_type;
	size_t taken;			/* bytes of the packet told last */
	uint16_t links[WIRE_INTERFACES_MAX];	/* pcapng: of each interface */
	size_t n_links;
	bool section;
	int64_t copies;
};

struct tap_stream *tap_stream_new(int fd)
{
	struct tap_stream *s = xcalloc(1, sizeof(*s));

	s->in = (struct instream)INSTREAM_INIT(fd);
	return s;
}

void tap_stream_free(struct tap_stream *s)
{
	if (!s)
		return;
	pcapng_reader_free(s->ng);
	instream_release(&s->in);
	free(s);
}

int64_t tap_stream_copies(const struct tap_stream *s)
{
	return s->copies;
}

/* ---- what a cooked header says ---- */

/* True: the first sight of a loopback packet. */
static bool is_copy(uint16_t link_type, const struct pcapng_packet *p)
{
	if (link_type == TAP_LINK_SLL2 && p->caplen >= SLL2_SIZE)
		return get16(p->data + 8, true) == ARPHRD_LOOPBACK && p->data[10] == OUTGOING;
	if (link_type == TAP_LINK_SLL && p->caplen >= SLL_SIZE)
		return get16(p->data + 2, true) == ARPHRD_LOOPBACK &&
		       get16(p->data, true) == OUTGOING;
	return false;
}

static int64_t index_of(uint16_t link_type, const struct pcapng_packet *p)
{
	if (link_type != TAP_LINK_SLL2 || p->caplen < SLL2_SIZE)
		return -1;
	return get32(p->data + 4, true);
}

/* ---- classic ---- */

static int need(struct tap_stream *s, size_t n, struct err *err)
{
	int r = instream_need(&s->in, n);

	if (r == INSTREAM_E_SHORT)
		return s->in.have ? TAP_STREAM_E_CUT : TAP_STREAM_E_END;
	if (r < 0 && r != -EAGAIN)
		return err_set(err, r, "cannot read the stream of packets: %s", strerror(-r));
	return r;
}

static int damaged(const struct tap_stream *s, struct err *err, const char *why)
{
	return err_set(err, -EINVAL, "the stream of packets is damaged at byte %llu: %s",
		       (unsigned long long)s->in.offset, why);
}

static int classic_header(struct tap_stream *s, struct tap_event *out, struct err *err)
{
	uint32_t link;
	int r = need(s, FILE_HEADER, err);

	if (r == TAP_STREAM_E_END)
		return TAP_STREAM_E_CUT;
	if (r)
		return r;
	link = get32(s->in.data + 20, s->big) & 0x0fffffff;	/* above: length of an FCS */
	if (link > UINT16_MAX)
		return damaged(s, err, "no link type has such a number");
	s->link_type = (uint16_t)link;
	instream_skip(&s->in, FILE_HEADER);
	s->form = CLASSIC;
	*out = (struct tap_event){ .kind = TAP_HEADER, .link_type = s->link_type, .index = -1 };
	return 0;
}

static int classic_packet(struct tap_stream *s, struct tap_event *out, struct err *err)
{
	const uint8_t *p;
	uint32_t caplen, fraction;
	int r = need(s, RECORD_HEADER, err);

	if (r)
		return r;
	p = s->in.data;
	fraction = get32(p + 4, s->big);
	caplen = get32(p + 8, s->big);
	if (caplen > WIRE_SNAPLEN_MAX)
		return damaged(s, err, "no packet is that long");
	if (fraction >= s->per_second)
		return damaged(s, err, "no second has so many parts");
	r = need(s, RECORD_HEADER + caplen, err);
	if (r)
		return r;

	p = s->in.data;		/* it may have moved */
	*out = (struct tap_event){ .kind = TAP_PACKET, .link_type = s->link_type };
	out->packet = (struct pcapng_packet){
		.ts_ns = get32(p, s->big) * NS_PER_S + fraction * (NS_PER_S / s->per_second),
		.caplen = caplen, .len = get32(p + 12, s->big), .data = p + RECORD_HEADER,
	};
	s->taken = RECORD_HEADER + caplen;
	return 0;
}

/* ---- pcapng ---- */

static int ng_interface(struct tap_stream *s, const struct pcapng_block *b, struct tap_event *out,
			struct err *err)
{
	if (s->n_links == WIRE_INTERFACES_MAX)
		return damaged(s, err, "more interfaces than a node has");
	s->links[s->n_links++] = b->interface.link_type;
	*out = (struct tap_event){ .kind = TAP_INTERFACE, .link_type = b->interface.link_type,
				   .index = -1, .interface = b->interface };
	return 0;
}

static int ng_packet(struct tap_stream *s, const struct pcapng_block *b, struct tap_event *out,
		     struct err *err)
{
	if (b->packet.caplen > WIRE_SNAPLEN_MAX)
		return damaged(s, err, "no packet is that long");
	*out = (struct tap_event){ .kind = TAP_PACKET, .packet = b->packet,
				   .link_type = s->links[b->packet.interface] };
	return 0;
}

/* 0 with an event, or 1: nothing that matters, go on. Negative: damaged. */
static int ng_event(struct tap_stream *s, const struct pcapng_block *b, struct tap_event *out,
		    struct err *err)
{
	switch (b->kind) {
	case PCAPNG_SECTION:
		if (s->section)
			return damaged(s, err, "a second section");
		s->section = true;
		return 1;
	case PCAPNG_INTERFACE:
		return ng_interface(s, b, out, err);
	case PCAPNG_PACKET:
		return ng_packet(s, b, out, err);
	case PCAPNG_STATS:
		*out = (struct tap_event){ .kind = TAP_STATS, .index = -1, .stats = b->stats };
		return 0;
	default:
		return 1;
	}
}

static int ng_next(struct tap_stream *s, struct tap_event *out, struct err *err)
{
	struct pcapng_block block;
	struct err why = ERR_INIT;
	int r;

	do {
		r = pcapng_next(s->ng, &block, &why);
		if (r == PCAPNG_E_END)
			return TAP_STREAM_E_END;
		if (r == PCAPNG_E_CUT)
			return TAP_STREAM_E_CUT;
		if (r == -EAGAIN)
			return r;
		if (r < 0)
			return err_set(err, r, "the stream of packets is %s", why.text);
		s->in.offset = block.offset;	/* for sentences */
		r = ng_event(s, &block, out, err);
	} while (r > 0);
	return r;
}

/* ---- either ---- */

static int find_form(struct tap_stream *s, struct tap_event *out, struct err *err)
{
	int r = need(s, 4, err);

	if (r == TAP_STREAM_E_END)
		return TAP_STREAM_E_CUT;
	if (r)
		return r;
	if (get32(s->in.data, false) == PCAPNG_BLOCK_SECTION) {
		s->form = NG;
		s->ng = pcapng_reader_take(&s->in);
		return ng_next(s, out, err);
	}
	for (int big = 0; big <= 1; big++) {
		uint32_t magic = get32(s->in.data, big);

		s->big = big;
		s->per_second = magic == MAGIC_NS ? NS_PER_S : 1000000;
		if (magic == MAGIC_NS || magic == MAGIC_US)
			return classic_header(s, out, err);
	}
	return damaged(s, err, "neither pcap nor pcapng");
}

int tap_stream_next(struct tap_stream *s, struct tap_event *out, struct err *err)
{
	int r;

	do {
		if (s->taken)
			instream_skip(&s->in, s->taken);
		s->taken = 0;
		if (s->form == UNKNOWN)
			r = find_form(s, out, err);
		else
			r = s->form == NG ? ng_next(s, out, err) : classic_packet(s, out, err);
		if (r || out->kind != TAP_PACKET)
			return r;
		if (!is_copy(out->link_type, &out->packet)) {
			out->index = index_of(out->link_type, &out->packet);
			return 0;
		}
		s->copies++;
	} while (true);
}

const char *tap_link_text(uint16_t link_type, char out[32])
{
	static const struct { uint16_t type; const char *text; } known[] = {
		{ 0, "NULL" }, { TAP_LINK_EN10MB, "EN10MB" }, { 9, "PPP" }, { TAP_LINK_RAW, "RAW" },
		{ TAP_LINK_SLL, "LINUX_SLL" }, { 228, "IPV4" }, { 229, "IPV6" },
		{ TAP_LINK_SLL2, "LINUX_SLL2" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (known[i].type == link_type)
			return known[i].text;
	snprintf(out, 32, "LINKTYPE_%u", link_type);
	return out;
}
