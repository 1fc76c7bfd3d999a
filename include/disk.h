/* SPDX-License-Identifier: Apache-2.0
 *
 * disk.h - large aligned writes, by one thread for all files
 *
 * Who captures must never wait for a disk. The files (outfile.h) fill buffers out of a bounded
 * pool and hand them over; one thread writes them, in order. When the disk is slower than the
 * wire the pool runs dry: then outfile_reserve says so, and the caller decides what is dropped.
 *
 * A file that fills buffers gets large ones; one that writes a little now and then gets small ones,
 * so that a hundred quiet files need no more memory than what they wrote. Buffers are had from the
 * system when they are first needed, and given back when nobody needed them for two seconds.
 */
#ifndef DISK_H
#define DISK_H

#include "err.h"

#define DISK_BUFFER (2u << 20)
#define DISK_SMALL (64u << 10)
#define DISK_SMALLS 16u			/* small buffers for each large one */
#define DISK_ALIGN 4096u		/* of addresses, offsets and lengths: O_DIRECT's */

struct disk;

/* buffers: the large ones, at least 2; memory is at most buffers * (3 MiB and 24 KiB). */
int disk_start(struct disk **out, size_t buffers, struct err *err);
/* All files are closed by now. NULL is fine. */
void disk_stop(struct disk *d);
/*
 * fn is called, by the disk's thread or by who gives a buffer back, when one has come free after
 * somebody was refused one: try again. Set before the first file is opened. It must not block.
 */
void disk_on_free(struct disk *d, void (*fn)(void *arg), void *arg);
/* The pool is short: who has written all that came lately should hand its buffer over. No lock. */
bool disk_is_short(const struct disk *d);
/* Bytes of buffers that are in memory now. */
size_t disk_resident(struct disk *d);

#endif
