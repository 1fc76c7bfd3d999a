/* SPDX-License-Identifier: Apache-2.0
 *
 * outfile_parts.h - what filling a file (outfile.c) and writing it (outfile_write.c) share
 */
#ifndef OUTFILE_PARTS_H
#define OUTFILE_PARTS_H

#include <stdatomic.h>

#include "disk_parts.h"
#include "outfile.h"

/*
 * Of the fields that the writing thread changes, `pending` is under the disk's lock, `error` is
 * atomic, and the others are touched by one write at a time, and by others only when pending is 0.
 */
struct outfile {
	struct disk *disk;
	struct disk_buffer *b;		/* NULL: all is handed over */
	size_t fill, summed;		/* bytes in b; those that the checksum knows */
	size_t room;			/* behind them; 0 without a buffer */
	bool staged;			/* those in between are in b's stage, not in its data */
	uint64_t size;
	struct checksum *sum;		/* NULL: bytes were lent, or came too fast */
	int64_t begun_ns;		/* monotonic: b's filling */
	bool busy;			/* the last buffer was much used: the next is a large one */
	uint8_t tail[DISK_ALIGN];	/* without a buffer: the last page's bytes */
	struct disk_buffer own;		/* without a disk */

	unsigned pending;
	pthread_cond_t idle;
	atomic_int error;
	/* the writing thread's */
	int fd;
	bool can_direct, is_direct;
	uint64_t file_size;
};

#endif
