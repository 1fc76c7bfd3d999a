/* SPDX-License-Identifier: Apache-2.0
 *
 * target_inside.h - what the files of a target share; nobody else looks inside
 */
#ifndef TARGET_INSIDE_H
#define TARGET_INSIDE_H

#include "fileset.h"
#include "target.h"

struct target_live;

/* What a former life of the agent left (target_resume.c). */
struct target_former {
	bool goes_on;			/* it was being captured */
	int64_t from_ns;		/* and is not since then */
	int64_t packets, bytes, truncated, dropped_kernel, dropped_agent;
};

struct target {
	struct target_env env;
	size_t number;
	const struct wire_wanted *wanted;
	struct wire_target *seen;
	char *netns_file;		/* NULL: the agent's own namespace */
	struct netns_id netns;
	bool guest;			/* it is another container's */
	struct program *own_program;	/* the host's: its filter leaves the API's traffic out */
	char *filter;			/* the program's text; NULL: everything */
	const struct program *program;
	size_t ring_bytes;
	struct target_former *former;	/* NULL: it began in this life */
	struct sniff *sniff;
	int64_t bound_ns;		/* wall clock: it was bound before it became ours; 0: it was not */
	struct fileset *files;
	struct target_live *live_out;	/* instead of files (target_live.c) */
	/* under the lock */
	struct pump_item *item;		/* NULL: not watched, or not any more */
	bool live;			/* from target_start until it has ended */
	bool ending;			/* its end is under way: who asks for one comes too late */
	bool settled;			/* no packet is under way to the halted ring */
	unsigned jobs;			/* of the crew, on its behalf */
	/* what a ring of files let go; packets and bytes: as long as it is not live */
	int64_t removed, removed_packets, removed_bytes;
	enum wire_end wanted_end;	/* asked for by others */
	int64_t wanted_stop_ns;
	char *wanted_error;
	bool syncing;			/* the syncer is at it */
	int64_t safe_ns;		/* wall clock: what came before is on the disk; 0: nothing */
	struct sync_job sync;		/* the syncer's, while syncing; else the pump's */
	int64_t syncing_from_ns;	/* what safe_ns will be */
	/* the pump's; then the one's who finishes */
	int64_t synced_ns;		/* monotonic: when syncing began last */
	size_t declared;		/* interfaces that the files know */
	bool stirred;			/* its ring was looked at since the last tick */
	bool draining;
	int64_t drain_ns;		/* monotonic: when draining is given up */
	enum wire_end end;
	int64_t stop_ns, dropped_agent;
	int64_t dropped_held;		/* sniff.h: the disk's doing, too */
	int sink_result;
	struct err err;			/* of the sink, or of what else ended it */
	int64_t told_packets, told_bytes, told_kernel, told_agent;	/* to the metrics */
};

struct target_counts {
	int64_t packets, bytes, truncated, dropped_kernel, dropped_agent;
};

void target_note(struct target *t, const char *text);

/* ---- target_run.c ---- */

/* What the report and the metrics show from now on. The lock is held. */
void target_publish(struct target *t, const struct target_counts *now);
/* The same of one with files. */
void target_publish_files(struct target *t, int64_t dropped_kernel);
/* By the kernel, in this life; its files are told. */
int64_t target_count_drops(struct target *t);
void target_show_interfaces(struct target *t);
/* The end, of both kinds of targets: asked for by others (then drained, within drain_ms), or the task's. True: no more. */
typedef void target_drain(struct target *t, int64_t now);
bool target_is_ending(struct target *t, enum pump_event event, int64_t now, int drain_ms,
		      target_drain *go_on);

/* The interfaces of the sniff that the files do not know yet. As fileset_declare. */
int target_declare(struct target *t, struct err *err);
/* Whole blocks of the ring for the files, if they take them. */
bool target_lend(void *arg, struct segment_lent *l);
void target_on_event(void *arg, enum pump_event event, int64_t now_ns);
/* Others work for t, whose end waits for them; nothing of it goes away before target_end_job. */
void target_begin_job(struct target *t);
void target_end_job(struct target *t);
/* Runs fn(t) in the crew, as such a job. */
void target_hand_to_crew(struct target *t, void (*fn)(void *job));
/* It ends; by the pump, or by whoever could not give it to the pump. */
void target_end(struct target *t, enum wire_end end);

/* ---- target_finish.c ---- */

/* For the crew. */
void target_finish(void *job);
/* Nothing of it goes on. The lock is held. */
void target_show_end(struct target *t, enum wire_end end);

/* ---- target_resume.c ---- */

/* Its files count what the former life left. Before target_declare. */
void target_go_on(struct target *t);
/* The ring is bound again: the gap is over. The lock is held. */
void target_close_gap(struct target *t);
/* It does not go on; no lock is held. */
void target_give_up(struct target *t, const struct err *why);
/* False: it has ended in a former life, or a limit is reached. */
bool target_may_go_on(struct target *t);

/* ---- target_live.c ---- */

/* Its interfaces become the feed's. */
void target_live_begin(struct target *t);
/* As target_on_event. */
void target_live_on_event(void *arg, enum pump_event event, int64_t now_ns);
/* For the crew: the end, statistics included. */
void target_live_finish(void *job);
void target_live_free(struct target_live *l);

/* ---- target_sync.c ---- */

/* With each tick of the pump: what was written is on the disk within some seconds. */
void target_sync(struct target *t, int64_t now_ns);

#endif
