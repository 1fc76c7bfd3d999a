/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_rm.c - swarmcap rm ID: drops a capture from every node's spool
 */
#include "attach.h"

#include <errno.h>

/* One line per node that had it. */
static size_t say_removed(struct attach *a)
{
	size_t n, kept = 0;
	const struct fleet_node *nodes = fleet_nodes(a->fleet, &n);

	for (size_t i = 0; i < n; i++) {
		const struct fleet_node *node = &nodes[i];

		if (!node->has_report)
			continue;
		kept += !node->removed;
		progress_say(&a->progress, node->removed ? LOG_INFO : LOG_WARN, "%s: %s",
			     node->plan->name, node->removed ? "dropped" : node->err.text);
		progress_event(&a->progress,
			       json_pack("{s:s, s:o, s:b, s:o}", "event", "rm", "node",
					 jx_text(node->plan->name), "removed", (int)node->removed,
					 "error", jx_text(node->removed ? NULL : node->err.text)));
	}
	return kept;
}

int cmd_rm(struct request *r)
{
	cleanup(attach_release) struct attach a;
	struct err err = ERR_INIT;
	enum exit_status status = attach_open(&a, r, &err);
	size_t kept, unreached;

	if (status != EXIT_OK)
		return cmd_fail(r, status, &err);
	fleet_remove(a.fleet, true);
	kept = say_removed(&a);
	unreached = attach_unreached(&a);
	if (unreached > kept)
		progress_say(&a.progress, LOG_WARN,
			     "%zu nodes did not answer: what they may hold of it stays there",
			     unreached - kept);
	return kept || unreached ? EXIT_PARTIAL : EXIT_OK;
}
