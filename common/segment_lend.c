/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_lend.c - many packets become part of a capture file without being copied
 *
 * What is lent is pages, and is written as pages: so it begins with a page of the file, and what comes before that is a
 * filler, which readers pass over.
 */
#include "segment_parts.h"
#include "pcapng_format.h"

static bool is_of_run(const struct segment_run *run, const struct segment_lent *l)
{
	for (size_t i = 0; i < l->n_counts; i++)
		if (l->counts[i] && run->numbers[i] == SEGMENT_OTHER)
			return false;
	return l->last_ns < run->until_ns;
}

/* Bytes of a filler that ends with a page. */
static size_t filler_size(const struct segment *s)
{
	const size_t rest = outfile_to_page(s->file);

	return rest && rest < PCAPNG_FRAME ? rest + DISK_ALIGN : rest;
}

static bool put_filler(struct segment *s, size_t n)
{
	uint8_t *to = outfile_reserve(s->file, n, NULL);

	if (!to)
		return false;
	memset(to, 0, n);
	put32(put32(to, PCAPNG_BLOCK_FILLER), (uint32_t)n);
	put32(to + n - 4, (uint32_t)n);
	outfile_advance(s->file, n);
	return true;
}

static bool take_room(struct segment *s, const struct segment_run *run, size_t n)
{
	struct err why = ERR_INIT;	/* whoever adds the packets one by one is told, where it matters */

	if (run->max_size && segment_size(s) + n > run->max_size)
		return false;
	return segment_take_ahead(s, n, &why) == 0;
}

static void count(struct segment *s, const struct segment_run *run, const struct segment_lent *l)
{
	for (size_t i = 0; i < l->n_counts; i++)
		if (l->counts[i])
			s->received[run->numbers[i]] += l->counts[i];
	s->packets += l->packets;
	s->truncated += l->truncated;
	s->first_ns = l->first_ns < s->first_ns ? l->first_ns : s->first_ns;
	s->last_ns = l->last_ns > s->last_ns ? l->last_ns : s->last_ns;
}

static void done(void *arg)
{
	struct segment_lent *l = arg;

	l->done(l);
}

bool segment_lend(struct segment *s, const struct segment_run *run, struct segment_lent *l)
{
	const size_t filler = filler_size(s);

	if (s->format == WIRE_PCAP || !outfile_may_lend(s->file) || !is_of_run(run, l) ||
	    !take_room(s, run, filler + l->size) || (filler && !put_filler(s, filler)))
		return false;
	count(s, run, l);
	l->lay(l, run->numbers);
	outfile_lend(s->file, l->data, l->size, done, l);
	return true;
}
