/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.h - a capture that exists already, looked for on every node
 *
 * The start of `fetch`, `stop` and `rm`.
 */
#ifndef ATTACH_H
#define ATTACH_H

#include "cmd.h"
#include "fleet.h"
#include "progress.h"

struct attach {
	struct request *request;	/* selectors[0] is the id */
	struct reach *reach;
	struct cluster cluster;
	struct creds creds;
	bool has_creds;
	struct plan everyone;		/* each node that is not down, without targets */
	struct fleet *fleet;		/* of everyone */
	struct progress progress;
	int signals;
};

/*
 * EXIT_OK: every node was asked, and at least one has the capture. EXIT_FAILED with err: none
 * has it, or nobody could be asked.
 */
enum exit_status attach_open(struct attach *a, struct request *r, struct err *err);
/* Asks all nodes once more after ms, unless ^C comes first (EXIT_FAILED). */
enum exit_status attach_again(struct attach *a, int ms, struct err *err);
/* How a plan's nodes are asked for what they hold. */
void attach_routes(struct attach *a, struct plan *p);
struct fleet_job attach_job(struct attach *a, const struct plan *p);
void attach_release(struct attach *a);
/* Nodes that did not answer, down ones included. */
size_t attach_unreached(struct attach *a);

#endif
