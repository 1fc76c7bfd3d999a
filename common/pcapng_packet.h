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

/* 16 bytes in a register. gcc would keep arrays of bytes on the stack, and copy everything twice. */
typedef uint8_t pcapng_lane __attribute__((vector_size(16)));

static inline pcapng_lane pcapng_load(const uint8_t *from)
{
	pcapng_lane l;

	memcpy(&l, from, sizeof(l));
	return l;
}

static inline void pcapng_store(uint8_t *to, pcapng_lane l)
{
	memcpy(to, &l, sizeof(l));
}

static inline void pcapng_copy_32(uint8_t *to, const uint8_t *from)
{
	const pcapng_lane a = pcapng_load(from), b = pcapng_load(from + 16);

	pcapng_store(to, a);
	pcapng_store(to + 16, b);
}

/*
 * memcpy of what is small, as most packets of a flood are: 32 to 128 bytes in 16s, from both ends to the
 * middle, where they may overlap, without a call. Nothing is read or written outside.
 */
static inline void pcapng_copy(uint8_t *to, const uint8_t *from, size_t n)
{
	if (n < 32 || n > 128) {
		memcpy(to, from, n);
		return;
	}
	if (n > 64) {
		pcapng_copy_32(to + 32, from + 32);
		pcapng_copy_32(to + n - 64, from + n - 64);
	}
	pcapng_copy_32(to, from);
	pcapng_copy_32(to + n - 32, from + n - 32);
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
