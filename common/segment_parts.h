/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_parts.h - what filling a segment (segment.c) and ending it (segment_end.c) share
 */
#ifndef SEGMENT_PARTS_H
#define SEGMENT_PARTS_H

#include "outfile.h"
#include "segment.h"

#define SEGMENT_HEADER_MAX (4u << 20)	/* section, interfaces and up to WIRE_HOSTS_MAX names */

struct segment {
	struct outfile *file;
	enum wire_format format;
	uint64_t trailer;		/* bytes of it */
	uint64_t taken;			/* of the spool's room */
	uint64_t shared;		/* its size when it was shared last */
	int64_t packets, truncated;
	int64_t first_ns, last_ns;	/* the least and the greatest time so far */
	size_t n_interfaces;		/* with statistics in the trailer */
	int64_t *received;		/* packets of each */
	int64_t clean_ns;		/* monotonic: nothing in memory is older, but for a tick */
	uint64_t handed;		/* bytes that were handed over by then */
	struct segment_room room;
	int dirfd;
	char *name, *hidden;
	const char *stats_comment;
	bool counts_drops;
};

/* ---- segment.c ---- */

/* Room of the spool, so that n more bytes may be put. As segment_room.take. */
int segment_take_ahead(struct segment *s, uint64_t n, struct err *err);

/* ---- segment_end.c ---- */

/* s->trailer becomes what its interfaces' statistics will take. 0, or -errno: too large. */
int segment_measure_trailer(struct segment *s);
int segment_failed(const struct segment *s, int r, struct err *err);
/* Frees it; kept: bytes of it that stay on the disk. */
void segment_release(struct segment *s, uint64_t kept);

#endif
