/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_out.c - packets to the sink, in batches
 *
 * What costs is the bytes, and waiting for them: of many inputs, the next packet is in no cache of
 * the processor that is near. In a batch it is known what will be copied soon, so that its bytes
 * come while others are copied. A block that stands in its file as it will stand in the output
 * is copied in one piece, and only its interface and its time are written over. Into a pipe not
 * even that copy is made, where packets are large: the kernel takes them from where they were read.
 */
#include "merge_parts.h"

#include <errno.h>
#include <string.h>

#include "../common/pcapng_packet.h"

#define CACHE_LINE 64u
#define AHEAD 4u			/* packets */
#define AHEAD_BYTES 512u		/* of each: what is behind comes by itself, once it is read in order */
#define PIECE_FROM 256u			/* a packet's bytes on average: below it, a copy costs less than a piece */

/* What is as in the file but for its interface and its time. */
static void write_over(uint8_t *block, const struct merge_packet *p)
{
	put32(block + 8, p->interface);
	put32(block + 12, (uint32_t)((uint64_t)p->ts_ns >> 32));
	put32(block + 16, (uint32_t)p->ts_ns);
}

void merge_encode(uint8_t *to, const struct merge_packet *p)
{
	const struct pcapng_packet packet = {
		.ts_ns = p->ts_ns, .caplen = p->caplen, .len = p->len, .data = p->from,
		.flags = p->flags,
	};

	switch (p->form) {
	case MERGE_ENCODE:
		pcapng_packet_write(to, &packet, p->size, p->interface);
		return;
	case MERGE_AS_IS:
		pcapng_copy(to, p->from, p->size);
		break;
	case MERGE_TURN:
	case MERGE_TURN_BIG:
		pcapng_turn_packet(to, p->from, p->size, p->form == MERGE_TURN_BIG);
		break;
	}
	write_over(to, p);
}

static void fetch(const struct merge_packet *p)
{
	uint32_t n = p->size < AHEAD_BYTES ? p->size : AHEAD_BYTES;

	for (uint32_t at = 0; at < n; at += CACHE_LINE)
		__builtin_prefetch(p->from + at);
}

static int put_large(struct sink *sink, const struct merge_packet *p)
{
	cleanup_free uint8_t *large = xmalloc(p->size);

	merge_encode(large, p);
	return sink_put(sink, large, p->size);
}

/* ---- in pieces */

static bool goes_in_pieces(const struct sink *sink, const struct merge_batch *b)
{
	if (!b->n || !sink_likes_pieces(sink) || b->bytes < b->n * PIECE_FROM)
		return false;
	for (size_t i = 0; i < b->n; i++)
		if (b->v[i].form != MERGE_AS_IS)
			return false;
	return true;
}

/* What was read is the merge's own, and nobody reads a packet again whose turn has come. */
static int put_pieces(struct sink *sink, const struct merge_batch *b)
{
	struct iovec pieces[MERGE_BATCH];
	size_t n = 0;

	for (size_t i = 0; i < b->n && i < AHEAD; i++)
		__builtin_prefetch(b->v[i].from, 1);
	for (size_t i = 0; i < b->n; i++) {
		uint8_t *at = (uint8_t *)(uintptr_t)b->v[i].from;

		if (i + AHEAD < b->n)
			__builtin_prefetch(b->v[i + AHEAD].from, 1);
		write_over(at, &b->v[i]);
		if (n && (uint8_t *)pieces[n - 1].iov_base + pieces[n - 1].iov_len == at)
			pieces[n - 1].iov_len += b->v[i].size;
		else
			pieces[n++] = (struct iovec){ at, b->v[i].size };
	}
	return sink_put_pieces(sink, pieces, n);
}

/* ---- copied */

static int put_batch(struct sink *sink, const struct merge_packet *v, size_t n)
{
	size_t room = 0, filled = 0;
	uint8_t *to = NULL;

	for (size_t i = 0; i < n && i < AHEAD; i++)
		fetch(&v[i]);
	for (size_t i = 0; i < n; i++) {
		if (i + AHEAD < n)
			fetch(&v[i + AHEAD]);
		if (v[i].size > room - filled) {
			sink_advance(sink, filled);
			room = filled = 0;
			if (v[i].size > SINK_RESERVE_MAX) {
				if (put_large(sink, &v[i]) < 0)
					return -EIO;
				continue;
			}
			to = sink_reserve(sink, v[i].size, &room);
			if (!to)
				return -EIO;
		}
		merge_encode(to + filled, &v[i]);
		filled += v[i].size;
	}
	sink_advance(sink, filled);
	return 0;
}

void merge_put(struct merge_work *w, const struct merge_packet *p)
{
	w->batch.v[w->batch.n++] = *p;
	w->batch.bytes += p->size;
}

bool merge_is_due(const struct merge_work *w)
{
	return w->batch.n == MERGE_BATCH || w->batch.bytes >= MERGE_BATCH_BYTES || w->head.len;
}

int merge_flush(struct merge_work *w)
{
	int r = w->head.len ? sink_put(w->job->sink, w->head.data, w->head.len) : 0;

	buf_reset(&w->head);
	if (r == 0)
		r = goes_in_pieces(w->job->sink, &w->batch) ?
			put_pieces(w->job->sink, &w->batch) :
			put_batch(w->job->sink, w->batch.v, w->batch.n);
	w->batch.n = w->batch.bytes = 0;
	capfile_settle(w->memory);
	return r;
}
