/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_start.c - swarmcap start SELECTOR...: a capture that goes on by itself
 *
 * It begins as every capture does, with a lease; once all is armed the agents are told the
 * window, and from then on it has a deadline only. So a coordinator that dies on the way leaves
 * nothing behind that runs for longer than a minute. Only an agent of `deploy` outlives us:
 * there is no other route.
 */
#include "begin.h"

#include "route.h"

#include <errno.h>
#include <string.h>

static enum exit_status only_agents(struct request *r, struct err *err)
{
	if (r->route && route_parse(r->route) != ROUTE_AGENT) {
		err_set(err, -EINVAL, "start: by the route %s nothing is captured once we are "
			"gone; it takes the agents of 'swarmcap deploy'", r->route);
		return EXIT_USAGE;
	}
	r->route = route_text(ROUTE_AGENT);
	return EXIT_OK;
}

/* The agents go on alone; what was lost meanwhile was told. */
static enum exit_status leave(struct begin *b, struct err *err)
{
	struct fleet_watch watch = {
		.wake_fd = b->signals, .tick = progress_tick, .arg = &b->progress,
	};
	struct fleet_counts counts;

	begin_window(b);
	b->progress.doing = NULL;	/* there is nothing to watch */
	if (fleet_wait_left(b->fleet, &watch) == FLEET_WAKE_FD) {
		begin_take_back(b);
		err_set(err, -EINTR, "interrupted: the capture was dropped");
		return EXIT_FAILED;
	}
	fleet_counts(b->fleet, &counts);
	if (counts.nodes_done == 0) {
		err_set(err, -EIO, "no node goes on capturing");
		return EXIT_FAILED;
	}
	return counts.nodes_lost || !begin_has_all(b) ? EXIT_PARTIAL : EXIT_OK;
}

int cmd_start(struct request *r)
{
	cleanup(begin_release) struct begin b;
	struct err err = ERR_INIT;
	enum exit_status status;

	r->detached = true;
	begin_init(&b, r);
	if ((status = only_agents(r, &err)) || (status = begin_plan(&b, &err)))
		return cmd_fail(r, status, &err);
	if (r->dry_run) {
		plan_print(stdout, &b.plan, r->json);
		return EXIT_OK;
	}
	if ((status = begin_arm(&b, &err)))
		return cmd_fail(r, status, &err);
	status = leave(&b, &err);
	if (status == EXIT_FAILED)
		return cmd_fail(r, status, &err);
	progress_event(&b.progress, json_pack("{s:s, s:s, s:i}", "event", "started", "id",
					      b.plan.id, "exit", (int)status));
	if (!r->json)
		puts(b.plan.id);
	return status;
}
