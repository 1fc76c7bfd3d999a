/* SPDX-License-Identifier: Apache-2.0
 *
 * disk_parts.h - what a disk and its files share; of no use to others
 */
#ifndef DISK_PARTS_H
#define DISK_PARTS_H

#include "disk.h"

#include <pthread.h>

struct outfile;

/* A buffer, and with it what is to be written: one order at a time. */
struct disk_buffer {
	uint8_t *data;
	uint8_t *stage;			/* DISK_STAGE bytes beside it, of a large one; or NULL */
	size_t size;
	size_t index;			/* in its pool; DISK_EXTRA: of none */
	struct outfile *file;
	uint64_t offset;		/* in the file, of data[0]; whole pages */
	size_t skip, len;		/* data[0..skip) is in the file; up to len is to be */
	void (*done)(void *arg);	/* of one that is lent: it is written, or will never be */
	void *arg;
	struct disk_buffer *next;	/* NULL, but while the disk has it */
};

#define DISK_EXTRA SIZE_MAX
#define DISK_LENT (SIZE_MAX - 1)	/* data is somebody else's memory (outfile_lend) */
#define DISK_STAGE (24u << 10)		/* the processor's nearest cache holds it */

/*
 * need: bytes that must fit. large: better a large one. NULL: none is free. For what cannot wait
 * there is `must`: a small one beyond the pool. That is no leak of memory: a file takes at most
 * one so, for a header or a trailer, and without it who holds buffers of some files could wait
 * for a buffer for another, for ever.
 */
struct disk_buffer *disk_take(struct disk *d, const struct outfile *o, size_t need, bool large,
			      bool must);
void disk_give(struct disk *d, struct disk_buffer *b);
/*
 * For one order of data, len bytes of whole pages, which stays the caller's, unchanged until done. That is called under
 * the disk's lock and must not block.
 */
struct disk_buffer *disk_lend(void *data, size_t len, void (*done)(void *arg), void *arg);
/* The disk's thread calls outfile_write for it, and gives it back. */
void disk_submit(struct disk *d, struct disk_buffer *b);
/* Until the disk has nothing of the file. *pending and idle belong to the file. */
void disk_wait(struct disk *d, const unsigned *pending, pthread_cond_t *idle);

/* ---- outfile_write.c ---- */

/* One call can write both: next is of the same file, and begins where b ends. */
bool outfile_joins(const struct disk_buffer *b, const struct disk_buffer *next);
/* Writes b, and the one that joins it (b->next, or NULL). */
void outfile_write(struct disk_buffer *b);

/* ---- outfile.c ---- */

/* Under the disk's lock. */
void outfile_count(struct outfile *o, int by);
unsigned outfile_pending(const struct outfile *o);

#endif
