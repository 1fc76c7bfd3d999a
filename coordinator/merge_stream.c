/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_stream.c - one input's packets, in order, with their place in the output
 *
 * The window is a ring of packets that were read ahead, kept in order by insertion: files are nearly
 * sorted, so that costs a comparison. Only what is known of a packet is in the ring; its bytes stay
 * where they were read. When half of the window is used up it is filled again, in one go, while what
 * was just read is in the processor's cache. Whatever stands between packets is dealt with when the
 * window comes across it: an interface is in the output before its first packet.
 */
#include "merge_parts.h"

#include <errno.h>
#include <string.h>

void merge_stream_open(struct merge_stream *s, struct merge_work *w, const struct merge_input *in,
		       struct merge_report *report)
{
	const struct capfile_source from = {
		.fd = in->fd, .is_part = in->is_part, .begin = in->begin, .size = in->size,
	};

	s->in = in;
	s->report = report;
	s->file = capfile_new_from(&from);
	capfile_keep(s->file, w->memory);
	s->window = xmalloc(w->window_packets * sizeof(*s->window));
	s->mask = w->window_packets - 1;
}

void merge_stream_close(struct merge_stream *s)
{
	s->report->packets = s->packets;
	s->report->late = s->late;
	capfile_free(s->file);
	free(s->window);
	free(s->interfaces);
}

/* ---- packets */

static struct merge_packet *at(const struct merge_stream *s, uint32_t i)
{
	return &s->window[(s->head + i) & s->mask];
}

/* The place of one more packet, of that time. A later one of equal time stays behind. */
static struct merge_packet *insert(struct merge_stream *s, int64_t ts_ns)
{
	uint32_t i = s->n++;

	for (; i > 0 && at(s, i - 1)->ts_ns > ts_ns; i--)
		*at(s, i) = *at(s, i - 1);
	s->before_ns = ts_ns;
	return at(s, i);
}

static void add_plain(struct merge_stream *s, const struct pcapng_plain *b)
{
	int64_t ts_ns = merge_correct(&s->in->clock, b->ts_ns);

	*insert(s, ts_ns) = (struct merge_packet){
		.ts_ns = ts_ns, .from = b->raw, .offset = b->offset, .size = b->size,
		.interface = s->interfaces[b->interface], .form = MERGE_AS_IS,
	};
}

static int add_block(struct merge_stream *s, struct merge_work *w, const struct pcapng_block *b,
		     struct err *err)
{
	struct merge_packet p;

	if (b->kind != PCAPNG_PACKET)
		return merge_take_block(s, w, b, err);
	merge_take_packet(s, b, &p);
	*insert(s, p.ts_ns) = p;
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

/* All packets that are in memory already, while they are in the processor's cache too. */
static void take_plain(struct merge_stream *s)
{
	struct pcapng_plain p;

	while (s->n <= s->mask && capfile_next_plain(s->file, &p))
		add_plain(s, &p);
}

/* What is between packets may be as long as the file: its memory is free at once. */
static int forget(struct merge_stream *s, struct merge_work *w, uint64_t first, struct err *err)
{
	capfile_drop(s->file, s->n ? first : capfile_offset(s->file));
	if (w->begun)
		return merge_flush(w) < 0 ? sink_error(w->job->sink, err) : 0;
	capfile_settle(w->memory);	/* no packet waits in the batch yet */
	return 0;
}

int merge_stream_fill(struct merge_stream *s, struct merge_work *w, struct err *err)
{
	uint64_t first = first_wanted(s);
	struct err why = ERR_INIT;
	struct pcapng_block block;
	int n;

	capfile_drop(s->file, first);
	for (;;) {
		take_plain(s);
		if (s->n == w->window_packets ||
		    (s->n >= 2 && capfile_offset(s->file) - first >= w->window_bytes))
			break;
		n = capfile_next(s->file, &block, &why);
		if (n != 0)
			return end(s, n, &why, err);
		if (s->n == 0)
			first = block.offset;
		n = add_block(s, w, &block, err);
		if (n == 0 && block.kind != PCAPNG_PACKET)
			n = forget(s, w, first, err);
		if (n < 0)
			return n;
	}
	s->refill = s->n / 2;
	return 0;
}
