/* SPDX-License-Identifier: Apache-2.0
 *
 * readahead.h - regular files that are read in turns, each one piece ahead, by a thread of its own
 *
 *	r = readahead_new(&pool, n)		for n files at most at a time
 *	f = readahead_open(r, fd, begin, size)
 *	readahead_next(f, &piece)		the next bytes of it
 *	readahead_close(f)			each
 *	readahead_free(r)
 *
 * Copying out of the page cache is half of what a merge costs, so a second processor halves its time. Who
 * needs a piece that the thread has not begun to read reads it without waiting: on one processor, or a busy
 * one, all is as without a thread. The thread is woken for several pieces at once, since
 * waking costs as much as reading one. All calls are of the pool's thread.
 */
#ifndef READAHEAD_H
#define READAHEAD_H

#include <sys/types.h>

#include "instream.h"

struct readahead;
struct readahead_file;

struct readahead *readahead_new(struct instream_pool *pool, size_t files);
/* After its files. NULL is fine. */
void readahead_free(struct readahead *r);
/* size bytes from begin on, or up to the end (-1). fd stays the caller's, and where it stands does not change. */
struct readahead_file *readahead_open(struct readahead *r, int fd, off_t begin, off_t size);
void readahead_close(struct readahead_file *f);
/*
 * How many bytes there are at data + INSTREAM_LEAD of *piece, which is the caller's then; 0 at the end, or
 * -errno: no piece.
 */
ssize_t readahead_next(struct readahead_file *f, struct instream_piece **piece);

#endif
