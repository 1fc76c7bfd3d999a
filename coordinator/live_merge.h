/* SPDX-License-Identifier: Apache-2.0
 *
 * live_merge.h - many streams become one while they come, in order of corrected time
 *
 *	m = live_merge_new(delay_ns, comment)
 *	in = live_merge_add(m, "node1", source)		at any time
 *	live_merge_read(in)				what its source has by now
 *	live_merge_take(m, now_ns, out)			what is due: older than the delay
 *	live_merge_end(m, out)				the rest, and statistics
 *
 * Output as of merge.h: one section, interfaces as they come, packets by corrected time, statistics last.
 * A packet waits until it is `delay` old by our clock, since a stream may bring an older one until then.
 * One that comes later still stands behind later ones, and is counted. Packets that wait take
 * LIVE_MERGE_BYTES at most: with more of them the oldest go before their time.
 *
 * Pure but for the sources; one thread.
 */
#ifndef LIVE_MERGE_H
#define LIVE_MERGE_H

#include "buf.h"
#include "capfile.h"
#include "merge.h"

#define LIVE_MERGE_BYTES (64u << 20)
#define LIVE_MERGE_READ (1u << 20)	/* of one source at once, that others get their turn */
#define LIVE_MERGE_OUT (64u << 20)	/* ceiling of a buffer for live_merge_take */

struct live_merge;
struct live_input;

struct live_merge *live_merge_new(int64_t delay_ns, const char *comment);
void live_merge_free(struct live_merge *m);

/*
 * name: for sentences. The source's read answers -EAGAIN when it has nothing now. Lives as long as
 * m.
 */
struct live_input *live_merge_add(struct live_merge *m, const char *name,
				  const struct capfile_source *from);
/* Of packets that come from now on. */
void live_merge_set_clock(struct live_input *in, const struct merge_clock *c);

#define LIVE_E_OVER 1		/* no more comes of it */
#define LIVE_E_MORE 2		/* there is more at once */
/* 0: there is nothing more now; or -errno: it is damaged, and over. */
int live_merge_read(struct live_input *in, struct err *err);
bool live_merge_is_over(const struct live_input *in);

/* Appends. now_ns: our wall clock. */
void live_merge_take(struct live_merge *m, int64_t now_ns, struct buf *out);
/* When live_merge_take has the next packet; INT64_MAX: none waits. */
int64_t live_merge_due(const struct live_merge *m);
void live_merge_end(struct live_merge *m, struct buf *out);

struct live_merge_counts {
	uint64_t packets, late;
	uint32_t interfaces;
};
void live_merge_count(const struct live_merge *m, struct live_merge_counts *out);

#endif
