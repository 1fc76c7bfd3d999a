/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_parts.h - what the fleet's own files share; of no use to others
 */
#ifndef FLEET_PARTS_H
#define FLEET_PARTS_H

#include "fleet.h"

#include "lookout.h"

#include <pthread.h>

/* The main thread's orders; they only rise. Who waits for one goes on at a later one too. */
enum fleet_order { ORDER_ARM, ORDER_RUN, ORDER_STOP, ORDER_GATHER, ORDER_REMOVE, ORDER_END };

/* fleet_stream.c; of a live capture. rc and what follows: to be read once the thread has ended. */
struct fleet_stream {
	struct link *link;
	pthread_t thread;
	bool running;			/* the thread is to be joined */
	volatile bool over;
	void *to;
	bool broken;			/* it did not end as it should */
	int rc;
	struct err err;
};

/* One node's conversation: the thread's own, but for node (see fleet.c). */
struct fleet_talk {
	struct fleet *fleet;
	struct fleet_node *node;
	size_t index;
	struct link *link;
	pthread_t thread;
	bool running;			/* the thread is to be joined */
	char token[WIRE_TOKEN_HEX];
	int64_t answered_ns;		/* monotonic: the last answer of any kind */
	int64_t renewed_ns;		/* monotonic: the last renewal of the lease */
	bool silent;			/* it was reported as such */
	int64_t moved_ns;		/* its clock was set, since it was compared with ours */
	struct link_clock first_clock;	/* the first estimate; probes 0: none yet */
	int64_t probed_ns;		/* monotonic: the last look at the clock */
	int64_t until_ns;		/* monotonic, of one that only follows: tried again until then */
	struct fleet_stream stream;
};

/* fleet_follow.c; all but what is under lock is its thread's. */
struct fleet_follow {
	pthread_t thread;
	bool running;			/* the thread is to be joined */
	struct confirm *confirm;
	struct lookout *lookout;
	struct plan_node **nodes;	/* made for those that only follow */
	size_t n;
	/* under lock */
	bool quiet;			/* nothing more is to come */
	bool ended;			/* the thread has had its last look; true without one */
};

struct fleet {
	struct fleet_job job;
	struct fleet_talk *talks;
	struct fleet_node *nodes;
	size_t n;			/* grows under lock, up to room */
	size_t room;
	struct fleet_follow follow;
	volatile bool cancel;
	int event_fd;

	pthread_mutex_t lock;
	pthread_cond_t ordered;		/* order, cancel */
	enum fleet_order order;
	int64_t window_start_ns, window_stop_ns;
	int64_t opened_ns;		/* monotonic: when window_start_ns was */
	const char *stop_reason;
	int staging_fd;
	bool remove_all;
	size_t ended;			/* threads */
	uint64_t fetched_bytes;
	struct err disk_err;
	struct fleet_event *events, **events_end;
};

/* fleet_node.c: the thread of one node. arg is its struct fleet_talk. */
void *fleet_talk_main(void *arg);

/* fleet_gather.c: what the node's last report names; what did not come is NULL in fetched */
void fleet_gather_files(struct fleet_talk *t);

/* fleet_arm.c */
/* Armed by the first route that works: 0; -ENODATA: attached, and there is no such capture. */
int fleet_arm(struct fleet_talk *t, struct err *err);
/* A reason for missing; fleet_arm_loss: before anything was captured there. */
const char *fleet_loss(int rc);
const char *fleet_arm_loss(const struct plan_node *n, int rc);
void fleet_note(struct fleet_talk *t, const char *fmt, ...) PRINTF(2, 3);

/* fleet.c; all take the lock themselves. */
/* Until the order is given (true), until_mono_ns passed (0: never), or all is cancelled. */
bool fleet_await(struct fleet *f, enum fleet_order order, int64_t until_mono_ns);
enum fleet_order fleet_order(struct fleet *f);
/* Our own disk failed: everything is cancelled. */
void fleet_disk_failed(struct fleet *f, const struct err *err);

/* With a small stack: there may be many. As pthread_create. */
int fleet_start_thread(pthread_t *out, void *(*fn)(void *arg), void *arg);
int fleet_start_talk(struct fleet_talk *t, struct err *err);

/* fleet_stream.c; by the talk's own thread, while its link is there. */
void fleet_stream_start(struct fleet_talk *t);
/* Cut off, if it goes on; within a second or so. */
void fleet_stream_end(struct fleet_talk *t);

/* fleet_follow.c */
/* How many more nodes there may be. */
size_t fleet_follow_room(const struct fleet_job *job);
/* Arms the nodes without targets, and looks out while the capture runs. Signals are blocked. */
int fleet_follow_start(struct fleet *f, struct err *err);
void fleet_follow_free(struct fleet *f);
/* A node that only follows could not be armed: true after a pause, when it is to be tried again. */
bool fleet_follow_again(struct fleet_talk *t);
const struct wire_joined *fleet_find_joined(const struct wire_report *r, const char *key);

/* fleet_state.c */
void fleet_lock(struct fleet *f);
void fleet_unlock(struct fleet *f);
/* A note of the node for the manifest; text is taken over. Takes the lock. */
void fleet_keep_note(struct fleet_talk *t, char *text);
/* These take the lock; called by the node's own thread, they wake the main thread. */
void fleet_set_stage(struct fleet_talk *t, enum fleet_stage stage);
/* The node's new report, taken (*report is empty afterwards); events tell what changed. */
void fleet_absorb(struct fleet_talk *t, struct wire_report *report);
/* target and text may be NULL. */
void fleet_tell(struct fleet_talk *t, enum fleet_event_kind kind, const char *target,
		const char *text);
/* The node is lost or failed: reason and the sentence for missing. NULL: it is not, after all. */
void fleet_blame(struct fleet_talk *t, const char *reason, const struct err *err);
void fleet_set_clock(struct fleet_talk *t, const struct link_clock *clock);
void fleet_fetched(struct fleet *f, size_t n);
void fleet_thread_ended(struct fleet_talk *t);

#endif
