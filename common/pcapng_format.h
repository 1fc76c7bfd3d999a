/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_format.h - the format's numbers, and integers of either byte order
 */
#ifndef PCAPNG_FORMAT_H
#define PCAPNG_FORMAT_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define PCAPNG_BLOCK_SECTION 0x0a0d0d0au
#define PCAPNG_BLOCK_INTERFACE 1u
#define PCAPNG_BLOCK_OLD_PACKET 2u
#define PCAPNG_BLOCK_SIMPLE_PACKET 3u
#define PCAPNG_BLOCK_NAMES 4u
#define PCAPNG_BLOCK_STATS 5u
#define PCAPNG_BLOCK_PACKET 6u
#define PCAPNG_BLOCK_FILLER 0x80666c72u	/* of ours: the high bit is set in types of local use, which readers pass over */

#define PCAPNG_BYTE_ORDER 0x1a2b3c4du
#define PCAPNG_FRAME 12u		/* type and length, and the length again at the end */

#define PCAPNG_OPT_END 0
#define PCAPNG_OPT_COMMENT 1
#define PCAPNG_SHB_HARDWARE 2
#define PCAPNG_SHB_OS 3
#define PCAPNG_SHB_APPLICATION 4
#define PCAPNG_IF_NAME 2
#define PCAPNG_IF_DESCRIPTION 3
#define PCAPNG_IF_MAC 6
#define PCAPNG_IF_TSRESOL 9
#define PCAPNG_IF_FILTER 11
#define PCAPNG_IF_TSOFFSET 14
#define PCAPNG_IF_SPEED 8
#define PCAPNG_IF_TX_SPEED 16
#define PCAPNG_IF_RX_SPEED 17
#define PCAPNG_EPB_FLAGS 2
#define PCAPNG_EPB_DROPS 4
#define PCAPNG_EPB_ID 5
#define PCAPNG_EPB_QUEUE 6
#define PCAPNG_OPT_FILLER 0x8000	/* of ours, as PCAPNG_BLOCK_FILLER */
#define PCAPNG_ISB_START 2
#define PCAPNG_ISB_END 3
#define PCAPNG_ISB_RECEIVED 4
#define PCAPNG_ISB_IFDROP 5
#define PCAPNG_ISB_OSDROP 7
#define PCAPNG_NAME_END 0
#define PCAPNG_NAME_IPV4 1
#define PCAPNG_NAME_IPV6 2

static inline size_t pcapng_padded(size_t n)
{
	return (n + 3) & ~(size_t)3;
}

static inline uint16_t get16(const uint8_t *p, bool big)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return big ? be16toh(v) : le16toh(v);
}

static inline uint32_t get32(const uint8_t *p, bool big)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return big ? be32toh(v) : le32toh(v);
}

static inline uint64_t get64(const uint8_t *p, bool big)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return big ? be64toh(v) : le64toh(v);
}

static inline uint8_t *put16(uint8_t *p, uint16_t v)
{
	v = htole16(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

static inline uint8_t *put32(uint8_t *p, uint32_t v)
{
	v = htole32(v);
	memcpy(p, &v, sizeof(v));
	return p + sizeof(v);
}

#endif
