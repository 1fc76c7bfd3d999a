/* SPDX-License-Identifier: Apache-2.0
 *
 * instream_pool.c - memory that many streams are read into
 *
 * Pieces are cut out of chunks, each of them a huge page where the kernel has one: a merge of a thousand files
 * goes from one to another with each packet, and the processor remembers where a thousand pages are, but not
 * five thousand. That saves a tenth of its time.
 */
#include "instream.h"

#include <sys/mman.h>

#define CHUNK (2u << 20)
#define CACHE_LINE 64u

/* A sanitizer sees the end of what is allocated by itself. */
#if defined(__SANITIZE_ADDRESS__)
#define ONE_BY_ONE
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ONE_BY_ONE
#endif
#endif

struct instream_chunk {
	struct instream_chunk *next;
	_Alignas(CACHE_LINE) uint8_t pieces[];
};

static struct instream_piece *new_piece(size_t size)
{
	struct instream_piece *piece = xmalloc(sizeof(*piece) + size);

	piece->size = size;
	return piece;
}

#ifdef ONE_BY_ONE
static void add_pieces(struct instream_pool *p)
{
	p->settled = new_piece(p->size);
	p->settled->next = NULL;
}

static void free_pieces(struct instream_pool *p)
{
	struct instream_piece *piece;

	while ((piece = p->settled)) {
		p->settled = piece->next;
		free(piece);
	}
}
#else
static void add_pieces(struct instream_pool *p)
{
	size_t each = (sizeof(struct instream_piece) + p->size + CACHE_LINE - 1) / CACHE_LINE *
		      CACHE_LINE;
	struct instream_chunk *c;
	void *data;

	if (posix_memalign(&data, CHUNK, CHUNK))
		util_out_of_memory();
	madvise(data, CHUNK, MADV_HUGEPAGE);
	c = data;
	c->next = p->chunks;
	p->chunks = c;
	for (size_t n = (CHUNK - sizeof(*c)) / each; n-- > 0; ) {
		struct instream_piece *piece = (void *)(c->pieces + n * each);

		piece->size = p->size;
		piece->next = p->settled;
		p->settled = piece;
	}
}

static void free_pieces(struct instream_pool *p)
{
	struct instream_chunk *c;

	while ((c = p->chunks)) {
		p->chunks = c->next;
		free(c);
	}
	p->settled = NULL;
}
#endif

struct instream_piece *instream_pool_take(struct instream_pool *p, size_t size)
{
	struct instream_piece *piece;

	if (size != p->size) {
		piece = new_piece(size);
	} else {
		if (!p->settled)
			add_pieces(p);
		piece = p->settled;
		p->settled = piece->next;
	}
	piece->next = NULL;
	return piece;
}

void instream_pool_drop(struct instream_pool *p, struct instream_piece *piece)
{
	if (!piece)
		return;
	piece->next = p->dropped;
	p->dropped = piece;
}

/* A large one, as a packet of megabytes needs it, is seldom wanted again. */
void instream_pool_settle(struct instream_pool *p)
{
	struct instream_piece *piece;

	while ((piece = p->dropped)) {
		p->dropped = piece->next;
		if (piece->size == p->size) {
			piece->next = p->settled;
			p->settled = piece;
		} else {
			free(piece);
		}
	}
}

void instream_pool_release(struct instream_pool *p)
{
	instream_pool_settle(p);
	free_pieces(p);
}
