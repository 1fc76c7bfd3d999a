/* SPDX-License-Identifier: Apache-2.0
 *
 * outfile.h - one file that grows at its end, through aligned buffers past the page cache
 *
 *	outfile_open		the file is there, and empty
 *	outfile_reserve		room for n bytes in memory, to be filled now
 *	outfile_advance		so many of them were filled
 *	outfile_flush		what is in memory goes to the file: little is lost when we die
 *	outfile_finish		all of it is in the file, cut to its size, on the disk
 *
 * A file is used by one thread at a time. Large writes go past the page cache where the file
 * system lets them (O_DIRECT); a flush in the middle of a page then writes the page's rest as
 * zeros, and the page is written again when there is more: a reader of the unfinished file finds
 * whole blocks and then zeros. Little ones (less than OUTFILE_DIRECT_MIN) are plain writes,
 * which cost half as much. Without a disk (NULL) the caller's thread writes, from a buffer of the
 * file's own: for programs whose packets come over a network.
 */
#ifndef OUTFILE_H
#define OUTFILE_H

#include "checksum.h"
#include "disk.h"

#define OUTFILE_RESERVE_MAX (512u << 10)	/* more is never asked for at once */
#define OUTFILE_DIRECT_MIN (64u << 10)

struct outfile;

/* Creates dirfd/name, mode 0600, which must not exist. dirfd may be closed afterwards. */
int outfile_open(struct outfile **out, struct disk *d, int dirfd, const char *name,
		 struct err *err);
/* Waits until nothing of it is with the disk; what was not flushed is lost. NULL is fine. */
void outfile_free(struct outfile *o);
/*
 * n (up to OUTFILE_RESERVE_MAX) bytes of memory behind all that was put so far, or more: *room
 * becomes how many (room may be NULL). Valid until the next call. NULL: no buffer is free (ask again after disk_on_free), or writing failed (which it
 * says with the next buffer; outfile_error says it at once).
 */
uint8_t *outfile_reserve(struct outfile *o, size_t n, size_t *room);
void outfile_advance(struct outfile *o, size_t n);
/* For what is not a packet: never refused. 0, or -errno of a write that failed earlier. */
int outfile_put(struct outfile *o, const void *p, size_t n);
/* Bytes until the file's next page begins. */
size_t outfile_to_page(const struct outfile *o);
/*
 * Where a page begins, and with a disk: n bytes of whole pages are written from where they lie. They stay as they are
 * until done, which comes in any case, from another thread, and must not block.
 */
void outfile_lend(struct outfile *o, void *data, size_t n, void (*done)(void *arg), void *arg);
bool outfile_may_lend(const struct outfile *o);		/* it has a disk, and no write failed */
/* 0, or -errno of the first write that failed; it stays. */
int outfile_error(const struct outfile *o);
/* Bytes put so far, in memory or in the file. */
uint64_t outfile_size(const struct outfile *o);
/* Nothing waits in memory to be handed over. */
bool outfile_is_flushed(const struct outfile *o);
/* So many bytes are. */
uint64_t outfile_handed(const struct outfile *o);
/* Hands over what waits and gives the buffer back to the pool; does not wait for the disk. */
void outfile_flush(struct outfile *o);
/*
 * For another thread that is to sync what was written so far, while this one goes on: a descriptor of
 * its own (close it), or -errno.
 */
int outfile_share(const struct outfile *o);
/*
 * Blocks: everything written, the file cut to its size and synced (its data: the name is the
 * caller's). 0 or -errno. hex may be NULL; it becomes "" when bytes were lent, or came by more than
 * 5 MB a second: whoever reads the file takes its sum. Nothing is put afterwards.
 */
int outfile_finish(struct outfile *o, char hex[CHECKSUM_HEX]);

#endif
