/* SPDX-License-Identifier: Apache-2.0
 *
 * sources_say.c - what a reader of a merged file should know of its clocks and its inputs
 */
#include "sources.h"

#include "buf.h"

#include <inttypes.h>

#define COMMENT_MAX 60000	/* an option has 65535 bytes */
#define DRIFT_SHOWN 1e-9
#define NAMED_MAX 5

static double ms(int64_t ns)
{
	return (double)ns / NS_PER_MS;
}

static void add_clock(struct buf *b, const struct source_clock *c)
{
	if (c->is_told)
		buf_addf(b, "; %s: clock %+.6f ms, as told", c->who, ms(c->offset_ns));
	else
		buf_addf(b, "; %s: clock %+.6f ms, known to %.6f ms", c->who, ms(c->offset_ns),
			 ms(c->error_ns));
	if (c->drift > DRIFT_SHOWN || c->drift < -DRIFT_SHOWN)
		buf_addf(b, ", gains %+.3f us/s", c->drift * 1e6);
}

/* "edge1, edge2 and 7 others"; NULL: all clocks are known. */
static char *unknown_clocks(const struct sources *s)
{
	struct buf b = BUF_INIT(COMMENT_MAX);
	size_t n = 0;

	for (size_t i = 0; i < s->n_clocks; i++)
		if (!s->clocks[i].is_known && n++ < NAMED_MAX)
			buf_addf(&b, "%s%s", b.len ? ", " : "", s->clocks[i].who);
	if (n > NAMED_MAX)
		buf_addf(&b, " and %zu others", n - NAMED_MAX);
	return n ? buf_take(&b) : NULL;
}

char *sources_comment(const struct sources *s)
{
	cleanup_free char *unknown = unknown_clocks(s);
	struct buf b = BUF_INIT(COMMENT_MAX);

	buf_addf(&b, "%zu files merged, %s", s->n, s->no_clock_correction
			? "timestamps as the nodes' clocks made them"
			: "timestamps corrected by the nodes' clock offsets");
	if (unknown)
		buf_addf(&b, "; clock not compared: %s", unknown);
	for (size_t i = 0; i < s->n_clocks; i++)
		if (s->clocks[i].is_known)
			add_clock(&b, &s->clocks[i]);
	return buf_take(&b);
}

/* The two whose clocks are known least. */
static void find_worst(const struct sources *s, const struct source_clock *worst[2])
{
	worst[0] = worst[1] = NULL;
	for (size_t i = 0; i < s->n_clocks; i++) {
		const struct source_clock *c = &s->clocks[i];

		if (!c->is_known || c->is_told)
			continue;
		if (!worst[0] || c->error_ns > worst[0]->error_ns) {
			worst[1] = worst[0];
			worst[0] = c;
		} else if (!worst[1] || c->error_ns > worst[1]->error_ns) {
			worst[1] = c;
		}
	}
}

static void note_order(const struct sources *s, sources_note *note, void *arg)
{
	const struct source_clock *worst[2];
	cleanup_free char *text = NULL;

	find_worst(s, worst);
	if (!worst[1])
		return;
	text = xasprintf("the order of packets of two nodes is uncertain where they are less than "
			 "%.3f ms apart: the clock of %s is known to %.3f ms, that of %s to %.3f ms",
			 ms(worst[0]->error_ns + worst[1]->error_ns), worst[0]->who,
			 ms(worst[0]->error_ns), worst[1]->who, ms(worst[1]->error_ns));
	note(arg, text);
}

static void note_unknown(const struct sources *s, sources_note *note, void *arg)
{
	cleanup_free char *unknown = unknown_clocks(s), *text = NULL;

	if (!unknown || s->n_clocks < 2)
		return;
	text = xasprintf("not compared: the clock of %s; its packets stand by its own time",
			 unknown);
	note(arg, text);
}

size_t sources_notes(const struct sources *s, const struct merge_result *r, sources_note *note,
		     void *arg)
{
	size_t cut = 0;

	if (s->no_clock_correction)
		note(arg, "clocks were not corrected: packets stand by their nodes' own time");
	else
		note_order(s, note, arg);
	note_unknown(s, note, arg);
	for (size_t i = 0; i < r->n; i++) {
		const struct merge_report *report = &r->reports[i];
		cleanup_free char *text = NULL;

		cut += report->cut != NULL;
		if (report->cut)
			text = xasprintf("'%s': %s; its %" PRIu64 " packets before that are merged",
					 s->inputs[i].path, report->cut, report->packets);
		if (report->cut)
			note(arg, text);
		if (!report->late)
			continue;
		free(take_ptr(&text));
		text = xasprintf("'%s': %" PRIu64 " packets stand later in it than the window of %u "
				 "packets puts right: they are in the merged file behind later ones",
				 s->inputs[i].path, report->late, MERGE_WINDOW_PACKETS);
		note(arg, text);
	}
	return cut;
}
