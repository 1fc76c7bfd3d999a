/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet.h - one conversation per node, side by side
 *
 * Each node of the plan has a thread of its own that walks through the same stages: arm,
 * wait for the window, poll (and renew the lease) until told to stop, stop, fetch, remove.
 * The threads meet at the main thread's orders only; a node that fails says so in its outcome
 * and delays the others no longer than its stage's own time-outs. The main thread owns
 * signals and all output: it sees counts and events.
 *
 *	fleet_start(&f, ...)			arming begins everywhere
 *	fleet_wait_armed(f, &watch)		until all are armed or given up
 *	fleet_open_window(f, start_ns)
 *	fleet_run(f, until_mono_ns, &watch)
 *	fleet_stop(f, reason, stop_ns)		returns at once
 *	fleet_gather(f, staging_fd, &watch)	until all is stopped and fetched
 *	fleet_nodes(f, &n)			what became of each node
 *	fleet_remove(f, all)
 *	fleet_free(f)
 *
 * A detached capture (request->detached) is left to its agents once they know the window:
 *
 *	fleet_open_window(f, start_ns)
 *	fleet_wait_left(f, &watch)		until all know it, or are given up
 *	fleet_free(f)				nothing is stopped
 *
 * `fetch`, `stop` and `rm` start without a request: each node is asked for a capture that exists
 * already, and none is armed.
 *
 * Where the plan follows services, every other node with an agent is armed too, but not waited for
 * (fleet_follow.c).
 */
#ifndef FLEET_H
#define FLEET_H

#include "confirm.h"
#include "creds.h"
#include "link.h"
#include "plan.h"
#include "reach.h"

enum fleet_stage {
	FLEET_ARMING, FLEET_ARMED, FLEET_STOPPING, FLEET_FETCHING, FLEET_DONE, FLEET_LOST,
};

/*
 * What became of one node; owned by the fleet. To be read after fleet_gather or fleet_remove;
 * of an attached fleet, report and reason after fleet_wait_armed too.
 */
struct fleet_node {
	const struct plan_node *plan;
	enum fleet_stage stage;
	bool armed;			/* at least one target of it */
	struct wire_report report;	/* the last one that came */
	bool has_report;
	struct err err;			/* why it is lost, or was never armed */
	/* for missing: agent-missing, node-lost, agent-lost, wrong-node, error; else NULL */
	const char *reason;
	const char *route;		/* by which it was armed; NULL: it was not */
	char **notes;			/* why better routes were not taken; clocks that moved */
	size_t n_notes;
	struct link_clock clock;
	char *version;
	char **fetched;			/* per file of the report: its name in staging, or NULL */
	size_t n_fetched;
	struct err fetch_err;		/* why a file is not there */
	bool removed;			/* the capture is no longer in its spool */
	bool follows_only;		/* no task of the plan is there: it waits for those that come */
};

/* It answers, and captures on: one that was lost reported so before. */
static inline bool fleet_goes_on(const struct fleet_node *n)
{
	return n->has_report && n->report.running && !n->reason;
}

struct fleet_counts {
	size_t nodes, nodes_armed, nodes_lost, nodes_done;
	size_t targets, targets_armed, targets_ended;	/* armed: at some time; ended: of those */
	int64_t packets, bytes;
	int64_t dropped, dropped_kernel, dropped_agent;	/* both; each */
	uint64_t fetched_bytes, fetch_bytes;
};

enum fleet_event_kind {
	FLEET_NODE_FAILED,		/* never armed; text: why */
	FLEET_NODE_SILENT,		/* no answer for a while; text: why */
	FLEET_NODE_BACK,		/* it answers again */
	FLEET_NODE_GONE,		/* given up; text: why */
	FLEET_NODE_NOTE,		/* text: a step that went well, for -v */
	FLEET_TARGET_FAILED,		/* never captured; text: why */
	FLEET_TARGET_JOINED,
	FLEET_TARGET_ENDED,		/* text: the end's reason */
};

struct fleet_event {
	struct fleet_event *next;
	enum fleet_event_kind kind;
	char *node, *target, *text;
};

/* Who is told while the main thread waits; tick is called each second and at each change. */
struct fleet_watch {
	int wake_fd;			/* readable: the wait ends; -1: none */
	void (*tick)(void *arg);	/* may be NULL */
	void *arg;
};

enum fleet_wake { FLEET_WAKE_READY, FLEET_WAKE_FD, FLEET_WAKE_TIME };

struct fleet;

/* As reach_link. */
typedef int fleet_open_link(struct reach *x, const struct plan_node *n, enum route route,
			    const struct reach_job *job, struct link **out, struct err *err);

/*
 * The followed services' tasks and the nodes as they are now; in a thread of the fleet's own. out is
 * CLUSTER_INIT, and released whatever the result.
 */
typedef int fleet_look(void *arg, const struct plan *p, struct cluster *out, struct err *err);

/*
 * Who takes the streams of a live capture. begin is called by a node's thread, once it is armed, and
 * answers what the others get; take and end are called by another thread. take may wait; -EPIPE: it
 * wants no more. After cut it does not wait, and wants no more.
 */
struct fleet_streams {
	void *(*begin)(void *arg, const struct fleet_node *n, size_t index);
	http_sink *take;
	void (*end)(void *stream);
	void (*cut)(void *stream);
	void *arg;
};

/* What is to be done, borrowed for the fleet's life and not changed. */
struct fleet_job {
	const struct plan *plan;
	const struct request *request;	/* NULL: attach to what is there */
	bool stop;			/* attached: fleet_stop ends what runs */
	const struct cluster *cluster;	/* for the agents' port, and the context */
	const struct creds *creds;	/* NULL: none; without reach: unix sockets */
	struct reach *reach;		/* NULL: agents at the nodes' addresses */
	int staging_fd;			/* where taps write; -1: nowhere */
	fleet_open_link *open;		/* NULL: reach_link */
	int64_t fetch_rate;		/* of each node's files, bytes per second; 0: no limit */
	fleet_look *look;		/* NULL: the manager is not asked while the plan follows */
	void *look_arg;
	const struct fleet_streams *stream;	/* of a live capture; else NULL */
};

/*
 * Starts the threads: arming begins. Without a request the nodes are asked for the capture
 * plan->id instead; one that has none ends DONE, without a report.
 */
int fleet_start(struct fleet **out, const struct fleet_job *job, struct err *err);
/* READY: all nodes are armed or given up. */
enum fleet_wake fleet_wait_armed(struct fleet *f, const struct fleet_watch *w);
/* Told to the agents at once. */
void fleet_open_window(struct fleet *f, int64_t start_ns);
/*
 * Until every armed node has answered since the window opened, or is lost. How many have: the
 * others may capture, or not.
 */
size_t fleet_wait_live(struct fleet *f, int64_t until_mono_ns, const struct fleet_watch *w,
		       enum fleet_wake *woken);
/* READY: every agent goes on alone, or its node is lost. Of a detached capture. */
enum fleet_wake fleet_wait_left(struct fleet *f, const struct fleet_watch *w);
/* READY: nothing is capturing any more. until_mono_ns 0: no end. */
enum fleet_wake fleet_run(struct fleet *f, int64_t until_mono_ns, const struct fleet_watch *w);
/* Ends the captures; reason "duration" or "stopped". */
void fleet_stop(struct fleet *f, const char *reason, int64_t stop_ns);
/* Fetches all files into the folder staging_fd (names: <node index>-<spool name>). READY: done. */
enum fleet_wake fleet_gather(struct fleet *f, int staging_fd, const struct fleet_watch *w);
/* 0, or the -errno by which our own disk failed while gathering; all fetching ended by it. */
int fleet_disk_error(struct fleet *f, struct err *err);
/* Everything in flight is cancelled, within about a second; captures stay on the nodes. */
void fleet_abandon(struct fleet *f);
/*
 * DELETE on each node that has ended and whose files are all here, or on all that have the
 * capture; waits for it.
 */
void fleet_remove(struct fleet *f, bool all);
void fleet_counts(struct fleet *f, struct fleet_counts *out);
/* The oldest event not taken yet, or NULL; to be freed by the caller. */
struct fleet_event *fleet_next_event(struct fleet *f);
void fleet_event_free(struct fleet_event *e);
/* The route that was taken, or would be first. */
const char *fleet_route(const struct fleet_node *n);
/* Of the node with this index, now. */
struct link_clock fleet_clock(struct fleet *f, size_t index);
struct fleet_node *fleet_nodes(struct fleet *f, size_t *n);
/*
 * After fleet_gather: what the manager said of tasks (NULL: it was not asked), and which ran without being
 * captured.
 */
const struct confirm *fleet_confirm(const struct fleet *f);
void fleet_missing(const struct fleet *f, struct missing_list *out);
/* Earliest to latest armed time by the coordinator's clock, nanoseconds; -1: not known. */
int64_t fleet_arm_spread(struct fleet *f);
void fleet_free(struct fleet *f);

#endif
