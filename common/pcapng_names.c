/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_names.c - the records of a name-resolution block
 */
#include "pcapng.h"

#include <arpa/inet.h>
#include <string.h>

#include "pcapng_format.h"

typedef void name_fn(void *arg, const char *address, const char *name);

/* An address, then names, each ended by NUL. */
static void each_of_record(int family, const uint8_t *p, size_t n, name_fn *fn, void *arg)
{
	size_t length = family == AF_INET ? 4 : 16;
	char address[INET6_ADDRSTRLEN];

	if (n < length || !inet_ntop(family, p, address, sizeof(address)))
		return;
	p += length;
	n -= length;
	while (n) {
		const uint8_t *end = memchr(p, '\0', n);

		if (!end)
			return;
		if (end > p)
			fn(arg, address, (const char *)p);
		n -= (size_t)(end - p) + 1;
		p = end + 1;
	}
}

void pcapng_each_name(const struct pcapng_block *b, name_fn *fn, void *arg)
{
	const uint8_t *p = b->raw + 8;
	size_t left = b->size - PCAPNG_FRAME;

	while (left >= 4) {
		uint16_t type = get16(p, b->big);
		size_t n = get16(p + 2, b->big);

		p += 4;
		left -= 4;
		if (type == PCAPNG_NAME_END || pcapng_padded(n) > left)
			return;
		if (type == PCAPNG_NAME_IPV4)
			each_of_record(AF_INET, p, n, fn, arg);
		else if (type == PCAPNG_NAME_IPV6)
			each_of_record(AF_INET6, p, n, fn, arg);
		p += pcapng_padded(n);
		left -= pcapng_padded(n);
	}
}
