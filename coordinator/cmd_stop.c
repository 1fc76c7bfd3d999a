/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_stop.c - swarmcap stop ID: ends a capture on every node; what it captured stays there
 */
#include "attach.h"

#include <errno.h>

static bool runs(const struct fleet_node *n)
{
	return n->has_report && n->report.running;
}

/* One line per node that has it; how many of them may still run. */
static size_t say_stopped(struct attach *a)
{
	size_t n, still = 0;
	const struct fleet_node *nodes = fleet_nodes(a->fleet, &n);

	for (size_t i = 0; i < n; i++) {
		const struct fleet_node *node = &nodes[i];
		bool on = runs(node);

		if (!node->has_report)
			continue;
		still += on;
		progress_say(&a->progress, on ? LOG_WARN : LOG_INFO, "%s: %s%s", node->plan->name,
			     on ? "not stopped: " : "stopped", on ? node->err.text : "");
		progress_event(&a->progress,
			       json_pack("{s:s, s:o, s:b, s:o}", "event", "stop", "node",
					 jx_text(node->plan->name), "stopped", !on,
					 "error", jx_text(on ? node->err.text : NULL)));
	}
	return still;
}

int cmd_stop(struct request *r)
{
	cleanup(attach_release) struct attach a;
	struct fleet_watch watch = { .wake_fd = -1 };
	struct err err = ERR_INIT;
	enum exit_status status = attach_open(&a, r, &err);
	size_t still, unreached;

	if (status != EXIT_OK)
		return cmd_fail(r, status, &err);
	/* counted before: a node that is lost while it stops is told by its line */
	unreached = attach_unreached(&a);
	fleet_stop(a.fleet, "stopped", clock_wall_ns());
	fleet_gather(a.fleet, -1, &watch);
	still = say_stopped(&a);
	if (unreached)
		progress_say(&a.progress, LOG_WARN,
			     "%zu nodes did not answer: what they may capture of it goes on",
			     unreached);
	return still || unreached ? EXIT_PARTIAL : EXIT_OK;
}
