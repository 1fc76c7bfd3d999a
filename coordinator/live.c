/* SPDX-License-Identifier: Apache-2.0
 *
 * live.c - packets of all targets in one pcapng stream, while they come
 *
 * The main thread: it owns signals and stderr. At the end it waits while the viewer takes what comes. When that has
 * stood still for GRACE_NS, streams that do not end (a node that is cut off) are waited for no longer; after as long
 * once more the viewer is not, either.
 */
#include "live.h"

#include "begin.h"
#include "interrupt.h"
#include "live_parts.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GRACE_NS (3 * NS_PER_S)
#define LOOK_MS 100
#define TELL_NS (10 * NS_PER_S)		/* between two words on drops */

struct live {
	struct begin b;
	struct live_view *view;
	struct live_view_end end;
	int wake;			/* epoll: signals, and the writer's end */
	bool viewer_gone, broken_off;
	int64_t told_ns, told_drops;
};

static char *why_dropped(const struct fleet_counts *c)
{
	if (!c->dropped_agent)
		return xstrdup("by the kernel");
	if (!c->dropped_kernel)
		return xstrdup("because the viewer is too slow");
	return xasprintf("%lld by the kernel, %lld because the viewer is too slow",
			 (long long)c->dropped_kernel, (long long)c->dropped_agent);
}

static void tell_drops(struct live *l)
{
	const int64_t now = clock_mono_ns();
	cleanup_free char *why = NULL;
	struct fleet_counts c;

	fleet_counts(l->b.fleet, &c);
	if (c.dropped <= l->told_drops || (l->told_ns && now - l->told_ns < TELL_NS))
		return;
	why = why_dropped(&c);
	progress_say(&l->b.progress, LOG_WARN, "%lld packets dropped so far (%s)",
		     (long long)c.dropped, why);
	l->told_drops = c.dropped;
	l->told_ns = now;
}

static void tick(void *arg)
{
	struct live *l = arg;

	progress_tick(&l->b.progress);
	live_view_set_clocks(l->view, l->b.fleet);
	tell_drops(l);
}

/* ---- waiting ---- */

static int watch(struct live *l, int fd, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(l->wake, EPOLL_CTL_ADD, fd, &e))
		return err_errno(err, "cannot wait for signals");
	return 0;
}

static int open_wake(struct live *l, struct err *err)
{
	int r;

	l->wake = epoll_create1(EPOLL_CLOEXEC);
	if (l->wake < 0)
		return err_errno(err, "cannot wait for signals");
	r = watch(l, l->b.signals, err);
	return r ? r : watch(l, live_view_ended_fd(l->view), err);
}

/* What woke us: true for a ^C. The writer's end is told once. */
static bool was_interrupted(struct live *l)
{
	const int ended = live_view_ended_fd(l->view);
	struct pollfd p = { .fd = ended, .events = POLLIN };

	if (poll(&p, 1, 0) > 0 && epoll_ctl(l->wake, EPOLL_CTL_DEL, ended, NULL) == 0)
		l->viewer_gone = true;
	return interrupt_take(l->b.signals);
}

static void run(struct live *l)
{
	struct fleet_watch w = { .wake_fd = l->wake, .tick = tick, .arg = l };
	const int64_t ms = l->b.request->duration_ms;
	const int64_t until = ms ? clock_mono_ns() + ms * NS_PER_MS : 0;

	begin_window(&l->b);
	while (!l->b.interrupted && !l->viewer_gone &&
	       fleet_run(l->b.fleet, until, &w) == FLEET_WAKE_FD)
		l->b.interrupted = was_interrupted(l);
	begin_stop(&l->b, l->b.interrupted || l->viewer_gone ? "stopped" : "duration");
}

/* ---- the end ---- */

/* Until all nodes have ended, and their last reports are here. False: ^C came again. */
static bool stop_nodes(struct live *l)
{
	struct fleet_watch w = { .wake_fd = l->wake, .tick = tick, .arg = l };

	while (fleet_gather(l->b.fleet, -1, &w) == FLEET_WAKE_FD)
		if (was_interrupted(l) && l->b.interrupted)
			return false;
	return true;
}

/* Until the writer has ended, or the viewer has taken nothing for so long. False: ^C came. */
static bool await_writer(struct live *l, int64_t patience_ns)
{
	struct pollfd fds[] = {
		{ .fd = live_view_ended_fd(l->view), .events = POLLIN },
		{ .fd = l->b.signals, .events = POLLIN },
	};
	uint64_t taken = live_view_taken(l->view);
	int64_t since = clock_mono_ns();

	while (clock_mono_ns() - since < patience_ns) {
		const uint64_t now = live_view_taken(l->view);

		if (poll(fds, ARRAY_SIZE(fds), LOOK_MS) > 0) {
			if (fds[0].revents)
				return true;
			if (interrupt_take(l->b.signals))
				return false;
		}
		if (now != taken)
			since = clock_mono_ns();
		taken = now;
	}
	return true;
}

static void finish(struct live *l)
{
	bool patient = stop_nodes(l);

	if (!patient) {
		l->broken_off = true;
		fleet_abandon(l->b.fleet);
	} else {
		live_view_finish(l->view);
		if (await_writer(l, GRACE_NS)) {
			live_view_hurry(l->view);
			await_writer(l, GRACE_NS);
		}
	}
	live_view_give_up(l->view);
	live_view_join(l->view, &l->end);
	if (patient)
		fleet_remove(l->b.fleet, true);
}

static bool is_lack(const struct wire_target *t)
{
	switch (t->end) {
	case WIRE_END_ERROR:
	case WIRE_END_LEASE_EXPIRED:
	case WIRE_END_AGENT_LOST:
	case WIRE_END_NODE_LOST:
		return true;
	default:
		return t->state == WIRE_FAILED && !t->absent && !t->same_as;
	}
}

static bool is_partial(struct live *l)
{
	size_t n;
	const struct fleet_node *v = fleet_nodes(l->b.fleet, &n);
	bool lacks = l->b.plan.missing.n > 0;

	for (size_t i = 0; i < n; i++) {
		lacks |= v[i].reason && !v[i].follows_only;
		for (size_t k = 0; k < v[i].report.n_targets; k++)
			lacks |= is_lack(&v[i].report.targets[k]);
	}
	return lacks;
}

static void announce(struct live *l)
{
	const struct live_merge_counts *m = &l->end.counts;
	cleanup_free char *why = NULL;
	struct fleet_counts c;

	fleet_counts(l->b.fleet, &c);
	why = why_dropped(&c);
	if (m->late)
		progress_say(&l->b.progress, LOG_WARN, "%llu packets came later than %lld ms: they "
			     "stand behind later ones (see --delay)", (unsigned long long)m->late,
			     (long long)l->b.request->delay_ms);
	if (l->end.cut_short && !l->end.viewer_gone)
		progress_say(&l->b.progress, LOG_WARN, "the stream ends early, without what the nodes "
			     "saw last: its reader took no more, or a node does not answer");
	progress_say(&l->b.progress, c.dropped ? LOG_WARN : LOG_INFO,
		     "%llu packets of %zu tasks, %lld dropped%s%s%s", (unsigned long long)m->packets,
		     c.targets_armed, (long long)c.dropped, c.dropped ? " (" : "",
		     c.dropped ? why : "", c.dropped ? ")" : "");
}

static enum exit_status end_of(struct live *l, struct err *err)
{
	announce(l);
	if (l->broken_off) {
		err_set(err, -EINTR, "interrupted: what still captures ends within a minute");
		return EXIT_FAILED;
	}
	if (l->end.err.code) {
		*err = l->end.err;
		return EXIT_FAILED;
	}
	if (l->end.viewer_gone)
		return EXIT_OK;
	return l->end.cut_short || is_partial(l) ? EXIT_PARTIAL : EXIT_OK;
}

/* ---- all ---- */

static enum exit_status view(struct live *l, struct err *err)
{
	enum exit_status status = begin_arm(&l->b, err);

	if (status != EXIT_OK)
		return status;
	if (open_wake(l, err) < 0) {
		begin_take_back(&l->b);
		return EXIT_FAILED;
	}
	run(l);
	finish(l);
	return end_of(l, err);
}

static enum exit_status start(struct live *l, int out_fd, struct err *err)
{
	const struct live_view_plan p = {
		.out_fd = out_fd, .delay_ns = l->b.request->delay_ms * NS_PER_MS,
		.corrects_clocks = !l->b.request->no_clock_correction,
	};

	if (live_view_start(&l->view, &p, err) < 0)
		return EXIT_FAILED;
	l->b.stream = live_view_streams(l->view);
	/* the viewer may share our terminal */
	l->b.progress.terminal = false;
	return view(l, err);
}

/* Nodes' threads use the view until the fleet is gone. */
static void release(struct live *l)
{
	if (l->view) {
		live_view_give_up(l->view);
		live_view_join(l->view, NULL);
	}
	begin_release(&l->b);
	live_view_free(l->view);
	util_close(l->wake);
}

int live_run(struct request *r, int out_fd)
{
	cleanup(release) struct live l = { .wake = -1 };
	struct err err = ERR_INIT;
	enum exit_status status;

	r->live = true;
	begin_init(&l.b, r);
	if ((status = begin_plan(&l.b, &err)))
		return cmd_fail(r, status, &err);
	if (r->dry_run) {
		plan_print(stdout, &l.b.plan, r->json);
		return EXIT_OK;
	}
	status = start(&l, out_fd, &err);
	return status == EXIT_OK || status == EXIT_PARTIAL ? (int)status : cmd_fail(r, status, &err);
}
