/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_lend.c - many packets of one file, without being copied, where none of them can be the last
 *
 * A file's first packets are copied: with them it becomes known where it ends.
 */
#include "fileset_parts.h"

/* Of the first of them, being written; or NULL. Whether all others are of that one, too, segment_lend sees. */
static struct fileset_group *group_of(struct fileset *f, const struct segment_lent *l)
{
	struct fileset_group *g = NULL;

	if (l->n_counts > f->n)
		return NULL;
	for (size_t i = 0; !g && i < l->n_counts; i++)
		if (l->counts[i])
			g = &f->groups[f->where[i].group];
	return g && g->segment && segment_packets(g->segment) ? g : NULL;
}

bool fileset_lend(struct fileset *f, struct segment_lent *l)
{
	const int64_t max = f->plan.arm->max_packets;
	struct fileset_group *g = group_of(f, l);
	const uint32_t packets = l->packets;	/* what was taken may be done with at once, and is gone then */
	struct segment_run run;

	if (!g || (max && f->packets + packets >= max))
		return false;
	run = fileset_run(f, g);
	if (!segment_lend(g->segment, &run, l))
		return false;
	f->packets += packets;
	return true;
}
