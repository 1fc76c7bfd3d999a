/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_packet.h - the packet block as bytes, inline: a file's writer does it a million times a second
 */
#ifndef PCAPNG_PACKET_H
#define PCAPNG_PACKET_H

#include "pcapng.h"
#include "pcapng_format.h"

#define PCAPNG_PACKET_HEAD 28u		/* up to the packet's bytes */
#define PCAPNG_PACKET_FLAGS 12u		/* the option, and the end of options */

/* As pcapng_packet_size. */
static inline size_t pcapng_packet_bytes(const struct pcapng_packet *p)
{
	return PCAPNG_PACKET_HEAD + pcapng_padded(p->caplen) + (p->flags ? PCAPNG_PACKET_FLAGS : 0) +
	       4;
}

/*
 * memcpy of what is small, as most packets of a flood are: 32 to 128 bytes in 16s, from both ends to the
 * middle, without a call. Nothing is read or written outside.
 */
static inline void pcapng_copy(uint8_t *to, const uint8_t *from, size_t n)
{
	uint8_t begin[64], end[64];

	if (n < 32 || n > 128) {
		memcpy(to, from, n);
		return;
	}
	memcpy(begin, from, 32);
	memcpy(end + 32, from + n - 32, 32);
	if (n > 64) {
		memcpy(begin + 32, from + 32, 32);
		memcpy(end, from + n - 64, 32);
		memcpy(to + 32, begin + 32, 32);
		memcpy(to + n - 64, end, 32);
	}
	memcpy(to, begin, 32);
	memcpy(to + n - 32, end + 32, 32);
}

/* The block of size pcapng_packet_bytes, of the given interface in place of p's. */
static inline void pcapng_packet_write(uint8_t *at, const struct pcapng_packet *p, size_t size,
				       uint32_t interface)
{
	uint64_t ts = p->ts_ns < 0 ? 0 : (uint64_t)p->ts_ns;

	at = put32(at, PCAPNG_BLOCK_PACKET);
	at = put32(at, (uint32_t)size);
	at = put32(at, interface);
	at = put32(at, (uint32_t)(ts >> 32));
	at = put32(at, (uint32_t)ts);
	at = put32(at, p->caplen);
	at = put32(at, p->len);
	if (p->caplen) {
		size_t padded = pcapng_padded(p->caplen);

		put32(at + padded - 4, 0);	/* the padding, and what is written over at once */
		pcapng_copy(at, p->data, p->caplen);
		at += padded;
	}
	if (p->flags) {
		at = put16(put16(at, PCAPNG_EPB_FLAGS), 4);
		at = put32(at, p->flags);
		at = put32(at, PCAPNG_OPT_END);
	}
	put32(at, (uint32_t)size);
}

#endif
