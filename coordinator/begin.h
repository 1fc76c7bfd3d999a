/* SPDX-License-Identifier: Apache-2.0
 *
 * begin.h - from a request to armed nodes: the way that `capture`, `run` and `start` share
 *
 *	request			from argv				request.h
 *	filter			compiles here, names become numbers	filter.h
 *	cluster			what exists, asked from the manager	engine.h, cluster.h
 *	plan			who does what; --dry-run ends here	plan.h
 *	bundle			the output can be written		bundle.h
 *	fleet			every node arms				fleet.h, link.h
 *	window			open; what then happens is the command's
 *
 * Everything that can be refused is refused before a node is contacted, and nothing under
 * the archive's name exists before it is whole. gather.h is the end of `capture` and `run`.
 */
#ifndef BEGIN_H
#define BEGIN_H

#include "gather.h"

struct begin {
	struct request *request;
	struct reach *reach;
	struct cluster cluster;
	struct plan plan;
	struct bundle *bundle;		/* NULL: a detached capture has no output yet */
	struct creds creds;
	bool has_creds;
	struct fleet *fleet;
	struct progress progress;
	int signals;			/* of interrupt_open */
	bool interrupted;		/* by one ^C */
	const struct fleet_streams *stream;	/* of a live capture, set by who begins; else NULL */
	int64_t start_ns, stop_ns;	/* of the window; 0: not yet */
	char *summary;			/* of begin_gather, where the request wants one */
};

/* To be released whatever follows. */
void begin_init(struct begin *b, struct request *r);
/* As far as the plan; contacts no node. Each returns EXIT_OK, or err has why not. */
enum exit_status begin_plan(struct begin *b, struct err *err);
/* The output is there, the signals are ours; every node is armed or given up, and one is armed. */
enum exit_status begin_arm(struct begin *b, struct err *err);
/* Is everything that was asked for captured? */
bool begin_has_all(struct begin *b);
void begin_window(struct begin *b);
/* The window ends, by "duration" or "stopped". Only the first call counts. */
void begin_stop(struct begin *b, const char *reason);
/* Nothing shall be captured, after all: nodes end and drop what they have of it. */
void begin_take_back(struct begin *b);
/* Everything into one archive: EXIT_OK or EXIT_PARTIAL; EXIT_FAILED with err. */
enum exit_status begin_gather(struct begin *b, struct err *err);
void begin_release(struct begin *b);

#endif
