/* SPDX-License-Identifier: Apache-2.0
 *
 * live_merge.c - many streams become one while they come
 *
 * A heap of packets, each a block that is ready to be written. A merge of files needs but each file's
 * next packet; here a node's stream brings its targets' packets by turns, 50 ms of each, so what
 * waits is more than a window. Equal times keep the order in which they came.
 */
#include "live_merge.h"

#include "merge_parts.h"
#include "version.h"

#include <errno.h>
#include <string.h>

#define HEAD_MAX (16u << 20)		/* of blocks that are not packets, at once */

struct waiting {
	int64_t ts_ns;
	uint64_t number;
	uint32_t size;
	uint8_t *block;
};

struct live_input {
	struct live_merge *merge;
	struct merge_input in;
	struct merge_stream s;
	struct merge_report report;	/* the stream's, of no use here */
	bool over;
};

struct live_merge {
	struct merge_work work;
	struct merge_job job;
	int64_t delay_ns;
	struct live_input **inputs;
	size_t n_inputs;
	struct waiting *heap;
	size_t n, size;
	uint64_t bytes;			/* of blocks in the heap */
	uint64_t number;		/* packets that came */
	int64_t last_ns;		/* of the last one that went out */
	uint64_t packets, late;
};

/* ---- the heap ---- */

static bool before(const struct waiting *a, const struct waiting *b)
{
	return a->ts_ns < b->ts_ns || (a->ts_ns == b->ts_ns && a->number < b->number);
}

static void push(struct live_merge *m, const struct waiting *w)
{
	size_t i = m->n++;

	if (m->n > m->size) {
		m->size = m->size ? 2 * m->size : 1024;
		m->heap = xrealloc(m->heap, m->size, sizeof(*m->heap));
	}
	for (; i && before(w, &m->heap[(i - 1) / 2]); i = (i - 1) / 2)
		m->heap[i] = m->heap[(i - 1) / 2];
	m->heap[i] = *w;
	m->bytes += w->size;
}

static struct waiting pop(struct live_merge *m)
{
	struct waiting first = m->heap[0], moved = m->heap[--m->n];
	size_t i = 0;

	for (size_t child; (child = 2 * i + 1) < m->n; i = child) {
		if (child + 1 < m->n && before(&m->heap[child + 1], &m->heap[child]))
			child++;
		if (!before(&m->heap[child], &moved))
			break;
		m->heap[i] = m->heap[child];
	}
	if (m->n)
		m->heap[i] = moved;
	m->bytes -= first.size;
	return first;
}

/* ---- life ---- */

struct live_merge *live_merge_new(int64_t delay_ns, const char *comment)
{
	struct live_merge *m = xcalloc(1, sizeof(*m));
	const struct pcapng_section section = {
		.application = "swarmcap " SWARMCAP_VERSION, .comment = comment,
	};

	m->delay_ns = delay_ns;
	m->work = (struct merge_work){ .job = &m->job, .head = BUF_INIT(HEAD_MAX), .begun = true };
	m->work.names = merge_names_new();
	m->work.known = json_object();
	pcapng_put_section(&m->work.head, &section);
	return m;
}

void live_merge_free(struct live_merge *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n_inputs; i++) {
		merge_stream_close(&m->inputs[i]->s);
		free((char *)m->inputs[i]->in.path);
		free(m->inputs[i]);
	}
	while (m->n)
		free(pop(m).block);
	for (size_t i = 0; i < m->work.n_interfaces; i++)
		free(m->work.stats[i].comment);
	free(m->inputs);
	free(m->heap);
	free(m->work.stats);
	merge_names_free(m->work.names);
	json_decref(m->work.known);
	buf_release(&m->work.head);
	free(m);
}

struct live_input *live_merge_add(struct live_merge *m, const char *name,
				  const struct capfile_source *from)
{
	struct live_input *in = xcalloc(1, sizeof(*in));

	in->merge = m;
	in->in = (struct merge_input){ .path = xstrdup(name), .fd = -1 };
	in->s.in = &in->in;
	in->s.file = capfile_new_from(from);
	in->s.report = &in->report;
	m->inputs = xrealloc(m->inputs, m->n_inputs + 1, sizeof(struct live_input *));
	m->inputs[m->n_inputs++] = in;
	return in;
}

void live_merge_set_clock(struct live_input *in, const struct merge_clock *c)
{
	in->in.clock = *c;
}

/* ---- reading ---- */

static void take_packet(struct live_input *in, const struct pcapng_block *b)
{
	struct live_merge *m = in->merge;
	struct merge_packet p;
	struct waiting w;

	merge_take_packet(&in->s, b, &p);
	w = (struct waiting){ .ts_ns = p.ts_ns, .number = m->number++, .size = p.size };
	w.block = xmalloc(w.size);
	merge_encode(w.block, &p);
	push(m, &w);
}

int live_merge_read(struct live_input *in, struct err *err)
{
	const uint64_t until = capfile_offset(in->s.file) + LIVE_MERGE_READ;
	struct pcapng_block b;
	struct err why = ERR_INIT;
	int r = 0;

	if (in->over)
		return LIVE_E_OVER;
	while (r == 0 && capfile_offset(in->s.file) < until) {
		r = capfile_next(in->s.file, &b, &why);
		if (r == 0 && b.kind == PCAPNG_PACKET)
			take_packet(in, &b);
		else if (r == 0)
			r = merge_take_block(&in->s, &in->merge->work, &b, &why);
	}
	if (r == 0)
		return LIVE_E_MORE;
	if (r == -EAGAIN)
		return 0;
	in->over = true;
	/* one that was cut says so by its connection's end */
	if (r == PCAPNG_E_END || r == PCAPNG_E_CUT)
		return LIVE_E_OVER;
	return err_set(err, r, "the stream of %s: %s", in->in.path, why.text);
}

bool live_merge_is_over(const struct live_input *in)
{
	return in->over;
}

/* ---- writing ---- */

static void put_head(struct live_merge *m, struct buf *out)
{
	buf_add(out, m->work.head.data, m->work.head.len);
	buf_reset(&m->work.head);
}

static bool is_due(const struct live_merge *m, int64_t now_ns)
{
	return m->n && (m->heap[0].ts_ns <= now_ns - m->delay_ns || m->bytes > LIVE_MERGE_BYTES);
}

static void put_first(struct live_merge *m, struct buf *out)
{
	struct waiting w = pop(m);

	if (w.ts_ns < m->last_ns)
		m->late++;
	else
		m->last_ns = w.ts_ns;
	m->packets++;
	buf_add(out, w.block, w.size);
	free(w.block);
}

void live_merge_take(struct live_merge *m, int64_t now_ns, struct buf *out)
{
	put_head(m, out);
	while (is_due(m, now_ns) && out->len < LIVE_MERGE_READ)
		put_first(m, out);
}

int64_t live_merge_due(const struct live_merge *m)
{
	if (!m->n)
		return INT64_MAX;
	return m->bytes > LIVE_MERGE_BYTES ? 0 : m->heap[0].ts_ns + m->delay_ns;
}

void live_merge_end(struct live_merge *m, struct buf *out)
{
	put_head(m, out);
	while (m->n)
		put_first(m, out);
	for (size_t i = 0; i < m->work.n_interfaces; i++)
		if (m->work.stats[i].is_there)
			pcapng_put_stats(out, &m->work.stats[i].stats);
}

void live_merge_count(const struct live_merge *m, struct live_merge_counts *out)
{
	*out = (struct live_merge_counts){
		.packets = m->packets, .late = m->late, .interfaces = m->work.n_interfaces,
	};
}
