/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_own.h - what this run itself sends through a host's network is left out of its capture
 */
#ifndef REACH_OWN_H
#define REACH_OWN_H

#include "reach.h"

struct reach_own {
	const struct plan *plan;
	const struct plan_node *node;	/* of the plan: who is asked to capture */
	enum route route;		/* by which */
	const struct cluster *cluster;
};

/* Adds it to the filters of a's targets that are hosts. Asks the ssh session to the node, if there is one. */
void reach_leave_out(struct reach *x, const struct reach_own *o, struct wire_arm *a);
/* A filter for the connection that $SSH_CONNECTION tells of; NULL: it tells none. Pure. Free it. */
char *reach_own_connection(const char *text);

#endif
