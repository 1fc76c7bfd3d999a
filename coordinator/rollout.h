/* SPDX-License-Identifier: Apache-2.0
 *
 * rollout.h - waits until the agents of one service answer, with a line for each node
 */
#ifndef ROLLOUT_H
#define ROLLOUT_H

#include "cluster.h"
#include "creds.h"
#include "engine.h"
#include "reach.h"

/* What is waited for; everything is borrowed. */
struct rollout {
	struct reach *reach;
	struct engine *engine;
	const struct cluster *cluster;
	const struct creds *creds;
	const char *service_id, *digest;	/* only tasks of this specification count */
	int64_t force_update;
	uint16_t port;
};

struct rollout_result {
	size_t wanted, answering;	/* nodes */
	size_t other_version;		/* of those that answer */
};

/*
 * Ends when all answer, when those that do not have failed again and again, or after a minute.
 * Says on stderr what became of each node, those without an agent and why included.
 */
int rollout_wait(const struct rollout *ro, struct rollout_result *out, struct err *err);

#endif
