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

#include "pcapng.h"
#include "wire.h"

#define SEGMENT_BUFFER (384 << 10)	/* holds any packet: snaplen 262144 and its block */

#define SEGMENT_E_FULL 1		/* the packet does not fit into `room` */

/* Who decides on each byte before it is written; take: -EDQUOT, -ENOSPC or -errno with err. */
struct segment_room {
	int (*take)(void *arg, int64_t n, struct err *err);
	void (*give)(void *arg, int64_t n);
	void *arg;
};

struct segment_plan {
	struct segment_room room;	/* zeros: nobody */
	int dirfd;			/* of the capture; borrowed for the segment's life */
	const char *name;		/* its extension is the format */
	struct pcapng_section section;
	const struct pcapng_interface *interfaces;
	size_t n_interfaces;		/* at least 1, all of one link type */
	const struct pcapng_name *names;
	size_t n_names;
	const char *stats_comment;	/* on the first interface's statistics; may be NULL */
	bool one_count;			/* only the first interface's statistics have counts */
};

struct segment;

/* The plan's texts are not needed afterwards, but for stats_comment. */
int segment_open(struct segment **out, const struct segment_plan *p, struct err *err);
void segment_free(struct segment *s);
/* Frees it and removes the hidden file. */
void segment_discard(struct segment *s);
/* The size that the file will have if it is committed now: exact. */
uint64_t segment_size(const struct segment *s);
/*
 * Takes the packet if segment_size() then is at most max_size (0: no limit). 0,
 * SEGMENT_E_FULL; -EDQUOT, -ENOSPC (the floor) or -errno of writing: the packet was not taken.
 */
int segment_add(struct segment *s, const struct pcapng_packet *p, uint64_t max_size,
		struct err *err);
/*
 * One more interface, of the same link type, behind the others; within max_size as segment_add. A
 * classic file has none to add.
 */
int segment_add_interface(struct segment *s, const struct pcapng_interface *i, uint64_t max_size,
			  struct err *err);
bool segment_is_flushed(const struct segment *s);
/* Writes out what is older than age_ms: little is lost when the agent dies. */
int segment_flush_aged(struct segment *s, int age_ms, struct err *err);
/*
 * stats: one per interface, in order; its counts, < 0: not known. Writes the file's facts (name,
 * bytes, packets, times, digest) into out; suffix and segment number are the caller's.
 */
int segment_commit(struct segment *s, const struct pcapng_stats *stats, struct wire_file *out,
		   struct err *err);

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
