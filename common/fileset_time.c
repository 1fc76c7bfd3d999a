/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_time.c - rotation by time
 *
 * From the first file's begin on, time is divided evenly, and a file holds an interval's packets: by
 * their timestamps, because a ring hands packets over up to two retire intervals late. So a
 * file ends with the first packet of a later interval, or by the timer, when nothing of its own
 * can come any more. The timer's clock is monotonic: a node's clock that is set back makes files
 * longer by LATE_NS, and not by an hour.
 */
#include "fileset_parts.h"

#define LATE_NS (2 * NS_PER_S)	/* twice the agent's retire interval (sniff.h) */

void fileset_set_interval(struct fileset *f, struct fileset_group *g, int64_t ts_ns)
{
	int64_t age = f->plan.arm->rotate_ms * NS_PER_MS, left, n;

	g->until_ns = INT64_MAX;
	if (!age)
		return;
	f->base_ns = f->base_ns ? f->base_ns : ts_ns;
	n = (ts_ns - f->base_ns) / age;
	if (ts_ns < f->base_ns)
		n--;
	g->until_ns = f->base_ns + (n + 1) * age;
	left = g->until_ns - clock_wall_ns();
	left = left < 0 ? 0 : left < age ? left : age;
	g->latest_ns = clock_mono_ns() + left + LATE_NS;
}

void fileset_end_interval(struct fileset *f, struct fileset_group *g, int64_t now_ns)
{
	if (g->until_ns != INT64_MAX && now_ns >= g->latest_ns && segment_packets(g->segment) &&
	    fileset_may_rotate(f, g))
		fileset_rotate(f, g);
}
