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
 * Who looks ahead sets `keeps`: then what was skipped stays in memory (`behind` bytes in front of
 * data) until the caller makes `behind` smaller.
 */
#ifndef INSTREAM_H
#define INSTREAM_H

#include "util.h"

struct instream {
	int fd;
	uint8_t *data;		/* at the current position, have bytes */
	size_t have;
	uint64_t offset;	/* of the current position, counted from the first byte read */
	uint8_t *memory;
	size_t size;
	bool ended;
	bool keeps;
	size_t behind;
	size_t read_size;	/* the buffer's, and so of a read */
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
};

#define INSTREAM_READ_SIZE (256u << 10)
#define INSTREAM_INIT(f) { .fd = (f), .read_size = INSTREAM_READ_SIZE }

#define INSTREAM_E_SHORT 1	/* the end came before n bytes; have says how many there are */

/* 0, INSTREAM_E_SHORT, or -errno (never -EINVAL). Moves data. */
int instream_need(struct instream *s, size_t n);
/* n <= have */
void instream_skip(struct instream *s, size_t n);
void instream_release(struct instream *s);

#endif
