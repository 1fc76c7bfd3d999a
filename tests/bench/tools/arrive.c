/* SPDX-License-Identifier: Apache-2.0
 *
 * arrive.c - how old are packets when they arrive?
 *
 *	swarmcap live web | arrive		or: tcpdump -U -w - | arrive
 *
 * Reads a capture on stdin, pcapng with nanoseconds or classic pcap with microseconds, both of this
 * machine's byte order, and prints for each packet its age in microseconds: the wall clock when its last byte
 * was read, less its timestamp. Ends with its input.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECTION 0x0a0d0d0au
#define ENHANCED_PACKET 6u
#define CLASSIC 0xa1b2c3d4u
#define BLOCK_MAX (16u << 20)

static uint8_t block[BLOCK_MAX];

/* False: the input has ended. */
static int get(void *to, size_t n)
{
	uint8_t *p = to;

	while (n) {
		ssize_t got = read(STDIN_FILENO, p, n);

		if (got < 0)
			err(1, "stdin");
		if (!got)
			return 0;
		p += got;
		n -= (size_t)got;
	}
	return 1;
}

static void print_age(uint64_t ns)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	printf("%lld\n", ((long long)now.tv_sec * 1000000000LL + now.tv_nsec - (long long)ns) / 1000);
}

static void pcapng(uint32_t type)
{
	uint32_t size, high, low;

	do {
		if (!get(&size, 4))
			return;
		if (size < 12 || size > BLOCK_MAX)
			errx(1, "a block of %u bytes", size);
		if (!get(block, size - 8))
			return;
		if (type != ENHANCED_PACKET)
			continue;
		memcpy(&high, block + 4, 4);
		memcpy(&low, block + 8, 4);
		print_age((uint64_t)high << 32 | low);
	} while (get(&type, 4));
}

static void classic(void)
{
	uint32_t record[4];	/* seconds, microseconds, captured, length */

	if (!get(block, 20))
		return;
	while (get(record, sizeof(record))) {
		if (record[2] > BLOCK_MAX)
			errx(1, "a packet of %u bytes", record[2]);
		if (!get(block, record[2]))
			return;
		print_age(record[0] * 1000000000ull + record[1] * 1000ull);
	}
}

int main(void)
{
	uint32_t magic;

	setvbuf(stdout, NULL, _IONBF, 0);
	if (!get(&magic, 4))
		return 0;
	if (magic == SECTION)
		pcapng(magic);
	else if (magic == CLASSIC)
		classic();
	else
		errx(1, "neither pcapng nor pcap");
	return 0;
}
