/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.c - many capture files become one, in order of corrected time
 *
 * The input whose next packet is the earliest (merge_order.c) gives it to the batch that is written
 * next (merge_out.c), and looks ahead in its file when its window is half used up (merge_stream.c).
 */
#include "merge_parts.h"

#include <errno.h>

#include "version.h"

#define HEAD_MAX (32u << 20)		/* of blocks that are not packets, at once */
#define READ_SIZE (32u << 10)
#define READ_SIZE_MANY (8u << 10)
#define CANCEL_PACKETS 4096u

/* ---- what is not packets */

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
		if (r == 0 && w->head.len > SINK_RESERVE_MAX)
			r = merge_flush(w);
	}
	return r ? r : merge_flush(w);
}

/* ---- merging */

/* Each stream looks ahead for the first time: the names at its beginning, and its first packet. */
static int begin(struct merge_work *w, int64_t *times, struct err *err)
{
	const struct merge_job *job = w->job;

	for (size_t i = 0; i < job->n_names; i++)
		merge_names_add(w->names, job->names[i].address, job->names[i].name);
	for (size_t i = 0; i < job->n; i++) {
		const struct merge_packet *p;
		int r = merge_stream_fill(&w->streams[i], w, err);

		if (r < 0)
			return r;
		p = merge_stream_next(&w->streams[i]);
		times[i] = p ? p->ts_ns : MERGE_ENDED;
	}
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

/* The first packet of all goes to the batch, and its stream to the place of its next one. */
static int step(struct merge_work *w, struct merge_stream *s, int64_t *ts_ns, struct err *err)
{
	const struct merge_packet *p = merge_stream_next(s);
	int r;

	merge_put(w, p);
	merge_stream_pop(s);
	if (merge_stream_wants(s)) {
		r = merge_stream_fill(s, w, err);
		if (r < 0)
			return r;
	}
	p = merge_stream_next(s);
	*ts_ns = p ? p->ts_ns : MERGE_ENDED;
	if (merge_is_due(w) && merge_flush(w) < 0)
		return sink_error(w->job->sink, err);
	return 0;
}

static bool is_cancelled(const struct merge_job *job, uint64_t packets)
{
	return packets % CANCEL_PACKETS == 0 && job->cancel && job->cancel(job->arg);
}

static int put_packets(struct merge_work *w, struct merge_order *order, struct merge_result *out,
		       struct err *err)
{
	int64_t ts_ns;

	for (;;) {
		struct merge_stream *s = &w->streams[merge_order_first(order, &ts_ns)];
		int r;

		if (ts_ns == MERGE_ENDED)
			return 0;
		if (is_cancelled(w->job, out->packets))
			return err_set(err, -ECANCELED, "interrupted while merging");
		count(out, ts_ns);
		r = step(w, s, &ts_ns, err);
		if (r < 0)
			return r;
		merge_order_change(order, ts_ns);
	}
}

static int run(struct merge_work *w, struct merge_result *out, struct err *err)
{
	cleanup_free int64_t *times = xcalloc(w->job->n + 1, sizeof(*times));
	struct merge_order *order;
	int r = begin(w, times, err);

	if (r < 0)
		return r;
	if (put_beginning(w) < 0)
		return sink_error(w->job->sink, err);
	if (w->job->n) {
		order = merge_order_new(times, w->job->n);
		r = put_packets(w, order, out, err);
		merge_order_free(order);
	}
	if (r < 0)
		return r;
	out->interfaces = w->n_interfaces;
	return put_end(w) < 0 ? sink_error(w->job->sink, err) : 0;
}

static void open_streams(struct merge_work *w, struct merge_result *out)
{
	const struct merge_job *job = w->job;
	bool is_many = job->n > MERGE_MANY;

	w->window_packets = is_many ? MERGE_MANY_WINDOW_PACKETS : MERGE_WINDOW_PACKETS;
	w->window_bytes = is_many ? MERGE_MANY_WINDOW_BYTES : MERGE_WINDOW_BYTES;
	w->memory = capfile_memory_new(is_many ? READ_SIZE_MANY : READ_SIZE, job->n);
	w->streams = xcalloc(job->n + 1, sizeof(*w->streams));
	for (size_t i = 0; i < job->n; i++)
		merge_stream_open(&w->streams[i], w, &job->inputs[i], &out->reports[i]);
}

int merge_run(const struct merge_job *job, struct merge_result *out, struct err *err)
{
	struct merge_work w = { .job = job, .head = BUF_INIT(HEAD_MAX) };
	int r;

	*out = (struct merge_result){ .n = job->n };
	out->reports = xcalloc(job->n + 1, sizeof(*out->reports));
	w.names = merge_names_new();
	w.known = json_object();
	open_streams(&w, out);
	r = run(&w, out, err);

	for (size_t i = 0; i < job->n; i++)
		merge_stream_close(&w.streams[i]);
	for (size_t i = 0; i < w.n_interfaces; i++)
		free(w.stats[i].comment);
	free(w.streams);
	free(w.stats);
	capfile_memory_free(w.memory);
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
