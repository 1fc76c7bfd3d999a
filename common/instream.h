/* SPDX-License-Identifier: Apache-2.0
 *
 * instream.h - reading ahead from a descriptor, and looking at whole records in place
 *
 *	struct instream s = INSTREAM_INIT(fd);
 *	instream_need(&s, n)	s.data holds n bytes or more from the current position
 *	instream_skip(&s, n)	past n of them
 *	instream_release(&s)
 *
 * Any kind of descriptor; it stays the caller's. Or, with `read` set, any source: it answers as
 * read(2) does, but with -errno. The buffer grows to what is needed: it is the caller who bounds n.
 *
 * Who looks ahead sets `pool` before anything is read: then what was skipped stays where it is in
 * memory, and so do pointers to it, until instream_drop. What was dropped can still be read until
 * instream_pool_settle: only then is it used again, by whichever stream of the pool reads next, so that
 * it is in the processor's cache. A pool is used by one thread, and outlives its streams.
 */
#ifndef INSTREAM_H
#define INSTREAM_H

#include "util.h"

struct instream_piece {		/* of memory: one read, or more */
	struct instream_piece *next;
	uint64_t end;			/* the offset behind its last byte that was skipped */
	size_t size;
	uint8_t data[];
};

struct instream_pool {
	size_t size;			/* of a piece: its streams' read_size; 256 KiB at most */
	struct instream_piece *settled, *dropped;
	struct instream_chunk *chunks;
};

struct instream {
	int fd;
	uint8_t *data;		/* at the current position, have bytes */
	size_t have;
	uint64_t offset;	/* of the current position, counted from the first byte read */
	uint8_t *memory;
	size_t size;
	bool ended;
	struct instream_pool *pool;
	struct instream_piece *piece;		/* that memory is in, with a pool */
	struct instream_piece *first, *last;	/* before it, not dropped yet */
	struct readahead_file *ahead;		/* with a pool: where pieces come from; ours then */
	size_t read_size;	/* the buffer's, and so of a read */
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
};

#define INSTREAM_READ_SIZE (256u << 10)
#define INSTREAM_INIT(f) { .fd = (f), .read_size = INSTREAM_READ_SIZE }

#define INSTREAM_E_SHORT 1	/* the end came before n bytes; have says how many there are */

/* Room in front of what was read ahead (readahead.h), for what is left of the piece before. */
#define INSTREAM_LEAD 2048u

/* 0, INSTREAM_E_SHORT, or -errno (never -EINVAL). Moves data (without a pool, all that was read). */
int instream_need(struct instream *s, size_t n);
/* n <= have */
void instream_skip(struct instream *s, size_t n);
void instream_release(struct instream *s);
/* Nothing before this offset is wanted any more. */
void instream_drop(struct instream *s, uint64_t offset);

/* instream_pool.c; of another size than the pool's: for one record */
struct instream_piece *instream_pool_take(struct instream_pool *p, size_t size);
/* NULL is fine. */
void instream_pool_drop(struct instream_pool *p, struct instream_piece *piece);
void instream_pool_settle(struct instream_pool *p);
void instream_pool_release(struct instream_pool *p);

#endif
