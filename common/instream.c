/* SPDX-License-Identifier: Apache-2.0
 *
 * instream.c - reading ahead from a descriptor, and looking at whole records in place
 */
#include "instream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "readahead.h"

/* ---- with a pool */

void instream_drop(struct instream *s, uint64_t offset)
{
	struct instream_piece *piece;

	while ((piece = s->first) && piece->end <= offset) {
		s->first = piece->next;
		instream_pool_drop(s->pool, piece);
	}
	if (!s->first)
		s->last = NULL;
}

/* The piece takes the place of the one before, which stays until it is dropped. */
static void replace(struct instream *s, struct instream_piece *piece, uint8_t *data)
{
	if (s->have)
		memcpy(data, s->data, s->have);
	if (s->piece) {
		s->piece->end = s->offset;
		if (s->last)
			s->last->next = s->piece;
		else
			s->first = s->piece;
		s->last = s->piece;
	}
	s->piece = piece;
	s->memory = piece->data;
	s->size = piece->size;
	s->data = data;
}

/* A new piece, which begins with what was read and not skipped. */
static void next_piece(struct instream *s, size_t n)
{
	struct instream_piece *piece =
		instream_pool_take(s->pool, n > s->read_size ? n : s->read_size);

	replace(s, piece, piece->data);
}

static size_t room(const struct instream *s)
{
	return s->memory ? s->size - (size_t)(s->data - s->memory) - s->have : 0;
}

/* What was read ahead, for a record of n bytes. As read(2), but -errno. */
static ssize_t add_piece(struct instream *s, size_t n)
{
	struct instream_piece *piece;
	ssize_t got = readahead_next(s->ahead, &piece);

	if (got <= 0)
		return got;
	if (s->have <= INSTREAM_LEAD) {
		replace(s, piece, piece->data + INSTREAM_LEAD - s->have);
		s->size = INSTREAM_LEAD + (size_t)got;
		return got;
	}
	if (room(s) < (size_t)got)
		next_piece(s, n + s->pool->size);
	memcpy(s->data + s->have, piece->data + INSTREAM_LEAD, (size_t)got);
	instream_pool_drop(s->pool, piece);
	return got;
}

/* ---- without one */

/* What is there goes to the front. */
static void move(struct instream *s, size_t n)
{
	if (s->data != s->memory)
		memmove(s->memory, s->data, s->have);
	if (s->size < n) {
		s->size = n > s->read_size ? n : s->read_size;
		s->memory = xrealloc(s->memory, s->size, 1);
	}
	s->data = s->memory;
}

/* ---- both */

/* Room for n bytes at the position. */
static void make_room(struct instream *s, size_t n)
{
	if (s->memory && s->size - (size_t)(s->data - s->memory) >= n)
		return;
	if (s->pool)
		next_piece(s, n);
	else
		move(s, n);
}

static ssize_t read_more(struct instream *s, void *p, size_t n)
{
	ssize_t got;

	if (s->read)
		return s->read(s->arg, p, n);
	do
		got = read(s->fd, p, n);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t add(struct instream *s, size_t n)
{
	if (s->ahead)
		return add_piece(s, n);
	make_room(s, n);
	return read_more(s, s->data + s->have, room(s));
}

int instream_need(struct instream *s, size_t n)
{
	while (s->have < n && !s->ended) {
		ssize_t got = add(s, n);

		if (got < 0)
			return got == -EINVAL ? -EIO : (int)got;
		s->have += (size_t)got;
		s->ended = got == 0;
	}
	return s->have < n ? INSTREAM_E_SHORT : 0;
}

void instream_skip(struct instream *s, size_t n)
{
	s->data += n;
	s->have -= n;
	s->offset += n;
}

void instream_release(struct instream *s)
{
	if (s->pool) {
		instream_drop(s, UINT64_MAX);
		instream_pool_drop(s->pool, s->piece);
		readahead_close(s->ahead);
		s->piece = NULL;
		s->ahead = NULL;
	} else {
		free(s->memory);
	}
	s->memory = s->data = NULL;
	s->have = s->size = 0;
}
