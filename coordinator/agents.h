/* SPDX-License-Identifier: Apache-2.0
 *
 * agents.h - every agent asked how it is, side by side
 *
 * For the commands that care for the agents themselves: deploy, undeploy, doctor; and for status,
 * which asks for all that they hold.
 *
 *	struct agents a = AGENTS_INIT;
 *	agents_init(&a, &cluster);	one entry per node, in the cluster's order
 *	agents_ask(&a, &how);		those with .ask set; threads, joined before it returns
 *	agents_release(&a);
 *
 * The cluster is borrowed for the whole life.
 */
#ifndef AGENTS_H
#define AGENTS_H

#include "cluster.h"
#include "creds.h"
#include "link.h"
#include "reach.h"

struct agent {
	const struct cluster_node *node;
	bool ask;			/* set by the caller before agents_ask */
	bool answers;			/* the right one, with info filled */
	struct wire_info info;
	struct link_clock clock;	/* probes 0: not asked for */
	char *busy;			/* captures that run or lie unfetched; NULL: none */
	struct wire_report *reports;	/* without contexts */
	size_t n_reports;
	json_t *targets;		/* link_targets; NULL: not asked for */
	struct err err;			/* why it does not answer */
};

struct agents {
	struct agent *items;
	size_t n;
};

#define AGENTS_INIT { NULL, 0 }
#define cleanup_agents cleanup(agents_release)

struct agents_how {
	struct reach *reach;		/* NULL: direct */
	const struct creds *creds;
	uint16_t port;
	int clock_probes;		/* 0: the clock is not asked for */
	bool targets;			/* fill targets */
	bool list;			/* fill busy and reports */
};

void agents_init(struct agents *a, const struct cluster *c);
void agents_ask(struct agents *a, const struct agents_how *how);
void agents_release(struct agents *a);

/* Why Swarm schedules no agent on this node: "down", "drained", "paused", ...; NULL: it does. */
const char *agents_absence(const struct cluster_node *n);
/*
 * Asks all agents for captures that a restart would end or that nobody fetched. 0, or -EBUSY
 * with err naming nodes and ids. A node that does not answer has nothing to say in this, unless
 * all that should run an agent have to: then -EHOSTUNREACH, with err naming those that do not.
 */
int agents_check_idle(const struct cluster *c, const struct agents_how *how, bool all,
		      struct err *err);

#endif
