/* SPDX-License-Identifier: Apache-2.0
 *
 * listing.h - what `ls` shows: tasks, nodes and overlays, as tables or as JSON; pure
 */
#ifndef LISTING_H
#define LISTING_H

#include "agents.h"
#include "cluster.h"
#include "plan.h"
#include "resolve.h"

struct listing {
	const struct cluster *cluster;
	const struct plan *routes;	/* plan_all_nodes after reach_plan */
	const struct resolved *what;
	const bool *nodes;		/* --node: per node */
	bool all;			/* no selector: every node and overlay too */
	const struct agents *agents;	/* who were asked for interfaces; NULL: nobody */
};

/* columns: of the terminal, 0: as wide as it takes. */
void listing_print(FILE *to, const struct listing *l, size_t columns);
/*
 * One object per line; "kind" says of what: service (that has no task), task, container, node, network,
 * interface.
 */
void listing_print_json(FILE *to, const struct listing *l);
/* listing_interfaces.c: an array of them. New reference. */
json_t *listing_interfaces(const struct listing *l);

#endif
