/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.h - one capture file, hidden until it is whole
 *
 *	segment_open		".<name>.part" with section, interfaces and names
 *	segment_add		a packet, as long as it fits
 *	segment_commit		statistics, flush, rename; the file's facts in a wire_file
 *	segment_free		what was not committed stays hidden and is found by recovery
 *
 * A classic pcap file has the first interface's link type and snaplen in its header, and neither
 * names nor statistics.
 *
 * Files are named <target>-<segment>[-<suffix>].<format>, e.g. 0-000.pcapng, 3-000-raw.pcap.
 */
#ifndef SEGMENT_H
#define SEGMENT_H

#include "disk.h"
#include "pcapng.h"
#include "wire.h"

#define SEGMENT_ROOM_STEP (384 << 10)	/* room is taken so; more than any packet's block */

#define SEGMENT_E_FULL 1		/* not taken: it does not fit into max_size */
#define SEGMENT_E_BUSY 2		/* not taken: the disk is behind (disk_on_free) */

/* Who decides on each byte before it is written; take: -EDQUOT, -ENOSPC or -errno with err. */
struct segment_room {
	int (*take)(void *arg, int64_t n, struct err *err);
	void (*give)(void *arg, int64_t n);
	void *arg;
};

struct segment_plan {
	struct segment_room room;	/* zeros: nobody */
	struct disk *disk;		/* NULL: written by the caller's thread */
	int dirfd;			/* of the capture; borrowed for the segment's life */
	const char *name;		/* its extension is the format */
	struct pcapng_section section;
	const struct pcapng_interface *interfaces;
	size_t n_interfaces;		/* at least 1, all of one link type */
	const struct pcapng_name *names;
	size_t n_names;
	const char *stats_comment;	/* on the first interface's statistics; may be NULL */
	bool counts_drops;		/* they are known when it ends */
};

struct segment;

/* The plan's texts are not needed afterwards, but for stats_comment. */
int segment_open(struct segment **out, const struct segment_plan *p, struct err *err);
void segment_free(struct segment *s);
/* Frees it and removes the hidden file. */
void segment_discard(struct segment *s);
/*
 * The size that the file will have if it is committed now: exact (32 bytes more where
 * drops were to be counted, and are not known).
 */
uint64_t segment_size(const struct segment *s);
int64_t segment_packets(const struct segment *s);
int64_t segment_truncated(const struct segment *s);	/* of them, shorter than they were */

#define SEGMENT_OTHER UINT32_MAX
struct segment_run {
	/* pcapng_packet.interface to its number in this file; SEGMENT_OTHER: it is of another one */
	const uint32_t *numbers;
	uint64_t max_size;	/* segment_size() may become so large; 0: no limit */
	int64_t until_ns;	/* packets from then on are another file's; INT64_MAX: none */
};

/*
 * Takes packets in their order; *taken becomes how many. 0: all, or up to one that is another file's.
 * Else it says why the one behind them was not taken: SEGMENT_E_*; -EDQUOT, -ENOSPC (the floor) or
 * -errno of a write that failed. No system call but once in SEGMENT_ROOM_STEP.
 */
int segment_add(struct segment *s, const struct segment_run *run, const struct pcapng_packet *p,
		size_t n, size_t *taken, struct err *err);
/*
 * Many packets that lie in memory and become a piece of a pcapng file there, instead of being copied. `data` is `size`
 * bytes, whole pages; what it holds is known, and it is unchanged until lay is called.
 */
struct segment_lent {
	void *data;
	size_t size;
	uint32_t packets, truncated;
	int64_t first_ns, last_ns;	/* the least and the greatest time */
	const uint32_t *counts;		/* packets by pcapng_packet.interface */
	size_t n_counts;
	/* It is taken. numbers: as a run's; of interfaces with packets none is SEGMENT_OTHER. */
	void (*lay)(struct segment_lent *l, const uint32_t *numbers);
	/* It is not needed any more. Called by another thread, and must not block. */
	void (*done)(struct segment_lent *l);
};
/*
 * All of it (the file then has no checksum), or false: not taken, and unchanged, since it is not all of this run, or does
 * not fit, or the disk is behind, or room can't be had; segment_add tells. In front of it the page is filled up. When it
 * is taken, l may be done with before this returns.
 */
bool segment_lend(struct segment *s, const struct segment_run *run, struct segment_lent *l);
/*
 * One more interface, of the same link type, behind the others; within max_size as segment_add, but
 * never busy. A classic file has none to add.
 */
int segment_add_interface(struct segment *s, const struct pcapng_interface *i, uint64_t max_size,
			  struct err *err);
bool segment_is_flushed(const struct segment *s);
/*
 * From time to time: hands over what may be older than age_ms and the time since the last call (age 0: all),
 * so that little is lost when we die. now_ns: monotonic. 0, or -errno of a write that failed.
 */
int segment_tick(struct segment *s, int64_t now_ns, int age_ms, struct err *err);

/*
 * For a sync by another thread: a descriptor (close it). -1: nothing was put since the last one, or none
 * can be had.
 */
int segment_share(struct segment *s);

struct segment_end {
	int64_t start_ns, end_ns;
	int64_t dropped;	/* while it was written, of all interfaces; < 0: not known */
};
/*
 * Statistics per interface: the packets taken; drops stand on the first, since a socket has one
 * count. Writes the file's facts (name, bytes, packets, times, checksum) into out; suffix and
 * segment number are the caller's. Blocks until it is on the disk.
 */
int segment_commit(struct segment *s, const struct segment_end *end, struct wire_file *out,
		   struct err *err);
/* After a commit that failed: what is whole gets its name, as segment_salvage. Frees s. */
int segment_rescue(struct segment *s, struct wire_file *out, struct err *err);

/* The facts of a whole file that was renamed before anybody noted them. */
int segment_inspect(int dirfd, const char *name, struct wire_file *out, struct err *err);
/*
 * A hidden file that nobody writes any more: cut after its last whole block and given its
 * name. 0; -ENODATA: not one whole block was in it, and it is removed; or -errno.
 */
int segment_salvage(int dirfd, const char *name, struct wire_file *out, struct err *err);

/* <target>-<segment>[-<suffix>].<format>. Free it. */
char *segment_file_name(size_t target, int segment, const char *suffix, enum wire_format format);
/* The parts of such a name; suffix (free it) is NULL when there is none. False: no such name. */
bool segment_parse_name(const char *name, size_t *target, int *segment, char **suffix);
/* By the extension of such a name. */
enum wire_format segment_format_of(const char *name);
/* ".<name>.part", the hidden name of a file that is not whole. Free it. */
char *segment_hidden_name(const char *name);

#endif
