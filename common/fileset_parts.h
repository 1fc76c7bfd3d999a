/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_parts.h - what the files of a fileset share; of no use to others
 */
#ifndef FILESET_PARTS_H
#define FILESET_PARTS_H

#include "fileset.h"

#include <pthread.h>
#include <stdatomic.h>

#define FILESET_NUMBER_MAX 999999	/* segment_parse_name reads six digits */

/* The interfaces of one link type, and the file that is being written. */
struct fileset_group {
	uint16_t link_type;
	char *suffix;			/* NULL: the first interface's */
	struct pcapng_interface *interfaces;
	size_t n;
	uint32_t *numbers;		/* of all interfaces: in the file, or SEGMENT_OTHER */
	size_t n_numbers;
	struct segment *segment;	/* NULL: no packet since the last one ended */
	int number;			/* of the segment, or of the next one */
	uint64_t empty_size;		/* of the segment, before its first packet */
	int64_t start_ns;		/* of the segment; wall clock */
	int64_t until_ns;		/* packets from then on are the next one's; wall clock */
	int64_t latest_ns;		/* when it ends without such a packet; monotonic */
};

struct fileset_where {
	size_t group, index;
};

/* A file that was rotated away: being finished, whole, or to be removed. */
struct fileset_old {
	struct fileset *f;
	struct fileset_old *next;	/* younger */
	size_t group;
	int number;
	char *suffix;
	struct segment *segment;	/* NULL: it is whole */
	struct segment_end end;
	char *name;
	int64_t packets, bytes;
	bool unwanted;			/* under the lock: its place in the ring is taken */
};

struct fileset {
	struct fileset_plan plan;	/* wanted, arm: borrowed; texts are ours */
	struct fileset_group *groups;
	size_t n_groups;
	struct fileset_old *former;	/* of a former life, until their group is there */
	struct fileset_where *where;	/* per interface */
	size_t n;
	struct pcapng_name *names;
	int64_t packets;
	int64_t base_ns;		/* intervals of rotation begin there; 0: no file yet */
	int64_t old_bytes, old_truncated;	/* of all files that were rotated away, or ended */
	int64_t dropped, dropped_told;	/* so far; in files that ended */

	pthread_mutex_t lock;		/* of the rest */
	pthread_cond_t done;
	struct fileset_old *old;	/* the oldest first */
	unsigned jobs;
	int64_t packets_lost;
	int64_t removed_packets, removed_bytes;
	atomic_uint n_old;
};

/* fileset.c: how large the group's file may become, the others being as they are; 0: no limit */
uint64_t fileset_room_for(const struct fileset *f, const struct fileset_group *g);
/* fileset.c: what the group's file may still take before it ends, or the capture does */
struct segment_run fileset_run(const struct fileset *f, const struct fileset_group *g);

/* fileset_end.c */
char *fileset_file_name(const struct fileset *f, const struct fileset_group *g);
/* The group's file ends, in another thread; the group has none then. */
void fileset_rotate(struct fileset *f, struct fileset_group *g);
bool fileset_may_rotate(const struct fileset *f, const struct fileset_group *g);
/* Makes place in the ring for a file that is about to begin. */
void fileset_make_place(struct fileset *f, const struct fileset_group *g);
void fileset_wait(struct fileset *f);
void fileset_forget_old(struct fileset *f);

/* fileset_former.c: the group is new: its files of a former life, and the number behind them */
void fileset_adopt(struct fileset *f, struct fileset_group *g);
void fileset_old_free(struct fileset_old *o);

/* fileset_time.c; ts_ns: of the first packet, or the present */
void fileset_set_interval(struct fileset *f, struct fileset_group *g, int64_t ts_ns);
void fileset_end_interval(struct fileset *f, struct fileset_group *g, int64_t now_ns);

#endif
