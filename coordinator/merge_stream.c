/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_stream.c - one input's packets, in order, with their place in the output
 *
 * The window is a ring of packets that were read ahead, kept in order by insertion: files are nearly
 * sorted, so that costs a comparison. Only what is known of a packet is in the ring; its bytes stay
 * where they were read, from the first one that is still wanted on. When half of the window is used up
 * it is filled again, in one go. Whatever stands between packets is dealt with when the window
 * comes across it: an interface is in the output before its first packet.
 */
#include "merge_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "../common/pcapng_format.h"

#define RING_MASK (MERGE_WINDOW_PACKETS - 1)

/* Of one of several in a file; several streams share the descriptor. */
static ssize_t read_part(void *arg, void *p, size_t n)
{
	struct merge_stream *s = arg;
	uint64_t left = (uint64_t)s->in->size - s->read;
	ssize_t got;

	do
		got = pread(s->in->fd, p, n < left ? n : left, s->in->begin + (off_t)s->read);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		return -errno;
	s->read += (uint64_t)got;
	return got;
}

void merge_stream_open(struct merge_stream *s, const struct merge_input *in, size_t read_size)
{
	const struct capfile_source from = {
		.read = in->is_part ? read_part : NULL, .arg = s, .fd = in->fd,
		.read_size = read_size,
	};

	s->in = in;
	s->file = capfile_new_from(&from);
	capfile_keep(s->file);
	s->window = xcalloc(MERGE_WINDOW_PACKETS, sizeof(*s->window));
}

void merge_stream_close(struct merge_stream *s)
{
	capfile_free(s->file);
	free(s->window);
	free(s->interfaces);
}

/* ---- packets */

static struct merge_packet *at(const struct merge_stream *s, uint32_t i)
{
	return &s->window[(s->head + i) & RING_MASK];
}

/* A later one of equal time stays behind. */
static void insert(struct merge_stream *s, const struct merge_packet *p)
{
	uint32_t i = s->n++;

	for (; i > 0 && at(s, i - 1)->ts_ns > p->ts_ns; i--)
		*at(s, i) = *at(s, i - 1);
	*at(s, i) = *p;
}

static int add_block(struct merge_stream *s, struct merge_work *w, const struct pcapng_block *b,
		     struct err *err)
{
	struct merge_packet p;

	if (b->kind != PCAPNG_PACKET)
		return merge_take_block(s, w, b, err);
	merge_take_packet(s, b, &p);
	insert(s, &p);
	return 0;
}

/* The offset of the first byte that a packet in the window still needs. */
static uint64_t first_wanted(const struct merge_stream *s)
{
	uint64_t first = capfile_offset(s->file);

	for (uint32_t i = 0; i < s->n; i++)
		if (at(s, i)->offset < first)
			first = at(s, i)->offset;
	return first;
}

static int end(struct merge_stream *s, int n, const struct err *why, struct err *err)
{
	s->ended = true;
	if (n == PCAPNG_E_END)
		return 0;
	if (n == -EINVAL && capfile_offset(s->file) == 0)
		return err_set(err, n, "'%s' is no capture file: %s", s->in->path, why->text);
	if (n < 0 && n != -EINVAL)
		return err_set(err, n, "'%s': %s", s->in->path, why->text);
	s->report->cut = xstrdup(why->text);
	return 0;
}

static int fill(struct merge_stream *s, struct merge_work *w, struct err *err)
{
	uint64_t first = first_wanted(s);
	struct err why = ERR_INIT;
	struct pcapng_block block;
	int n;

	while (s->n < MERGE_WINDOW_PACKETS &&
	       (s->n < 2 || capfile_offset(s->file) - first < MERGE_WINDOW_BYTES)) {
		capfile_drop(s->file, s->n ? first : capfile_offset(s->file));
		n = capfile_next(s->file, &block, &why);
		if (n != 0)
			return end(s, n, &why, err);
		if (s->n == 0)
			first = block.offset;
		n = add_block(s, w, &block, err);
		if (n < 0)
			return n;
	}
	s->refill = s->n / 2;
	return 0;
}

int merge_stream_peek(struct merge_stream *s, struct merge_work *w,
		      const struct merge_packet **out, struct err *err)
{
	if (s->n <= s->refill && !s->ended) {
		int r = fill(s, w, err);

		if (r < 0)
			return r;
	}
	*out = s->n ? at(s, 0) : NULL;
	return 0;
}

void merge_stream_pop(struct merge_stream *s)
{
	const struct merge_packet *p = at(s, 0);

	if (p->ts_ns < s->last_ns)
		s->report->late++;
	else
		s->last_ns = p->ts_ns;
	s->report->packets++;
	s->head = (s->head + 1) & RING_MASK;
	s->n--;
}
