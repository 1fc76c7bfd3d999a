/* SPDX-License-Identifier: Apache-2.0
 *
 * instream.c - reading ahead from a descriptor, and looking at whole records in place
 */
#include "instream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define READ_SIZE (256u << 10)

/* Room for n bytes at the position, with what is there moved to the front. */
static void make_room(struct instream *s, size_t n)
{
	size_t at = s->have ? (size_t)(s->data - s->memory) : 0;

	if (s->size - at < n && s->have && at)
		memmove(s->memory, s->data, s->have);
	if (s->size - at < n)
		at = 0;
	if (s->size < n) {
		s->size = n > READ_SIZE ? n : READ_SIZE;
		s->memory = xrealloc(s->memory, s->size, 1);
	}
	s->data = s->memory + at;
}

int instream_need(struct instream *s, size_t n)
{
	if (s->have < n)
		make_room(s, n);

	while (s->have < n && !s->ended) {
		size_t room = s->size - (size_t)(s->data - s->memory) - s->have;
		ssize_t got = read(s->fd, s->data + s->have, room);

		if (got < 0 && errno != EINTR)
			return errno == EINVAL ? -EIO : -errno;
		if (got > 0)
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
	free(s->memory);
	s->memory = s->data = NULL;
	s->have = s->size = 0;
}
