/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_parts.h - what the tap's own files share; of no use to others
 *
 * A tap has at most one capture. `report` is what the fleet is shown; it and its targets' entries
 * are guarded by `lock`, as is what others want of a target. Each target has a thread, from its
 * start until its files are whole.
 */
#ifndef TAP_PARTS_H
#define TAP_PARTS_H

#include <pthread.h>

#include "fileset.h"
#include "tap.h"

#define TAP_STARTS_MAX 8	/* targets of one node that are being started at a time */

struct tap;

struct tap_target {
	struct tap *tap;
	size_t number;
	const struct wire_wanted *wanted;
	struct wire_target *seen;	/* the tap's lock */
	pthread_t thread;
	bool has_thread;
	bool settled;			/* armed or failed; the tap's lock */
	int wake;			/* eventfd */
	enum wire_end wanted_end;	/* the tap's lock */
};

struct tap {
	struct tap_place at;		/* strings are ours */
	int dirfd;			/* our folder in the staging folder */
	char *dir;
	char *peer;
	bool has_capture;
	struct wire_arm arm;
	struct wire_report report;
	struct tap_target *targets;
	size_t n_targets;
	size_t starting;		/* targets that are in source->start */
	int64_t skew_ns;		/* the node's clock minus ours, as far as known */
	int64_t arm_until_ns;		/* monotonic: what has not begun by then fails */

	pthread_mutex_t lock;
	pthread_cond_t changed;
};

/* tap.c */
extern const struct link_ops tap_ops;
struct tap *tap_new(const struct tap_place *at, struct err *err);

/* tap_target.c */
int tap_target_begin(struct tap_target *t, struct err *err);	/* its thread */
/* Returns at once; the first reason stays. */
void tap_target_stop(struct tap_target *t, enum wire_end end);
void tap_target_release(struct tap_target *t);			/* waits for its thread */

/* tap_pump.c: what a target's thread does once its source runs. */
struct tap_run {
	struct tap_target *t;
	struct tap_feed feed;
	struct tap_interface *interfaces;	/* the source's */
	size_t n_interfaces;
	struct tap_stream *stream;
	struct fileset *file;
	struct pcapng_stats *stats;		/* pcapng: per interface, as far as told */
	size_t n_stats;
	int64_t *indices;			/* per declared interface, the kernel's number */
	uint16_t link_type;
	int unanswered;				/* questions for an interface's name */
	bool classic, told, drained, full;
	enum wire_end end;
	int64_t stop_ns, told_ns, beat_ns;	/* told_ns, beat_ns: monotonic */
	struct err err;
};
/* Up to the stream's header and the first file. */
int tap_run_open(struct tap_run *r, struct err *err);
/* Until the stream has ended and all is said. */
void tap_run_pump(struct tap_run *r);
void tap_run_release(struct tap_run *r);

/* tap_interface.c: which interface a packet is from. */
/* Declares those known of a stream whose packets have this link type. */
int tap_run_declare(struct tap_run *r, uint16_t link_type, struct err *err);
/* One that a pcapng stream tells. */
struct tap_event;
int tap_run_declare_told(struct tap_run *r, const struct tap_event *e, struct err *err);
/* The declared number of the kernel's; one not seen before is asked for. */
int tap_run_interface(struct tap_run *r, int64_t index, uint32_t *out, struct err *err);
void tap_run_show_interfaces(struct tap_run *r);

/* tap_files.c: what its fileset tells of rotated files; adds or removes the target's entry. */
void tap_run_make_files(struct tap_run *r, bool classic);
void tap_run_add_file(void *arg, struct wire_file *f);

/* One read of talk into heard, waiting so long. 1: the end. */
int tap_read_talk(struct tap_feed *f, int timeout_ms);
void tap_note(struct tap_target *t, const char *text);

#endif
