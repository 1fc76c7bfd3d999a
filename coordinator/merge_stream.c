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

#include "../common/pcapng_format.h"

#define OPTIONS_MAX (1u << 20)

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

int64_t merge_correct(const struct merge_clock *c, int64_t ts_ns)
{
	int64_t ns = ts_ns;

	if (c->drift != 0)
		ns -= (int64_t)((double)(ts_ns - c->from_ns) * c->drift);
	if (__builtin_sub_overflow(ns, c->offset_ns, &ns))
		return c->offset_ns < 0 ? PCAPNG_TIME_MAX : 0;
	if (ns < 0)
		return 0;
	return ns > PCAPNG_TIME_MAX ? PCAPNG_TIME_MAX : ns;
}

/* ---- what stands between packets */

static const char *or_else(const char *text, const char *other)
{
	return text && *text ? text : other;
}

/* The number of a new interface of the output. */
static uint32_t new_interface(struct merge_work *w)
{
	if (w->n_interfaces == w->stats_size) {
		w->stats_size = w->stats_size ? 2 * w->stats_size : 64;
		w->stats = xrealloc(w->stats, w->stats_size, sizeof(*w->stats));
	}
	w->stats[w->n_interfaces] = (struct merge_stats){ 0 };
	return w->n_interfaces++;
}

static int put_interface(struct merge_stream *s, struct merge_work *w,
			 const struct pcapng_block *b, const struct pcapng_interface *i,
			 struct err *err)
{
	cleanup_buf struct buf others = BUF_INIT(OPTIONS_MAX);

	if (w->n_interfaces == MERGE_INTERFACES_MAX)
		return err_set(err, -EINVAL, "'%s': more than %u interfaces in all", s->in->path,
			       MERGE_INTERFACES_MAX);
	if (b->raw && pcapng_other_options(b, &others) < 0)
		buf_reset(&others);
	if (pcapng_put_interface_and(&w->head, i, &others) < 0)
		return err_set(err, -EFBIG, "'%s': too many interfaces at once", s->in->path);
	return 0;
}

/* What tells two interfaces of a group apart; NULL: the input is of no group. */
static char *key_of(const struct merge_stream *s, const struct pcapng_interface *i)
{
	return s->in->group ? xasprintf("%zu %u %u %s %s", s->in->group, i->link_type, i->snaplen,
					or_else(i->name, ""), or_else(i->description, "")) : NULL;
}

static int place_interface(struct merge_stream *s, struct merge_work *w,
			   const struct pcapng_block *b, const struct pcapng_interface *i,
			   uint32_t *out, struct err *err)
{
	cleanup_free char *key = key_of(s, i);
	const json_t *known = key ? json_object_get(w->known, key) : NULL;
	int r;

	if (known) {
		*out = (uint32_t)json_integer_value(known);
		return 0;
	}
	r = put_interface(s, w, b, i, err);
	if (r < 0)
		return r;
	*out = new_interface(w);
	/* a name that is no UTF-8 is no key: that interface comes again with the next file */
	if (key)
		json_object_set_new(w->known, key, json_integer(*out));
	return 0;
}

/* NULL: there is nothing to say. */
static char *describe(const struct merge_input *in, const struct pcapng_interface *i)
{
	bool has_own = or_else(i->description, NULL) != NULL, adds = has_own && in->names_all;

	if (!in->label || (has_own && !adds))
		return xstrdup_null(i->description);
	return xasprintf("%s%s%s%s%s%s%s", in->label, i->name ? " " : "", or_else(i->name, ""),
			 or_else(in->where, ""), adds ? " (" : "", adds ? i->description : "",
			 adds ? ")" : "");
}

static int add_interface(struct merge_stream *s, struct merge_work *w,
			 const struct pcapng_block *b, struct err *err)
{
	struct pcapng_interface i = b->interface;
	cleanup_free char *made = NULL;
	int r;

	i.name = or_else(i.name, s->in->interface);
	i.description = made = describe(s->in, &i);
	i.name = or_else(i.name, s->in->label);
	if (s->n_interfaces == s->size) {
		s->size = s->size ? 2 * s->size : 4;
		s->interfaces = xrealloc(s->interfaces, s->size, sizeof(*s->interfaces));
	}
	r = place_interface(s, w, b, &i, &s->interfaces[s->n_interfaces], err);
	s->n_interfaces += r == 0;
	return r;
}

/* Names behind the beginning are written when they come. */
static void add_name(void *arg, const char *address, const char *name)
{
	struct merge_work *w = arg;
	const struct pcapng_name one = { address, name };

	if (merge_names_add(w->names, address, name) && w->begun)
		pcapng_put_names(&w->head, &one, 1);
}

static int64_t corrected_or_none(const struct merge_stream *s, int64_t ns)
{
	return ns ? merge_correct(&s->in->clock, ns) : 0;
}

static int64_t either_or_sum(int64_t a, int64_t b)
{
	int64_t sum;

	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* What another file of the group has said of the interface is part of what is said now. */
static void add_up(struct pcapng_stats *to, const struct pcapng_stats *before)
{
	to->received = either_or_sum(to->received, before->received);
	to->dropped = either_or_sum(to->dropped, before->dropped);
	if (before->start_ns && (!to->start_ns || before->start_ns < to->start_ns))
		to->start_ns = before->start_ns;
	if (before->end_ns > to->end_ns)
		to->end_ns = before->end_ns;
	if (before->ts_ns > to->ts_ns)
		to->ts_ns = before->ts_ns;
}

/* Of one file the last counts; it stands behind the others. */
static void add_stats(struct merge_stream *s, struct merge_work *w, const struct pcapng_stats *from)
{
	uint32_t interface = s->interfaces[from->interface];
	struct merge_stats *to = &w->stats[interface];

	if (to->is_there && to->of != s) {
		to->before = to->stats;
		to->has_before = true;
	}
	free(to->comment);
	to->is_there = true;
	to->of = s;
	to->stats = *from;
	to->stats.interface = interface;
	to->stats.ts_ns = merge_correct(&s->in->clock, from->ts_ns);
	to->stats.start_ns = corrected_or_none(s, from->start_ns);
	to->stats.end_ns = corrected_or_none(s, from->end_ns);
	to->stats.comment = to->comment = xstrdup_null(from->comment);
	if (to->has_before)
		add_up(&to->stats, &to->before);
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

static enum merge_form form_of(const struct pcapng_block *b)
{
	if (!b->raw || b->type == PCAPNG_BLOCK_SIMPLE_PACKET)
		return MERGE_ENCODE;
	if (b->big)
		return MERGE_TURN_BIG;
	return b->type == PCAPNG_BLOCK_PACKET ? MERGE_AS_IS : MERGE_TURN;
}

static void add_packet(struct merge_stream *s, const struct pcapng_block *b)
{
	bool timed = b->type != PCAPNG_BLOCK_SIMPLE_PACKET;
	const struct pcapng_packet *from = &b->packet;
	enum merge_form form = form_of(b);
	int64_t ts_ns = timed ? merge_correct(&s->in->clock, from->ts_ns) : s->before_ns;

	*insert(s, ts_ns) = (struct merge_packet){
		.ts_ns = ts_ns,
		.from = form == MERGE_ENCODE ? from->data : b->raw,
		.offset = b->offset,
		.size = form == MERGE_ENCODE ? (uint32_t)pcapng_packet_size(from->caplen, from->flags)
					     : b->size,
		.interface = s->interfaces[from->interface],
		.caplen = from->caplen,
		.len = from->len,
		.flags = from->flags,
		.form = form,
	};
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
	switch (b->kind) {
	case PCAPNG_SECTION:
		s->n_interfaces = 0;
		return 0;
	case PCAPNG_INTERFACE:
		return add_interface(s, w, b, err);
	case PCAPNG_PACKET:
		add_packet(s, b);
		return 0;
	case PCAPNG_STATS:
		add_stats(s, w, &b->stats);
		return 0;
	case PCAPNG_NAMES:
		pcapng_each_name(b, add_name, w);
		return 0;
	case PCAPNG_OTHER:
		return 0;
	}
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
