/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_capfile.c - capture files of any form: read in large pieces and in small ones, looking back or
 * not, they are the same, and what is read stays inside the file
 */
#include "capfile.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct source {
	const uint8_t *data;
	size_t size, at, piece;
};

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static ssize_t read_piece(void *arg, void *p, size_t n)
{
	struct source *s = arg;
	size_t got = MIN(MIN(n, s->piece), s->size - s->at);

	memcpy(p, s->data + s->at, got);
	s->at += got;
	return (ssize_t)got;
}

static uint64_t sum_of(const void *p, size_t n, uint64_t sum)
{
	for (size_t i = 0; i < n; i++)
		sum = sum * 31 + ((const uint8_t *)p)[i];
	return sum;
}

static void use_name(void *arg, const char *address, const char *name)
{
	uint64_t *sum = arg;

	expect(*address && *name);
	*sum = sum_of(name, strlen(name), sum_of(address, strlen(address), *sum));
}

static void use_packet(const struct source *s, const struct capfile *c,
		       const struct pcapng_block *b, uint64_t *sum)
{
	expect(b->packet.ts_ns >= 0 && b->packet.ts_ns <= PCAPNG_TIME_MAX);
	expect(b->offset + b->size <= s->size && b->packet.caplen <= b->size);
	expect(capfile_offset(c) == b->offset + b->size);
	expect(!memcmp(capfile_at(c, b->offset), s->data + b->offset, b->size));
	*sum = sum_of(&b->packet.ts_ns, sizeof(b->packet.ts_ns), *sum);
	*sum = sum_of(b->packet.data, b->packet.caplen, *sum);
}

/* A sum over all that was read, and how it ended. */
static uint64_t read_all(struct source *s, bool keep)
{
	const struct capfile_source from = { read_piece, s, -1, s->piece };
	struct capfile *c = capfile_new_from(&from);
	struct pcapng_block b;
	struct err err = ERR_INIT;
	uint64_t sum = 0, before = 0;
	int n;

	if (keep)
		capfile_keep(c);
	while ((n = capfile_next(c, &b, &err)) == 0) {
		if (b.kind == PCAPNG_NAMES)
			pcapng_each_name(&b, use_name, &sum);
		if (b.kind != PCAPNG_PACKET)
			continue;
		use_packet(s, c, &b, &sum);
		if (keep)
			expect(*capfile_at(c, before) == s->data[before]);
		before = b.offset;
		capfile_drop(c, before);
	}
	expect(n == PCAPNG_E_END || n == PCAPNG_E_CUT || n == -EINVAL);
	expect((n == PCAPNG_E_END) == !*err.text);
	expect(capfile_next(c, &b, &err) == n);
	capfile_free(c);
	return sum_of(&n, sizeof(n), sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t large = read_all(&(struct source){ data, size, 0, 1 << 18 }, false);

	capfile_is(data, size);
	expect(read_all(&(struct source){ data, size, 0, 1 << 18 }, true) == large);
	expect(read_all(&(struct source){ data, size, 0, 5 }, true) == large);
	return 0;
}
