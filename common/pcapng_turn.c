/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_turn.c - blocks of other byte orders as ours, with all their options
 *
 * What an option holds decides whether it is turned: the table knows the integers, a custom option
 * begins with one, and all else is text or bytes in the order of the network.
 */
#include "pcapng.h"

#include <endian.h>

#include "pcapng_format.h"

#define PACKET_HEADER 28u	/* of an enhanced packet block, and of the old one */
#define NUMBER_MAX 8u

static const struct {
	enum pcapng_kind of;
	uint16_t code;
	uint16_t size;
} integers[] = {
	{ PCAPNG_PACKET, PCAPNG_EPB_FLAGS, 4 },
	{ PCAPNG_PACKET, PCAPNG_EPB_DROPS, 8 },
	{ PCAPNG_PACKET, PCAPNG_EPB_ID, 8 },
	{ PCAPNG_PACKET, PCAPNG_EPB_QUEUE, 4 },
	{ PCAPNG_INTERFACE, PCAPNG_IF_SPEED, 8 },
	{ PCAPNG_INTERFACE, PCAPNG_IF_TX_SPEED, 8 },
	{ PCAPNG_INTERFACE, PCAPNG_IF_RX_SPEED, 8 },
};

static const uint16_t custom[] = { 2988, 2989, 19372, 19373 };

/* How many of the value's first bytes are one integer. */
static size_t integer_size(enum pcapng_kind of, uint16_t code, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(integers); i++)
		if (integers[i].of == of && integers[i].code == code && integers[i].size == n)
			return n;
	for (size_t i = 0; i < ARRAY_SIZE(custom); i++)
		if (custom[i] == code && n >= 4)
			return 4;
	return 0;
}

/* One option, with its padding, from 4 + padded(n) bytes; n: of its value. */
static void turn_option(uint8_t *to, const uint8_t *from, enum pcapng_kind of, bool big, size_t n)
{
	uint16_t code = get16(from, big);
	size_t turned = big ? integer_size(of, code, n) : 0;

	memcpy(to + 4, from + 4, pcapng_padded(n));
	put16(put16(to, code), (uint16_t)n);
	for (size_t i = 0; i < turned; i++)
		to[4 + i] = from[4 + turned - 1 - i];
}

static bool is_kept(uint16_t code)
{
	return code != PCAPNG_IF_NAME && code != PCAPNG_IF_DESCRIPTION && code != PCAPNG_IF_MAC &&
	       code != PCAPNG_IF_FILTER && code != PCAPNG_IF_TSRESOL && code != PCAPNG_IF_TSOFFSET;
}

int pcapng_other_options(const struct pcapng_block *b, struct buf *out)
{
	const uint8_t *p = b->raw + 16, *end = b->raw + b->size - 4;
	int r = 0;

	while (r == 0 && end - p >= 4) {
		uint16_t code = get16(p, b->big);
		size_t n = get16(p + 2, b->big), size = 4 + pcapng_padded(n);
		cleanup_free uint8_t *turned = NULL;

		if (code == PCAPNG_OPT_END || size > (size_t)(end - p))
			break;
		turned = xmalloc(size);
		turn_option(turned, p, PCAPNG_INTERFACE, b->big, n);
		if (is_kept(code))
			r = buf_add(out, turned, size);
		p += size;
	}
	return r;
}

void pcapng_turn_packet(uint8_t *to, const uint8_t *from, uint32_t size, bool big)
{
	size_t at = PACKET_HEADER + pcapng_padded(get32(from + 20, big));

	memcpy(to, from, at);
	put32(put32(to, PCAPNG_BLOCK_PACKET), size);
	put32(put32(to + 20, get32(from + 20, big)), get32(from + 24, big));
	while (size - 4 - at >= 4) {
		size_t n = get16(from + at + 2, big), whole = 4 + pcapng_padded(n);

		if (get16(from + at, big) == PCAPNG_OPT_END || whole > size - 4 - at)
			break;
		turn_option(to + at, from + at, PCAPNG_PACKET, big, n);
		at += whole;
	}
	memset(to + at, 0, size - 4 - at);	/* the end of options, and what nobody reads */
	put32(to + size - 4, size);
}
