/* SPDX-License-Identifier: Apache-2.0
 *
 * capture.h - one capture on this node: its targets, lease, deadline and files
 *
 * A capture is running from capture_new until its last target has ended, and then it is finished:
 * its report no longer changes but for what was fetched. It belongs to the registry
 * (captures.h); whoever else uses it holds a reference.
 *
 * A live one (wire_arm.live) has no files and no directory: its packets go into a feed (feed.h), and
 * it ends when the one who reads that hangs up.
 */
#ifndef CAPTURE_H
#define CAPTURE_H

#include "local_task.h"
#include "target.h"

#define CAPTURE_LEASE_MAX_MS (10 * 60 * 1000LL)
#define CAPTURE_ARM_THREADS 64		/* targets opened at the same time: the kernel makes each wait */

struct capture_env {
	const struct node *node;
	struct spool *spool;
	struct metrics *metrics;
	struct works *works;
	const int *news;		/* captures_news, or NULL */
};

struct capture;

/*
 * A new capture with its directory in the spool; arm is taken over (and zeroed). body_digest: of
 * the request, to know a retry. -EEXIST: the directory is there already.
 */
int capture_new(struct capture **out, const struct capture_env *env, struct wire_arm *arm,
		const char *body_digest, struct err *err);
/* Opens all targets side by side; returns when each is armed or failed. Once. */
void capture_arm(struct capture *c);
/* Until capture_arm of another thread is through. */
void capture_wait_armed(struct capture *c);
/* A finished one found in the spool by recovery. report is taken over; served: an array or NULL. */
struct capture *capture_restore(const struct capture_env *env, int dirfd,
				struct wire_report *report, const char *body_digest, json_t *served,
				int64_t finished_ns);

struct capture *capture_ref(struct capture *c);
void capture_unref(struct capture *c);

const char *capture_id(const struct capture *c);
/* Whether the digest is the one of the request that made it. */
bool capture_is_from(const struct capture *c, const char *body_digest);

enum capture_view {
	CAPTURE_VIEW_FULL,
	CAPTURE_VIEW_TOKEN,	/* for the answer to arm: with the token, which no other view has */
	CAPTURE_VIEW_BRIEF,	/* without context */
	CAPTURE_VIEW_COUNTERS,	/* without files, while it runs: with rotation they become many */
	CAPTURE_VIEW_STATE,	/* for the agent's next life: with the targets that are being opened, too */
};
/* The report. New reference. */
json_t *capture_report(struct capture *c, enum capture_view view);

struct capture_facts {
	bool running, fetched, dropped, live;
	size_t targets_armed, files;
	int64_t bytes, finished_ns;
};
void capture_facts(struct capture *c, struct capture_facts *out);

/* -EACCES: not the token. window_start_ns 0: not known yet. */
int capture_renew(struct capture *c, const char *token, int64_t window_start_ns);
/* Ends all targets and returns at once; error may be NULL. */
void capture_stop(struct capture *c, enum wire_end end, const char *error);
/* Until it is finished, then its state is in the spool. */
void capture_wait(struct capture *c);
void capture_set_window_stop(struct capture *c, int64_t ns);
/* Ends the largest target that is being captured; its bytes, 0: there is none. */
int64_t capture_stop_largest(struct capture *c, enum wire_end end);
int64_t capture_largest(struct capture *c);
/* The container died. */
void capture_container_died(struct capture *c, const char *container_id);
/* ---- following (capture_follow.c): tasks that start meanwhile ---- */

/* Whether this task (NULL: any at all) joins it, now. */
bool capture_follows(struct capture *c, const struct local_task *t);
/* True once: it has just begun to follow, and what started since it was planned is to be looked for. */
bool capture_wants_sweep(struct capture *c);
/* A new namespace; ns is borrowed. */
void capture_offer(struct capture *c, const char *netns_file, int ns);
/* The namespace is nobody's that it follows. */
void capture_disown(struct capture *c, const char *netns_file);
/*
 * The task becomes a target, with the packets since its namespace was offered; nothing happens to one
 * that is a target already. e and why as of target_open. Takes some milliseconds.
 */
void capture_join(struct capture *c, const struct local_task *t, struct engine *e,
		  const struct err *why);
/* Candidates grow old; how many are left. */
size_t capture_follow_tick(struct capture *c);

/*
 * Lease, deadline, vanished namespaces; writes the state when it has changed. Returns when it reaches its limit
 * of time (monotonic; INT64_MAX: never, or it just did).
 */
int64_t capture_tick(struct capture *c);

/* NULL: it is not live. Lives as long as the capture. */
struct feed *capture_feed(struct capture *c);
/* A whole file by its name in the report. -ENOENT; -ESTALE: the spool gave it up. */
int capture_open_file(struct capture *c, const char *name, int *fd, int64_t *size, struct err *err);
/* False: it has no checksum yet. Whoever reads the file whole notes it. */
bool capture_file_sum(struct capture *c, const char *name, char hex[CHECKSUM_HEX]);
void capture_note_sum(struct capture *c, const char *name, const char *hex);
/* The file's last byte went out. */
void capture_served(struct capture *c, const char *name);
/* Drops the files and keeps a record that says why. */
int capture_drop(struct capture *c, const char *why, struct err *err);
/* No more writes into the spool: its directory is going away. */
void capture_forget(struct capture *c);

#endif
