/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_run.c - swarmcap run SELECTOR... -- COMMAND...: captures while a command runs
 *
 *	begin	the plan, and every node armed			begin.h
 *	live	every capture answers: the command may start
 *	child	the command, which does not know of us		child.h
 *	settle	what comes late is captured too
 *	gather	one archive, unless only a failure wants it	gather.h
 *
 * stdout is the command's. The exit status is too, unless it succeeded and the capture did not.
 */
#include "begin.h"

#include "child.h"
#include "interrupt.h"
#include "summary.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define LIVE_NS (10 * NS_PER_S)

struct run {
	struct begin b;
	struct child child;
	int wake;			/* readable: a signal, or the command ended */
	FILE *events;			/* of --json=FILE */
	int64_t until_ns;		/* monotonic, of --duration; 0: none */
};

static void run_release(struct run *r)
{
	begin_release(&r->b);
	child_release(&r->child);
	util_close(r->wake);
	if (r->events)
		fclose(r->events);
}

/* ---- outputs ---- */

static enum exit_status open_events(struct run *r, struct err *err)
{
	const char *file = r->b.request->json_file;

	if (!file)
		return EXIT_OK;
	r->events = fopen(file, "we");
	if (!r->events) {
		err_errno(err, "cannot write '%s'", file);
		return EXIT_USAGE;
	}
	r->b.progress.events = r->events;
	return EXIT_OK;
}

/* A page that cannot be written is no reason to fail a job. */
static void summarize(struct run *r, const char *text)
{
	struct err err = ERR_INIT;

	if (r->b.request->summary && summary_append(r->b.request->summary, text, &err) < 0)
		progress_say(&r->b.progress, LOG_WARN, "%s", err.text);
}

static int fail(struct run *r, int status, const struct err *err)
{
	cleanup_free char *text = summary_without(err->text);

	summarize(r, text);
	progress_event(&r->b.progress, cmd_error_event(status, err));
	return cmd_fail(r->b.request, status, err);
}

/* ---- before the command ---- */

static enum exit_status refuse(struct run *r, struct err *err, const char *why)
{
	begin_take_back(&r->b);
	err_set(err, -EIO, "%s: '%s' is not started", why, r->b.request->child[0]);
	return EXIT_FAILED;
}

static void say_live(struct run *r, size_t live, size_t armed)
{
	struct begin *b = &r->b;

	if (live < armed)
		progress_say(&b->progress, LOG_WARN, "%zu of %zu nodes do not answer any more",
			     armed - live, armed);
	progress_event(&b->progress, json_pack("{s:s, s:s, s:I, s:I}", "event", "live", "id",
					       b->plan.id, "nodes", (json_int_t)live, "of",
					       (json_int_t)armed));
}

/* Every handle is open since arm; here each agent tells its counters once more. */
static enum exit_status prove_live(struct run *r, struct err *err)
{
	struct begin *b = &r->b;
	struct fleet_watch watch = {
		.wake_fd = b->signals, .tick = progress_tick, .arg = &b->progress,
	};
	struct fleet_counts counts;
	enum fleet_wake woken;
	size_t live;

	if (b->request->require_all && !begin_has_all(b))
		return refuse(r, err, "not everything can be captured");
	begin_window(b);
	live = fleet_wait_live(b->fleet, clock_mono_ns() + LIVE_NS, &watch, &woken);
	fleet_counts(b->fleet, &counts);
	if (woken == FLEET_WAKE_FD)
		return refuse(r, err, "interrupted before the command began");
	say_live(r, live, counts.nodes_armed);
	if (live == 0)
		return refuse(r, err, "no capture answers");
	if (live < counts.nodes_armed && b->request->require_all)
		return refuse(r, err, "not every capture answers");
	return EXIT_OK;
}

static int watch_fd(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e);
}

static enum exit_status open_wake(struct run *r, struct err *err)
{
	r->wake = epoll_create1(EPOLL_CLOEXEC);
	if (r->wake < 0 || watch_fd(r->wake, r->b.signals) < 0) {
		err_errno(err, "cannot wait for the command");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

/* ---- the command ---- */

static bool has_ended(const struct child *c)
{
	struct pollfd ended = { .fd = c->fd, .events = POLLIN };

	return poll(&ended, 1, 0) > 0;
}

static void pass_signals(struct run *r)
{
	bool from_terminal;
	int signal;

	while ((signal = interrupt_which(r->b.signals, &from_terminal)))
		if (!from_terminal)
			child_pass(&r->child, signal);
}

/* Until it ends, however long that is after the capture's own end. */
static void wait_for_child(struct run *r)
{
	struct fleet_watch watch = {
		.wake_fd = r->wake, .tick = progress_tick, .arg = &r->b.progress,
	};
	struct pollfd wake = { .fd = r->wake, .events = POLLIN };

	while (!has_ended(&r->child)) {
		if (r->b.stop_ns)
			poll(&wake, 1, -1);
		else if (fleet_run(r->b.fleet, r->until_ns, &watch) != FLEET_WAKE_FD)
			begin_stop(&r->b, "duration");
		pass_signals(r);
	}
	pass_signals(r);	/* what ended it may have come to us, too: it was not meant for us */
}

/* The terminal is the command's: no live line meanwhile. */
static int run_child(struct run *r, struct err *err)
{
	struct begin *b = &r->b;
	const struct request *q = b->request;
	bool terminal = b->progress.terminal;
	int rc;

	progress_say(&b->progress, LOG_DEBUG, "starting '%s'", q->child[0]);
	progress_end(&b->progress);
	b->progress.doing = "capturing";	/* of events */
	b->progress.terminal = false;
	if (q->duration_ms)
		r->until_ns = clock_mono_ns() + q->duration_ms * NS_PER_MS;
	rc = child_start(&r->child, q->child, q->before, err);
	if (rc == 0 && watch_fd(r->wake, r->child.fd) < 0)
		rc = err_errno(err, "cannot wait for '%s'", q->child[0]);
	if (rc < 0)
		return child_failed_status(rc);
	wait_for_child(r);
	rc = child_status(&r->child);
	b->progress.terminal = terminal;
	progress_event(&b->progress, json_pack("{s:s, s:s, s:i}", "event", "command", "id",
					       b->plan.id, "exit", rc));
	return rc;
}

static void settle(struct run *r)
{
	struct begin *b = &r->b;
	struct fleet_watch watch = {
		.wake_fd = b->signals, .tick = progress_tick, .arg = &b->progress,
	};
	int64_t ms = b->request->settle_ms;

	if (ms && !b->stop_ns &&
	    fleet_run(b->fleet, clock_mono_ns() + ms * NS_PER_MS, &watch) == FLEET_WAKE_FD)
		b->interrupted = interrupt_take(b->signals);
	begin_stop(b, "stopped");
}

/* ---- after it ---- */

static int end(struct run *r, int command)
{
	struct begin *b = &r->b;
	struct err err = ERR_INIT;
	enum exit_status status;

	if (command == 0 && b->request->only_on_failure) {
		fleet_remove(b->fleet, true);
		progress_say(&b->progress, LOG_INFO,
			     "the command succeeded: the captures are dropped");
		summarize(r, "### Packet capture\n\nNo archive: the command succeeded.\n\n");
		return 0;
	}
	status = begin_gather(b, &err);
	if (status == EXIT_FAILED)
		return fail(r, child_run_status(command, status), &err);
	if (b->summary)
		summarize(r, b->summary);
	return child_run_status(command, status);
}

int cmd_run(struct request *q)
{
	cleanup(run_release) struct run r = { .child = CHILD_INIT, .wake = -1 };
	struct err err = ERR_INIT;
	enum exit_status status;
	int command;

	begin_init(&r.b, q);
	if ((status = open_events(&r, &err)) || (status = begin_plan(&r.b, &err)))
		return fail(&r, status, &err);
	if (q->dry_run) {
		plan_print(stdout, &r.b.plan, false);
		return EXIT_OK;
	}
	if ((status = begin_arm(&r.b, &err)) || (status = open_wake(&r, &err)) ||
	    (status = prove_live(&r, &err)))
		return fail(&r, status, &err);
	command = run_child(&r, &err);
	if (err.code) {
		/* it never ran: there is nothing to be seen in the packets */
		begin_take_back(&r.b);
		return fail(&r, command, &err);
	}
	settle(&r);
	return end(&r, command);
}
