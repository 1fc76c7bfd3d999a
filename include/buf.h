/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.h - a byte buffer that grows up to its ceiling
 *
 *	struct buf b = BUF_INIT(1 << 20);
 *	buf_add(&b, p, n)		0 or -EFBIG, and then b is unchanged
 *	buf_release(&b)
 *
 * data is always NUL-terminated (the NUL is not counted), "" when empty.
 */
#ifndef BUF_H
#define BUF_H

#include "util.h"

struct buf {
	char *data;
	size_t len, size, ceiling;
};

extern char buf_empty[1];
#define BUF_INIT(max) { buf_empty, 0, 0, (max) }
#define cleanup_buf cleanup(buf_release)

int buf_add(struct buf *b, const void *p, size_t n);
int buf_addf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
/* text with control characters (C0, DEL, C1, bidi) and bytes that are not UTF-8 as \xNN */
int buf_add_safe(struct buf *b, const char *text);
void buf_reset(struct buf *b);
void buf_release(struct buf *b);
/* The text, owned by the caller (free); b is empty afterwards. */
char *buf_take(struct buf *b);

#endif
