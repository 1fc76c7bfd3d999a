/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_node.c - the conversation with one node's agent, from arm to remove
 *
 * Straight-line code in a thread of its own. What may go wrong at each station, and how long
 * it may last:
 *
 *	arm	as long as fleet_arm.c says. Then the node is lost for this capture. Nobody knows
 *		whether the agent armed after all, so it is told to drop it; else its lease ends
 *		it. Who is armed renews while it waits for the others.
 *	poll	once a second, a renewal every 10 s. Without an answer for 15 s the node counts as
 *		silent, but we go on asking: Swarm starts a dead agent again, and the new one
 *		finds what the old one left.
 *	leave	a detached capture is left to its agent once that knows the window: 20 s, else
 *		its lease ends it
 *	stop	a living agent may take long to bring its files to disk: as long as it answers
 *		questions beside it, up to 2 minutes. A silent node gets one more try.
 *	fetch	as long as bytes come (fleet_gather.c, link_fetch.c)
 *	remove	once
 */
#include "fleet_parts.h"

#include "version.h"

#include <errno.h>
#include <string.h>

#define CALL_MS 5000
#define DROP_MS 1500		/* of a node that did not answer at arm: nobody waits long for it */
#define STOP_MS 10000
#define POLL_NS NS_PER_S
#define RENEW_NS (10 * NS_PER_S)
#define SILENT_NS (15 * NS_PER_S)
#define STOP_PATIENCE_NS (120 * NS_PER_S)
#define LEAVE_NS (20 * NS_PER_S)
#define PROBES 8
#define PROBE_NS (60 * NS_PER_S)
#define NOTES_MAX 16
#define CLOCK_MOVED_NS (2 * NS_PER_S)	/* more than a clock drifts in a day */

static bool cancelled(const struct fleet_talk *t)
{
	return __atomic_load_n(&t->fleet->cancel, __ATOMIC_RELAXED);
}

/* ---- arm ---- */

/*
 * When it armed, every minute, and at its end: what the clock gains meanwhile is followed. A clock that was
 * set has no drift that could be followed: what was known before stays, with the note that says so.
 */
static void probe_clock(struct fleet_talk *t)
{
	struct link_clock clock = { 0 }, all;

	if (t->moved_ns)
		return;
	t->probed_ns = clock_mono_ns();
	link_set_timeout(t->link, CALL_MS);
	if (link_clock(t->link, PROBES, &clock, NULL) != 0 && !clock.probes)
		return;
	if (!t->first_clock.probes)
		t->first_clock = clock;
	link_clock_join(&t->first_clock, &clock, &all);
	fleet_set_clock(t, &all);
	fleet_note(t, "clock %+.3f ms, known to %.3f ms", (double)clock.offset_ns / NS_PER_MS,
		   (double)clock.error_ns / NS_PER_MS);
}

/* True: there is something to run, stop or fetch. */
static bool begin(struct fleet_talk *t)
{
	struct err err = ERR_INIT;
	int64_t since = clock_mono_ns();
	int rc = fleet_arm(t, &err);

	while (rc != 0 && fleet_follow_again(t)) {
		err_reset(&err);
		rc = fleet_arm(t, &err);
	}
	if (rc == -ENODATA) {
		fleet_set_stage(t, FLEET_DONE);
		return false;
	}
	if (rc != 0) {
		fleet_blame(t, fleet_arm_loss(t->node->plan, rc), &err);
		fleet_tell(t, FLEET_NODE_FAILED, NULL, err.text);
		fleet_set_stage(t, FLEET_LOST);
		if (rc == -ETIMEDOUT && t->fleet->job.request && t->link) {
			link_set_timeout(t->link, DROP_MS);
			link_remove(t->link, t->fleet->job.plan->id, NULL);
		}
		return false;
	}
	fleet_note(t, "armed after %lld ms, by route %s: %s at %s",
		   (long long)((clock_mono_ns() - since) / NS_PER_MS), fleet_route(t->node),
		   t->node->version ? t->node->version : "?", t->node->plan->address);
	/* the others need not wait for our look at the clock */
	fleet_set_stage(t, FLEET_ARMED);
	probe_clock(t);
	fleet_stream_start(t);
	return true;
}

/* ---- run ---- */

static void answered(struct fleet_talk *t)
{
	if (!t->silent)
		return;
	t->silent = false;
	fleet_blame(t, NULL, NULL);
	fleet_tell(t, FLEET_NODE_BACK, NULL, NULL);
}

static void unanswered(struct fleet_talk *t, int rc, const struct err *err)
{
	if (cancelled(t) || clock_mono_ns() - t->answered_ns < SILENT_NS)
		return;
	fleet_blame(t, fleet_loss(rc), err);
	if (!t->silent)
		fleet_tell(t, FLEET_NODE_SILENT, NULL, err->text);
	t->silent = true;
}

/* 0: not open yet. It may open while a node that waits for the others is asked. */
static int64_t window_start(struct fleet *f)
{
	int64_t ns;

	fleet_lock(f);
	ns = f->window_start_ns;
	fleet_unlock(f);
	return ns;
}

/* A renewal when it is time for one; an agent in its second life refuses it, but may report. */
static int ask(struct fleet_talk *t, struct wire_report *report, struct err *err)
{
	const struct link_word word = {
		.id = t->fleet->job.plan->id, .token = t->token,
		.window_ns = window_start(t->fleet),
	};
	int64_t now = clock_mono_ns();
	bool renew = !t->renewed_ns || now - t->renewed_ns >= RENEW_NS;
	int rc;

	if (renew) {
		rc = link_renew(t->link, &word, report, err);
		if (rc <= 0) {
			t->renewed_ns = rc == 0 ? now : t->renewed_ns;
			return rc;
		}
		t->renewed_ns = now;
		err_reset(err);
		wire_report_release(report);
	}
	return link_counters(t->link, word.id, report, err);
}

/*
 * A clock that is set while it captures: timestamps before and after do not belong together. The
 * report says what time it was when it was sent, some time after asked_ns (monotonic).
 */
static void compare_clock(struct fleet_talk *t, const struct wire_report *r, int64_t asked_ns)
{
	int64_t unsure = clock_mono_ns() - asked_ns + CLOCK_MOVED_NS, moved;

	if (!t->node->clock.probes || !r->now_ns || t->node->n_notes > NOTES_MAX)
		return;
	if (__builtin_sub_overflow(r->now_ns - clock_wall_ns(), t->node->clock.offset_ns, &moved) ||
	    __builtin_sub_overflow(moved, t->moved_ns, &moved))
		return;
	if (moved > -unsure && moved < unsure)
		return;
	t->moved_ns += moved;
	fleet_keep_note(t, xasprintf("its clock was moved by %+.0f s while it captured",
				     (double)moved / NS_PER_S));
}

static int poll_once(struct fleet_talk *t)
{
	int64_t asked = clock_mono_ns();
	struct wire_report report = { 0 };
	struct err err = ERR_INIT;
	int rc = ask(t, &report, &err);

	if (rc == 0) {
		compare_clock(t, &report, asked);
		fleet_absorb(t, &report);
		answered(t);
	} else {
		unanswered(t, rc, &err);
	}
	wire_report_release(&report);
	return rc;
}

/*
 * Until the others are armed, too, which may take longer than a lease where files are sent first. A
 * renewal before the window says nothing of it.
 */
static bool await_window(struct fleet_talk *t)
{
	while (!fleet_await(t->fleet, ORDER_RUN, clock_mono_ns() + RENEW_NS)) {
		if (cancelled(t))
			return false;
		poll_once(t);
	}
	return !cancelled(t);
}

static void run(struct fleet_talk *t)
{
	int64_t next;

	link_set_timeout(t->link, CALL_MS);
	if (!await_window(t))
		return;
	t->renewed_ns = 0;	/* the window opened: the agent is told at once */
	do {
		next = clock_mono_ns() + POLL_NS;
		if (t->node->report.running)
			poll_once(t);
		if (clock_mono_ns() - t->probed_ns >= PROBE_NS)
			probe_clock(t);
	} while (!fleet_await(t->fleet, ORDER_STOP, next) && !cancelled(t));
}

/* ---- leave ---- */

/* False: the agent was not told the window, and will end. */
static bool tell_window(struct fleet_talk *t)
{
	int64_t until = clock_mono_ns() + LEAVE_NS;

	while (!t->node->report.window_start_ns) {
		t->renewed_ns = 0;
		poll_once(t);
		if (t->node->report.window_start_ns)
			break;
		if (cancelled(t) || clock_mono_ns() > until)
			return false;
		fleet_await(t->fleet, ORDER_STOP, clock_mono_ns() + POLL_NS);
	}
	return true;
}

/* Without a window the capture is not to be, and fleet_remove follows. */
static void leave(struct fleet_talk *t)
{
	struct err err = ERR_INIT;

	link_set_timeout(t->link, CALL_MS);
	if (!await_window(t) || !window_start(t->fleet) || tell_window(t)) {
		fleet_set_stage(t, FLEET_DONE);
		return;
	}
	err_set(&err, -ETIMEDOUT, "no answer since it was armed: its capture ends within a minute");
	fleet_blame(t, "node-lost", &err);
	fleet_tell(t, FLEET_NODE_GONE, NULL, err.text);
	fleet_set_stage(t, FLEET_LOST);
}

/* ---- stop ---- */

/* A stop that did not succeed: is it worth another? */
static bool worth_waiting(struct fleet_talk *t, int64_t since)
{
	int64_t now = clock_mono_ns();

	return !cancelled(t) && now - t->answered_ns < SILENT_NS && now - since < STOP_PATIENCE_NS;
}

static int stop_once(struct fleet_talk *t, struct err *err)
{
	const struct link_word word = {
		.id = t->fleet->job.plan->id, .reason = t->fleet->stop_reason,
		.window_ns = t->fleet->window_stop_ns,
	};
	int64_t asked = clock_mono_ns();
	struct wire_report report = { 0 };
	int rc;

	link_set_timeout(t->link, STOP_MS);
	rc = link_stop(t->link, &word, &report, err);
	if (rc == 0) {
		compare_clock(t, &report, asked);
		fleet_absorb(t, &report);
		answered(t);
	}
	wire_report_release(&report);
	return rc;
}

/* True: the last report is final. */
static bool stop(struct fleet_talk *t)
{
	struct err err = ERR_INIT;
	int64_t since = clock_mono_ns();
	int rc;

	for (;;) {
		err_reset(&err);
		rc = stop_once(t, &err);
		if (rc == 0) {
			probe_clock(t);
			return true;
		}
		link_set_timeout(t->link, CALL_MS);
		if (rc < 0 && !cancelled(t) && poll_once(t) == 0 && !t->node->report.running)
			return true;
		if (rc > 0 || !worth_waiting(t, since))
			break;
		fleet_await(t->fleet, ORDER_END, clock_mono_ns() + POLL_NS);
	}
	fleet_blame(t, fleet_loss(rc), &err);
	fleet_tell(t, FLEET_NODE_GONE, NULL, err.text);
	return false;
}

/* ---- remove ---- */

static bool all_fetched(const struct fleet_node *n)
{
	for (size_t i = 0; i < n->n_fetched; i++)
		if (!n->fetched[i])
			return false;
	return n->fetched && !n->reason;
}

/* A node that went silent may have come back; one refusal more costs little. */
static void remove_from_spool(struct fleet_talk *t)
{
	struct err err = ERR_INIT;
	int rc;

	if (!fleet_await(t->fleet, ORDER_REMOVE, 0) || fleet_order(t->fleet) == ORDER_END)
		return;
	if (!t->node->has_report)
		return;
	/* what was fetched while it goes on is not all */
	if (!t->fleet->remove_all && (!all_fetched(t->node) || t->node->report.running))
		return;
	link_set_timeout(t->link, CALL_MS);
	rc = link_remove(t->link, t->fleet->job.plan->id, &err);
	if (rc == 0 || rc == LINK_E_NOT_FOUND)
		t->node->removed = true;
	else
		fleet_blame(t, fleet_loss(rc), &err);
}

/* Is the capture ours to end? */
static bool ends_it(const struct fleet_talk *t)
{
	const struct fleet_job *job = &t->fleet->job;

	if (job->request)
		return !job->request->detached;
	return job->stop && t->node->report.running;
}

void *fleet_talk_main(void *arg)
{
	struct fleet_talk *t = arg;
	const struct request *ours = t->fleet->job.request;
	bool final = true;

	if (begin(t)) {
		if (ours && ours->detached)
			leave(t);
		else if (ours)
			run(t);
		if (ends_it(t) && fleet_await(t->fleet, ORDER_STOP, 0) && !cancelled(t)) {
			fleet_set_stage(t, FLEET_STOPPING);
			final = stop(t);
		}
		if (final && fleet_await(t->fleet, ORDER_GATHER, 0) && t->fleet->staging_fd >= 0 &&
		    !cancelled(t)) {
			fleet_set_stage(t, FLEET_FETCHING);
			fleet_gather_files(t);
		}
		fleet_set_stage(t, t->node->reason ? FLEET_LOST : FLEET_DONE);
		remove_from_spool(t);
	}
	fleet_stream_end(t);
	link_free(t->link);
	t->link = NULL;
	fleet_thread_ended(t);
	return NULL;
}
