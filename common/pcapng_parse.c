/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_parse.c - one whole block's bytes to a struct pcapng_block, inside its section
 *
 * Every length in a block is the file's word against ours: `struct part` is a range of bytes
 * that shrinks as it is read, and nothing is read but through it.
 */
#include "pcapng_parse.h"

#include <errno.h>
#include <string.h>

#include "pcapng_format.h"

#define PCAPNG_PACKET_LEAST 32u		/* an enhanced packet block without bytes and options */

struct pcapng_clock {
	uint64_t per_second;		/* units of a timestamp */
	int64_t offset_s;
	uint64_t ns, units_max;		/* of a unit, where that is whole; how many fit then; or 0 */
	uint32_t snaplen;
};

struct part {
	const uint8_t *p;
	size_t n;
	bool big;
};

struct option {
	uint16_t code;
	struct part value;
};

static void part_skip(struct part *part, size_t n)
{
	part->p += n;
	part->n -= n;
}

/* 1 with an option, 0 at the end, -EINVAL. */
static int next_option(struct part *rest, struct option *out)
{
	size_t n;

	if (rest->n < 4)
		return rest->n ? -EINVAL : 0;
	out->code = get16(rest->p, rest->big);
	n = get16(rest->p + 2, rest->big);
	if (out->code == PCAPNG_OPT_END)
		return 0;
	part_skip(rest, 4);
	if (pcapng_padded(n) > rest->n)
		return -EINVAL;

	out->value = (struct part){ rest->p, n, rest->big };
	part_skip(rest, pcapng_padded(n));
	return 1;
}

static const char *keep_text(struct pcapng_scope *s, const struct part *value)
{
	for (size_t i = 0; i < PCAPNG_TEXTS_MAX; i++) {
		if (s->texts[i])
			continue;
		s->texts[i] = xmalloc(value->n + 1);
		memcpy(s->texts[i], value->p, value->n);
		s->texts[i][value->n] = '\0';
		return s->texts[i];
	}
	return NULL;
}

static void drop_texts(struct pcapng_scope *s)
{
	for (size_t i = 0; i < PCAPNG_TEXTS_MAX; i++) {
		free(s->texts[i]);
		s->texts[i] = NULL;
	}
}

/* The first of several counts. */
static void text_option(struct pcapng_scope *s, const struct option *o, const char **out)
{
	if (!*out)
		*out = keep_text(s, &o->value);
}

/* ---- time ---- */

static int64_t hold(__int128 ns)
{
	if (ns < 0)
		return 0;
	return ns > PCAPNG_TIME_MAX ? PCAPNG_TIME_MAX : (int64_t)ns;
}

/* p: the high half, then the low one. */
static int64_t time_of(const struct pcapng_clock *c, const uint8_t *p, bool big)
{
	uint64_t units = (uint64_t)get32(p, big) << 32 | get32(p + 4, big);

	if (units <= c->units_max)
		return (int64_t)(units * c->ns);
	return hold((__int128)units * NS_PER_S / c->per_second + (__int128)c->offset_s * NS_PER_S);
}

/* if_tsresol: a power of 10, or of 2 with the high bit. 0: more than can be counted. */
static uint64_t resolution(uint8_t v)
{
	uint64_t units = 1;

	if (v & 0x80)
		return (v & 0x7f) < 64 ? 1ull << (v & 0x7f) : 0;
	if (v > 19)
		return 0;
	while (v--)
		units *= 10;
	return units;
}

/* ---- blocks; body is what stands inside the frame ---- */

static int parse_section(struct pcapng_scope *s, struct part body, struct pcapng_block *out,
			 const char **why)
{
	struct pcapng_section *section = &out->section;
	struct option o;
	int r;

	*why = "a section header that is too short";
	if (body.n < 16)
		return -EINVAL;
	*why = "a section of another version than 1";
	if (get16(body.p + 4, body.big) != 1)
		return -EINVAL;

	part_skip(&body, 16);
	while ((r = next_option(&body, &o)) > 0) {
		if (o.code == PCAPNG_OPT_COMMENT)
			text_option(s, &o, &section->comment);
		else if (o.code == PCAPNG_SHB_HARDWARE)
			text_option(s, &o, &section->hardware);
		else if (o.code == PCAPNG_SHB_OS)
			text_option(s, &o, &section->os);
		else if (o.code == PCAPNG_SHB_APPLICATION)
			text_option(s, &o, &section->application);
	}
	*why = "options that go past their block";
	if (r < 0)
		return r;

	out->kind = PCAPNG_SECTION;
	s->open = true;
	s->big = body.big;
	s->n = 0;
	return 0;
}

static void interface_option(struct pcapng_scope *s, const struct option *o,
			     struct pcapng_interface *i, struct pcapng_clock *c)
{
	struct option text = *o;
	size_t n = o->value.n;

	if (o->code == PCAPNG_IF_NAME) {
		text_option(s, o, &i->name);
	} else if (o->code == PCAPNG_IF_DESCRIPTION) {
		text_option(s, o, &i->description);
	} else if (o->code == PCAPNG_IF_FILTER && n > 0 && o->value.p[0] == 0) {
		part_skip(&text.value, 1);
		text_option(s, &text, &i->filter);
	} else if (o->code == PCAPNG_IF_MAC && n == sizeof(i->mac)) {
		memcpy(i->mac, o->value.p, n);
		i->has_mac = true;
	} else if (o->code == PCAPNG_IF_TSRESOL && n == 1) {
		c->per_second = resolution(o->value.p[0]);
	} else if (o->code == PCAPNG_IF_TSOFFSET && n == 8) {
		c->offset_s = (int64_t)get64(o->value.p, o->value.big);
	}
}

/* Nearly all clocks tick in whole nanoseconds, and a division costs as much as a packet's copy. */
static void add_clock(struct pcapng_scope *s, struct pcapng_clock *c)
{
	if (NS_PER_S % c->per_second == 0 && c->offset_s == 0) {
		c->ns = NS_PER_S / c->per_second;
		c->units_max = PCAPNG_TIME_MAX / c->ns;
	}
	if (s->n == s->size) {
		s->size = s->size ? 2 * s->size : 16;
		s->clocks = xrealloc(s->clocks, s->size, sizeof(*s->clocks));
	}
	s->clocks[s->n++] = *c;
}

static int parse_interface(struct pcapng_scope *s, struct part body, struct pcapng_block *out,
			   const char **why)
{
	struct pcapng_clock clock = { .per_second = 1000000 };
	struct option o;
	int r;

	*why = "an interface block that is too short";
	if (body.n < 8)
		return -EINVAL;
	*why = "too many interfaces in one section";
	if (s->n >= PCAPNG_INTERFACES_MAX)
		return -EINVAL;

	out->kind = PCAPNG_INTERFACE;
	out->interface.link_type = get16(body.p, body.big);
	out->interface.snaplen = clock.snaplen = get32(body.p + 4, body.big);
	part_skip(&body, 8);
	while ((r = next_option(&body, &o)) > 0)
		interface_option(s, &o, &out->interface, &clock);
	*why = "options that go past their block";
	if (r < 0)
		return r;
	*why = "an interface whose timestamps are too fine";
	if (clock.per_second == 0)
		return -EINVAL;

	add_clock(s, &clock);
	return 0;
}

/* body: the packet's bytes and its options; caplen and interface are told. */
static int parse_data(struct pcapng_scope *s, struct part body, struct pcapng_packet *p,
		      const char **why)
{
	struct option o;
	int r;

	*why = "a packet of an interface that was not described";
	if (p->interface >= s->n)
		return -EINVAL;
	*why = "a packet larger than its block";
	if (p->caplen > body.n || pcapng_padded(p->caplen) > body.n)
		return -EINVAL;

	p->data = body.p;
	part_skip(&body, pcapng_padded(p->caplen));
	while ((r = next_option(&body, &o)) > 0)
		if (o.code == PCAPNG_EPB_FLAGS && o.value.n == 4)
			p->flags = get32(o.value.p, body.big);
	*why = "options that go past their block";
	return r;
}

static int parse_packet(struct pcapng_scope *s, struct part body, struct pcapng_block *out,
			const char **why)
{
	struct pcapng_packet *p = &out->packet;
	bool old = out->type == PCAPNG_BLOCK_OLD_PACKET;
	const uint8_t *head = body.p;
	int r;

	*why = "a packet block that is too short";
	if (body.n < 20)
		return -EINVAL;
	p->interface = old ? get16(head, body.big) : get32(head, body.big);
	p->caplen = get32(head + 12, body.big);
	p->len = get32(head + 16, body.big);
	part_skip(&body, 20);
	r = parse_data(s, body, p, why);
	if (r < 0)
		return r;

	out->kind = PCAPNG_PACKET;
	p->ts_ns = time_of(&s->clocks[p->interface], head + 4, body.big);
	return 0;
}

/* Options as parse_data takes them; what they say is not asked. */
static bool options_are_whole(const uint8_t *p, size_t n)
{
	while (n) {
		size_t size;

		if (n < 4)
			return false;
		if (get16(p, false) == PCAPNG_OPT_END)
			return true;
		size = 4 + pcapng_padded(get16(p + 2, false));
		if (size > n)
			return false;
		p += size;
		n -= size;
	}
	return true;
}

bool pcapng_parse_plain(const struct pcapng_scope *s, const uint8_t *block, size_t have,
			struct pcapng_plain *out)
{
	uint32_t size, interface, caplen;
	size_t body;

	if (s->big || have < PCAPNG_PACKET_LEAST || get32(block, false) != PCAPNG_BLOCK_PACKET)
		return false;
	size = get32(block + 4, false);
	interface = get32(block + 8, false);
	caplen = get32(block + 20, false);
	if (size < PCAPNG_PACKET_LEAST || size % 4 || size > have || size > PCAPNG_BLOCK_MAX ||
	    get32(block + size - 4, false) != size || interface >= s->n)
		return false;
	body = size - PCAPNG_PACKET_LEAST;
	if (caplen > body || pcapng_padded(caplen) > body ||
	    !options_are_whole(block + PCAPNG_PACKET_LEAST - 4 + pcapng_padded(caplen),
			       body - pcapng_padded(caplen)))
		return false;
	*out = (struct pcapng_plain){
		.raw = block, .size = size, .interface = interface,
		.ts_ns = time_of(&s->clocks[interface], block + 12, false),
	};
	return true;
}

static int parse_simple(struct pcapng_scope *s, struct part body, struct pcapng_block *out,
			const char **why)
{
	struct pcapng_packet *p = &out->packet;

	*why = "a simple packet without an interface";
	if (body.n < 4 || s->n == 0)
		return -EINVAL;
	p->len = p->caplen = get32(body.p, body.big);
	if (s->clocks[0].snaplen && s->clocks[0].snaplen < p->caplen)
		p->caplen = s->clocks[0].snaplen;
	part_skip(&body, 4);
	*why = "a packet larger than its block";
	if (p->caplen > body.n)
		return -EINVAL;

	out->kind = PCAPNG_PACKET;
	p->data = body.p;
	return 0;
}

static int parse_stats(struct pcapng_scope *s, struct part body, struct pcapng_block *out,
		       const char **why)
{
	struct pcapng_stats *stats = &out->stats;
	const struct pcapng_clock *clock;
	struct option o;
	int r;

	*why = "statistics of an interface that was not described";
	if (body.n < 12 || get32(body.p, body.big) >= s->n)
		return -EINVAL;
	stats->interface = get32(body.p, body.big);
	stats->received = stats->dropped = -1;
	clock = &s->clocks[stats->interface];
	stats->ts_ns = time_of(clock, body.p + 4, body.big);
	part_skip(&body, 12);

	while ((r = next_option(&body, &o)) > 0) {
		if (o.code == PCAPNG_OPT_COMMENT)
			text_option(s, &o, &stats->comment);
		else if (o.value.n != 8)
			continue;
		else if (o.code == PCAPNG_ISB_START)
			stats->start_ns = time_of(clock, o.value.p, body.big);
		else if (o.code == PCAPNG_ISB_END)
			stats->end_ns = time_of(clock, o.value.p, body.big);
		else if (o.code == PCAPNG_ISB_RECEIVED)
			stats->received = hold(get64(o.value.p, body.big));
		else if (o.code == PCAPNG_ISB_OSDROP ||
			 (o.code == PCAPNG_ISB_IFDROP && stats->dropped < 0))
			stats->dropped = hold(get64(o.value.p, body.big));
	}
	*why = "options that go past their block";
	out->kind = PCAPNG_STATS;
	return r;
}

int pcapng_parse(struct pcapng_scope *s, const uint8_t *block, uint32_t size,
		 struct pcapng_block *out, const char **why)
{
	bool section = get32(block, false) == PCAPNG_BLOCK_SECTION;
	bool big = section ? get32(block + 8, true) == PCAPNG_BYTE_ORDER : s->big;
	struct part body = { block + 8, size - PCAPNG_FRAME, big };

	drop_texts(s);
	*out = (struct pcapng_block){
		.kind = PCAPNG_OTHER, .size = size, .raw = block, .big = big,
	};
	out->type = get32(block, big);
	switch (out->type) {
	case PCAPNG_BLOCK_SECTION:
		return parse_section(s, body, out, why);
	case PCAPNG_BLOCK_INTERFACE:
		return parse_interface(s, body, out, why);
	case PCAPNG_BLOCK_PACKET:
	case PCAPNG_BLOCK_OLD_PACKET:
		return parse_packet(s, body, out, why);
	case PCAPNG_BLOCK_SIMPLE_PACKET:
		return parse_simple(s, body, out, why);
	case PCAPNG_BLOCK_STATS:
		return parse_stats(s, body, out, why);
	case PCAPNG_BLOCK_NAMES:
		out->kind = PCAPNG_NAMES;
	}
	return 0;
}

void pcapng_scope_release(struct pcapng_scope *s)
{
	drop_texts(s);
	free(s->clocks);
	*s = (struct pcapng_scope){ 0 };
}
