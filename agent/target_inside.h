/* SPDX-License-Identifier: Apache-2.0
 *
 * target_inside.h - what target.c and target_run.c share; nobody else looks inside
 */
#ifndef TARGET_INSIDE_H
#define TARGET_INSIDE_H

#include "fileset.h"
#include "netns.h"
#include "sniff.h"
#include "target.h"

struct target {
	struct target_env env;
	size_t number;
	const struct wire_wanted *wanted;
	struct wire_target *seen;
	char *netns_file;		/* NULL: the agent's own namespace */
	struct netns_id netns;
	struct program *own_program;	/* the host's: its filter leaves the API's traffic out */
	char *filter;			/* the program's text; NULL: everything */
	const struct program *program;
	size_t ring_bytes;
	struct sniff *sniff;
	struct fileset *files;
	/* under the lock */
	struct pump_item *item;		/* NULL: not watched, or not any more */
	bool live;			/* from target_start until it has ended */
	bool ending;			/* its end is under way: who asks for one comes too late */
	bool settled;			/* no packet is under way to the halted ring */
	unsigned jobs;			/* of the crew, on its behalf */
	size_t removed;			/* files that a ring of files let go */
	enum wire_end wanted_end;	/* asked for by others */
	int64_t wanted_stop_ns;
	char *wanted_error;
	/* the pump's; then the one's who finishes */
	size_t declared;		/* interfaces that the files know */
	bool stirred;			/* its ring was looked at since the last tick */
	bool draining;
	int64_t drain_ns;		/* monotonic: when draining is given up */
	enum wire_end end;
	int64_t stop_ns, dropped_agent;
	int sink_result;
	struct err err;			/* of the sink, or of what else ended it */
	int64_t told_packets, told_bytes, told_kernel, told_agent;	/* to the metrics */
};

void target_note(struct target *t, const char *text);

/* ---- target_run.c ---- */

/* The interfaces of the sniff that the files do not know yet. As fileset_declare. */
int target_declare(struct target *t, struct err *err);
void target_on_event(void *arg, enum pump_event event, int64_t now_ns);
/* It ends; by the pump, or by whoever could not give it to the pump. */
void target_end(struct target *t, enum wire_end end);

#endif
