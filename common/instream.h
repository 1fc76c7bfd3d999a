/* SPDX-License-Identifier: Apache-2.0
 *
 * instream.h - reading ahead from a descriptor, and looking at whole records in place
 *
 *	struct instream s = INSTREAM_INIT(fd);
 *	instream_need(&s, n)	s.data holds n bytes or more from the current position
 *	instream_skip(&s, n)	past n of them
 *	instream_release(&s)
 *
 * Any kind of descriptor; it stays the caller's. The buffer grows to what is needed: it is the
 * caller who bounds n.
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
};

#define INSTREAM_INIT(f) { (f), NULL, 0, 0, NULL, 0, false }

#define INSTREAM_E_SHORT 1	/* the end came before n bytes; have says how many there are */

/* 0, INSTREAM_E_SHORT, or -errno (never -EINVAL). Moves data. */
int instream_need(struct instream *s, size_t n);
/* n <= have */
void instream_skip(struct instream *s, size_t n);
void instream_release(struct instream *s);

#endif
