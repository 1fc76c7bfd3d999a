/* SPDX-License-Identifier: Apache-2.0
 *
 * instream.c - reading ahead from a descriptor, and looking at whole records in place
 */
#include "instream.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

/* Room for n bytes at the position, with what is there and behind it moved to the front. */
static void make_room(struct instream *s, size_t n)
{
	size_t at = s->memory ? (size_t)(s->data - s->memory) : 0, first = at - s->behind;

	if (s->size - at < n && first) {
		memmove(s->memory, s->memory + first, s->behind + s->have);
		at = s->behind;
	}
	if (s->size - at < n) {
		s->size = at + n > s->read_size ? at + n : s->read_size;
		s->memory = xrealloc(s->memory, s->size, 1);
	}
	s->data = s->memory + at;
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

int instream_need(struct instream *s, size_t n)
{
	if (s->have < n)
		make_room(s, n);

	while (s->have < n && !s->ended) {
		size_t room = s->size - (size_t)(s->data - s->memory) - s->have;
		ssize_t got = read_more(s, s->data + s->have, room);

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
	s->behind = s->keeps ? s->behind + n : 0;
}

void instream_release(struct instream *s)
{
	free(s->memory);
	s->memory = s->data = NULL;
	s->have = s->size = s->behind = 0;
}
