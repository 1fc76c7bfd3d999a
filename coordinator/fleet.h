/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet.h - one conversation per node, side by side
 *
 * Each node of the plan has a thread of its own that walks through the same stages: arm,
 * wait for the window, poll (and renew the lease) until told to stop, stop, fetch. The
 * threads meet at two points only: when all have armed or given up, and when all are done.
 * A node that fails says so in its outcome and never delays the others beyond the meeting
 * points' deadlines. The main thread owns signals and the progress line and reads snapshots
 * under the lock.
 */
#ifndef FLEET_H
#define FLEET_H

#include "creds.h"
#include "link.h"
#include "plan.h"

enum fleet_stage { FLEET_ARMING, FLEET_ARMED, FLEET_STOPPING, FLEET_FETCHING, FLEET_DONE, FLEET_LOST };

/* What became of one node; owned by the fleet, read after fleet_wait_done. */
struct fleet_node {
	const struct plan_node *plan;
	enum fleet_stage stage;
	bool armed;			/* at least one target of it */
	struct wire_report report;	/* the last one that came */
	bool has_report;
	struct err err;			/* why it is lost, or was never armed */
	const char *reason;		/* for missing: "agent-missing", "node-lost", "agent-lost", "wrong-node", "error" */
	struct link_clock clock;
	char *version;
	char **fetched;			/* per file of the report, in order: path below the staging folder, or NULL */
	size_t n_fetched;
	struct err fetch_err;		/* why a file is not there */
};

struct fleet_counts {
	size_t nodes, nodes_armed, nodes_lost, nodes_done;
	size_t targets, targets_armed, targets_ended;
	int64_t packets, bytes, dropped;
	uint64_t fetched_bytes, fetch_bytes;
};

struct fleet;

/* plan, creds and request are borrowed for the fleet's life. Starts the threads: arming begins. */
int fleet_start(struct fleet **out, const struct plan *p, const struct request *r,
		const struct cluster *c, const struct creds *creds, struct err *err);
/* Until all nodes are armed or given up, or wake_fd is readable (returns true), or timeout. */
bool fleet_wait_armed(struct fleet *f, int wake_fd);
/* The window opens: told to the agents with the next renewal. */
void fleet_open_window(struct fleet *f, int64_t start_ns);
/* Sleeps until until_mono_ns, wake_fd, or nothing is capturing any more (false). Calls tick once a second. */
bool fleet_run(struct fleet *f, int wake_fd, int64_t until_mono_ns,
	       void (*tick)(void *arg, const struct fleet_counts *c), void *arg);
/* Ends the captures; reason "duration" or "stopped". */
void fleet_stop(struct fleet *f, const char *reason, int64_t stop_ns);
/* Fetches all files into the folder staging_fd (names: <node index>-<spool name>), then all threads are done. */
bool fleet_gather(struct fleet *f, int staging_fd, int wake_fd,
		  void (*tick)(void *arg, const struct fleet_counts *c), void *arg);
/* Second ^C: everything in flight is cancelled; captures stay on the nodes. */
void fleet_abandon(struct fleet *f);
/* DELETE on each node whose files are all here. */
void fleet_remove(struct fleet *f);
void fleet_counts(struct fleet *f, struct fleet_counts *out);
/* Valid when all threads are done. */
struct fleet_node *fleet_nodes(struct fleet *f, size_t *n);
/* Earliest and latest armed time by the coordinator's clock: nanoseconds between. */
int64_t fleet_arm_spread(struct fleet *f);
void fleet_free(struct fleet *f);

#endif
