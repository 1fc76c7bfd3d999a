/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_capfile.c - capture files of any form: read in large pieces and in small ones, looking back or
 * not, they are the same, and what is read stays inside the file
 */
#include "capfile.h"
#include "fuzz.h"

#include <errno.h>
#include <string.h>
#include <sys/param.h>

#include "../../common/pcapng_format.h"

struct source {
	const uint8_t *data;
	size_t size, at, piece;
};

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
	expect(!b->raw || !memcmp(b->raw, s->data + b->offset, b->size));
	*sum = sum_of(&b->packet.ts_ns, sizeof(b->packet.ts_ns), *sum);
	*sum = sum_of(b->packet.data, b->packet.caplen, *sum);
}

/* The short way takes no packet that the long one does not, and tells the same of it. */
static bool next_plain(struct capfile *c, const struct source *s, struct pcapng_block *b)
{
	struct pcapng_plain p;
	const uint8_t *at;

	if (!capfile_next_plain(c, &p))
		return false;
	at = s->data + p.offset;
	expect(p.offset + p.size <= s->size && !memcmp(p.raw, at, p.size));
	*b = (struct pcapng_block){
		.kind = PCAPNG_PACKET, .type = PCAPNG_BLOCK_PACKET, .offset = p.offset, .size = p.size,
		.raw = p.raw, .packet = { .ts_ns = p.ts_ns, .data = p.raw + 28,
					  .caplen = get32(p.raw + 20, false) },
	};
	return true;
}

/* A sum over all that was read, and how it ended. In memory that is kept: both ways in turns. */
static uint64_t read_all(struct source *s, struct capfile_memory *memory)
{
	const struct capfile_source from = {
		.read = read_piece, .arg = s, .fd = -1, .read_size = s->piece,
	};
	struct capfile *c = capfile_new_from(&from);
	const uint8_t *before = NULL;
	uint64_t sum = 0, offset = 0;
	struct err err = ERR_INIT;
	struct pcapng_block b;
	int n = 0;

	if (memory)
		capfile_keep(c, memory);
	while ((memory && next_plain(c, s, &b)) || (n = capfile_next(c, &b, &err)) == 0) {
		if (b.kind == PCAPNG_NAMES)
			pcapng_each_name(&b, use_name, &sum);
		if (b.kind != PCAPNG_PACKET)
			continue;
		use_packet(s, c, &b, &sum);
		if (before && b.packet.caplen)
			expect(*before == s->data[offset]);
		if (!memory)
			continue;
		before = b.packet.caplen ? b.packet.data : NULL;
		offset = b.offset + (b.raw ? (size_t)(b.packet.data - b.raw) : b.size - b.packet.caplen);
		capfile_drop(c, b.offset);
		capfile_settle(memory);
	}
	expect(n == PCAPNG_E_END || n == PCAPNG_E_CUT || n == -EINVAL);
	expect((n == PCAPNG_E_END) == !*err.text);
	expect(capfile_next(c, &b, &err) == n);
	capfile_free(c);
	return sum_of(&n, sizeof(n), sum);
}

static uint64_t read_kept(const uint8_t *data, size_t size, size_t piece)
{
	struct capfile_memory *memory = capfile_memory_new(piece, 1);
	uint64_t sum = read_all(&(struct source){ data, size, 0, piece }, memory);

	capfile_memory_free(memory);
	return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t large = read_all(&(struct source){ data, size, 0, 1 << 18 }, NULL);

	capfile_is(data, size);
	expect(read_kept(data, size, 1 << 18) == large);
	expect(read_kept(data, size, 5) == large);
	return 0;
}
