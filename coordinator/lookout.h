/* SPDX-License-Identifier: Apache-2.0
 *
 * lookout.h - what the manager says beside what the nodes report, while a capture follows; pure
 *
 * Two questions: may anything still come, or has the capture ended by itself? And do tasks run that
 * no node has told of?
 */
#ifndef LOOKOUT_H
#define LOOKOUT_H

#include "fleet.h"

#define LOOKOUT_PATIENCE_NS (10 * NS_PER_S)	/* a task that runs for so long should have joined */
#define LOOKOUT_STRANGERS_MAX 4096

struct lookout;

struct lookout_view {
	const struct cluster *cluster;		/* of now: the followed services, their tasks, nodes */
	const bool *only;			/* per node: one may join there; NULL: anywhere */
	const struct plan *plan;
	const struct fleet_node *nodes;
	size_t n_nodes;
	int64_t now_ns, wall_ns;		/* monotonic; wall clock */
};

struct lookout *lookout_new(void);
void lookout_free(struct lookout *l);
/* True: nothing is being captured, and no slot waits for its next task. */
bool lookout_take(struct lookout *l, const struct lookout_view *v);
/* Tasks that ran for a while without being captured: one entry each. */
void lookout_missing(const struct lookout *l, struct missing_list *out);

#endif
