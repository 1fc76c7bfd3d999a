/* SPDX-License-Identifier: Apache-2.0
 *
 * buf.c - a byte buffer that grows up to its ceiling
 *
 * size is what is allocated, 0 while data is buf_empty, which nobody ever writes to. Between
 * calls len < size or size == 0, so there is always room for the NUL.
 */
#include "buf.h"

#include <errno.h>
#include <string.h>

#define FIRST_SIZE 256

char buf_empty[1];

static int reserve(struct buf *b, size_t n)
{
	size_t size = b->size ? b->size : FIRST_SIZE;

	if (b->len > b->ceiling || n > b->ceiling - b->len)
		return -EFBIG;
	if (b->size > b->len + n)
		return 0;

	while (size <= b->len + n)
		size *= 2;
	b->data = xrealloc(b->size ? b->data : NULL, size, 1);
	b->size = size;
	return 0;
}

int buf_add(struct buf *b, const void *p, size_t n)
{
	int rc = reserve(b, n);

	if (rc < 0)
		return rc;
	if (n > 0)
		memcpy(b->data + b->len, p, n);
	b->len += n;
	b->data[b->len] = '\0';
	return 0;
}

int buf_addf(struct buf *b, const char *fmt, ...)
{
	va_list ap;
	int n, rc;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0)
		return -EFBIG;

	rc = reserve(b, (size_t)n);
	if (rc < 0)
		return rc;
	va_start(ap, fmt);
	vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->len += (size_t)n;
	return 0;
}

/* Drives a terminal, or turns the order of what it shows: C0, DEL, C1, line and bidi controls. */
static bool is_control(uint32_t cp)
{
	return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x200e || cp == 0x200f ||
	       (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

/* How many bytes at s are shown as they are; 0: *bad bytes are shown as \xNN. */
static size_t plain_run(const char *s, size_t *bad)
{
	size_t len = 0, n;
	uint32_t cp;

	while ((n = str_utf8(s + len, &cp)) && !is_control(cp))
		len += n;
	*bad = n ? n : 1;
	return len;
}

int buf_add_safe(struct buf *b, const char *text)
{
	size_t before = b->len, run, bad;
	int rc = 0;

	while (rc == 0 && *text) {
		run = plain_run(text, &bad);
		rc = buf_add(b, text, run);
		text += run;
		for (; rc == 0 && *text && bad > 0; bad--)
			rc = buf_addf(b, "\\x%02x", (unsigned char)*text++);
	}
	if (rc < 0 && b->size) {
		b->len = before;
		b->data[before] = '\0';
	}
	return rc;
}

void buf_reset(struct buf *b)
{
	b->len = 0;
	if (b->size)
		b->data[0] = '\0';
}

void buf_release(struct buf *b)
{
	if (b->size)
		free(b->data);
	b->data = buf_empty;
	b->len = b->size = 0;
}

char *buf_take(struct buf *b)
{
	char *text = b->size ? b->data : xstrdup("");

	b->data = buf_empty;
	b->len = b->size = 0;
	return text;
}
