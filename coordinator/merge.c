/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.c - many capture files become one, in order of corrected time
 *
 * A heap of the inputs, by the time of each one's next packet. What costs is not the heap but the
 * bytes: a block that stands in its file as it will stand in the output is copied in one piece, and
 * only its interface and its time are written over.
 */
#include "merge_parts.h"

#include <errno.h>
#include <string.h>

#include "../common/pcapng_format.h"
#include "version.h"

#define HEAD_MAX (32u << 20)		/* of blocks that are not packets, at once */
#define READ_SIZE (192u << 10)		/* the window's bytes are part of it */
#define READ_SIZE_MANY (128u << 10)
#define CANCEL_PACKETS 4096u
#define CACHE_LINE 64u
#define FETCH_AHEAD 512u		/* what is behind comes by itself, once it is read in order */

struct leaf {
	int64_t ts_ns;
	uint32_t stream;
	const struct merge_packet *p;	/* both valid until its stream is asked again */
	const uint8_t *from;
};

struct heap {
	struct leaf *v;
	size_t n;
};

/* ---- the heap */

static bool before(struct leaf a, struct leaf b)
{
	return a.ts_ns < b.ts_ns || (a.ts_ns == b.ts_ns && a.stream < b.stream);
}

/* The leaf at i may be too late for its place. */
static void sift_down(struct heap *h, size_t i)
{
	struct leaf moved = h->v[i];

	for (size_t child; (child = 2 * i + 1) < h->n; i = child) {
		if (child + 1 < h->n && before(h->v[child + 1], h->v[child]))
			child++;
		if (!before(h->v[child], moved))
			break;
		h->v[i] = h->v[child];
	}
	h->v[i] = moved;
}

static void leaf_set(struct leaf *l, const struct merge_stream *s, const struct merge_packet *p)
{
	l->ts_ns = p->ts_ns;
	l->p = p;
	l->from = capfile_at(s->file, p->offset);
}

/*
 * Of many inputs, what comes next is not in the processor's cache. One of the two below the first
 * will follow it: their bytes come while the first is copied, which halves a packet's cost.
 */
static void fetch_ahead(const struct heap *h)
{
	for (size_t i = 1; i < h->n && i <= 2; i++) {
		const uint8_t *from = h->v[i].from;

		__builtin_prefetch(h->v[i].p);
		for (size_t at = 0; at < FETCH_AHEAD; at += CACHE_LINE)
			__builtin_prefetch(from + at);
	}
}

/* ---- writing */

static int flush_head(struct merge_work *w)
{
	int r = sink_put(w->job->sink, w->head.data, w->head.len);

	buf_reset(&w->head);
	return r;
}

static int put_packet(struct sink *sink, const struct merge_packet *p, const uint8_t *from)
{
	size_t size = merge_size(p);
	cleanup_free uint8_t *large = NULL;
	uint8_t *to;

	if (size > SINK_RESERVE_MAX) {
		large = xmalloc(size);
		return sink_put(sink, large, merge_encode(large, p, from));
	}
	to = sink_reserve(sink, size);
	if (!to)
		return -EIO;
	sink_advance(sink, merge_encode(to, p, from));
	return 0;
}

static int put_beginning(struct merge_work *w)
{
	const struct pcapng_section section = {
		.application = "swarmcap " SWARMCAP_VERSION, .comment = w->job->comment,
	};
	cleanup_buf struct buf b = BUF_INIT(2 * HEAD_MAX);	/* names: 30 MiB at most */
	int r = pcapng_put_section(&b, &section);

	if (r == 0)
		r = merge_names_put(w->names, &b);
	w->begun = true;
	return r ? r : sink_put(w->job->sink, b.data, b.len);
}

static int put_end(struct merge_work *w)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < w->n_interfaces; i++) {
		if (!w->stats[i].is_there)
			continue;
		r = pcapng_put_stats(&w->head, &w->stats[i].stats);
		if (w->head.len > SINK_RESERVE_MAX)
			r = flush_head(w);
	}
	return r ? r : flush_head(w);
}

/* ---- merging */

/* Each stream looks ahead for the first time: the names at its beginning, and its first packet. */
static int begin(struct merge_work *w, struct heap *h, struct err *err)
{
	const struct merge_job *job = w->job;

	for (size_t i = 0; i < job->n_names; i++)
		merge_names_add(w->names, job->names[i].address, job->names[i].name);
	for (size_t i = 0; i < job->n; i++) {
		struct merge_stream *s = &w->streams[i];
		const struct merge_packet *p;
		int r = merge_stream_peek(s, w, &p, err);

		if (r < 0)
			return r;
		if (!p)
			continue;
		h->v[h->n].stream = (uint32_t)i;
		leaf_set(&h->v[h->n++], s, p);
	}
	for (size_t i = h->n / 2; i-- > 0;)
		sift_down(h, i);
	return 0;
}

static void count(struct merge_result *out, int64_t ts_ns)
{
	if (out->packets == 0 || ts_ns < out->first_ns)
		out->first_ns = ts_ns;
	if (out->packets == 0 || ts_ns > out->last_ns)
		out->last_ns = ts_ns;
	out->packets++;
}

/* The first packet of all goes to the sink, and its stream to the place of its next one. */
static int step(struct merge_work *w, struct heap *h, struct merge_result *out, struct err *err)
{
	struct merge_stream *s = &w->streams[h->v[0].stream];
	const struct merge_packet *p = h->v[0].p;
	int r;

	fetch_ahead(h);
	if (w->head.len && flush_head(w) < 0)
		return sink_error(w->job->sink, err);
	if (put_packet(w->job->sink, p, h->v[0].from) < 0)
		return sink_error(w->job->sink, err);
	count(out, p->ts_ns);
	merge_stream_pop(s);

	r = merge_stream_peek(s, w, &p, err);
	if (r < 0)
		return r;
	if (p)
		leaf_set(&h->v[0], s, p);
	else
		h->v[0] = h->v[--h->n];
	if (h->n)
		sift_down(h, 0);
	return 0;
}

static bool is_cancelled(const struct merge_job *job, uint64_t packets)
{
	return packets % CANCEL_PACKETS == 0 && job->cancel && job->cancel(job->arg);
}

static int run(struct merge_work *w, struct heap *h, struct merge_result *out, struct err *err)
{
	int r = begin(w, h, err);

	if (r < 0)
		return r;
	if (put_beginning(w) < 0)
		return sink_error(w->job->sink, err);
	while (h->n) {
		if (is_cancelled(w->job, out->packets))
			return err_set(err, -ECANCELED, "interrupted while merging");
		r = step(w, h, out, err);
		if (r < 0)
			return r;
	}
	out->interfaces = w->n_interfaces;
	return put_end(w) < 0 ? sink_error(w->job->sink, err) : 0;
}

int merge_run(const struct merge_job *job, struct merge_result *out, struct err *err)
{
	struct merge_work w = { .job = job, .head = BUF_INIT(HEAD_MAX) };
	struct heap h = { xcalloc(job->n + 1, sizeof(*h.v)), 0 };
	int r;

	*out = (struct merge_result){ .n = job->n };
	out->reports = xcalloc(job->n + 1, sizeof(*out->reports));
	w.names = merge_names_new();
	w.known = json_object();
	w.streams = xcalloc(job->n + 1, sizeof(*w.streams));
	for (size_t i = 0; i < job->n; i++) {
		w.streams[i].report = &out->reports[i];
		merge_stream_open(&w.streams[i], &job->inputs[i],
				  job->n > MERGE_MANY ? READ_SIZE_MANY : READ_SIZE);
	}
	r = run(&w, &h, out, err);

	for (size_t i = 0; i < job->n; i++)
		merge_stream_close(&w.streams[i]);
	for (size_t i = 0; i < w.n_interfaces; i++)
		free(w.stats[i].comment);
	free(w.streams);
	free(w.stats);
	free(h.v);
	merge_names_free(w.names);
	json_decref(w.known);
	buf_release(&w.head);
	return r;
}

void merge_result_release(struct merge_result *r)
{
	for (size_t i = 0; i < r->n && r->reports; i++)
		free(r->reports[i].cut);
	free(r->reports);
	*r = (struct merge_result){ 0 };
}
