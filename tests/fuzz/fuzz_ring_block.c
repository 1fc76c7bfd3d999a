/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_ring_block.c - any bytes as a block of a ring: every packet lies inside of it
 *
 * The first byte chooses link type and snaplen. Both files are compiled in: the block is a heap
 * allocation of just its size, so a step outside is seen.
 */
#include "../../agent/overlap.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint16_t links[] = { RING_LINK_ETHERNET, RING_LINK_RAW, RING_LINK_COOKED, 7 };
	cleanup_free uint8_t *block = NULL;
	struct ring_cursor c;
	struct ring_frame f;
	uint32_t n = 0, announced;
	uint64_t sum = 0;

	if (size < 1 + sizeof(struct tpacket_block_desc) || size > (1 << 16))
		return 0;
	block = xmalloc(size - 1);
	memcpy(block, data + 1, size - 1);
	ring_cursor_init(&c, block, (uint32_t)size - 1);
	announced = c.left;
	while (ring_cursor_take(&c, &f, 1)) {
		uint32_t caplen = f.head->tp_snaplen;
		struct pcapng_packet p = { 0 };

		sum += overlap_key(&f);
		ring_frames_to_packets(&f, 1, 0, links[*data & 3], *data & 4 ? 64 : 262144, &p);
		if (p.data < block || p.caplen > size - 1 ||
		    p.data + p.caplen > block + size - 1 || p.caplen > caplen + 16)
			abort();
		for (uint32_t i = 0; i < p.caplen; i++)
			sum += p.data[i];
		n++;
	}
	if (n > announced || (sum == 1 && n == UINT32_MAX))
		abort();
	return 0;
}
