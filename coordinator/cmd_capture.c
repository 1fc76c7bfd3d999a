/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_capture.c - swarmcap capture SELECTOR...: captures until a limit or ^C, then one archive
 *
 *	begin	the plan, and every node armed		begin.h
 *	run	the window
 *	gather	files, manifest, archive		gather.h
 */
#include "begin.h"

#include "interrupt.h"

/* Until the duration is over, every target ended, or ^C. */
static void run(struct begin *b)
{
	struct fleet_watch watch = {
		.wake_fd = b->signals, .tick = progress_tick, .arg = &b->progress,
	};
	int64_t ms = b->request->duration_ms;

	begin_window(b);
	if (!b->interrupted &&
	    fleet_run(b->fleet, ms ? clock_mono_ns() + ms * NS_PER_MS : 0, &watch) == FLEET_WAKE_FD)
		b->interrupted = interrupt_take(b->signals);
	begin_stop(b, b->interrupted ? "stopped" : "duration");
}

int cmd_capture(struct request *r)
{
	cleanup(begin_release) struct begin b;
	struct err err = ERR_INIT;
	enum exit_status status;

	begin_init(&b, r);
	if ((status = begin_plan(&b, &err)))
		return cmd_fail(r, status, &err);
	if (r->dry_run) {
		plan_print(stdout, &b.plan, r->json);
		return EXIT_OK;
	}
	if ((status = begin_arm(&b, &err)))
		return cmd_fail(r, status, &err);
	run(&b);
	status = begin_gather(&b, &err);
	return status == EXIT_FAILED ? cmd_fail(r, status, &err) : (int)status;
}
