/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_attach.c - what the Engine says on a connection that attaches to a container
 */
#include "tap_attach.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define STATUS_LINE "HTTP/1."

static bool is_status_line(const char *p, size_t n)
{
	const size_t prefix = sizeof(STATUS_LINE) - 1;

	if (n > prefix)
		n = prefix;
	return memcmp(p, STATUS_LINE, n) == 0;
}

/* "HTTP/1.1 101 UPGRADED": -1 for none. */
static int status_of(const char *p, size_t n)
{
	if (n < 13 || p[8] != ' ' || !isdigit((unsigned char)p[9]) ||
	    !isdigit((unsigned char)p[10]) || !isdigit((unsigned char)p[11]))
		return -1;
	return (p[9] - '0') * 100 + (p[10] - '0') * 10 + (p[11] - '0');
}

int tap_head_parse(const char *p, size_t n, struct tap_head *out, struct err *err)
{
	size_t looked = n < TAP_HEAD_MAX ? n : TAP_HEAD_MAX;
	const char *end = memmem(p, looked, "\r\n\r\n", 4);
	int status;

	if (!is_status_line(p, n))
		return err_set(err, -EPROTO, "what answers is not Docker: no HTTP");
	if (!end && n < TAP_HEAD_MAX)
		return -EAGAIN;
	if (!end)
		return err_set(err, -EPROTO, "the head of Docker's answer is too long");
	status = status_of(p, (size_t)(end - p) + 4);
	if (status < 100)
		return err_set(err, -EPROTO, "what answers is not Docker: no status");
	*out = (struct tap_head){ .status = status, .size = (size_t)(end - p) + 4 };
	return 0;
}

/* The frame's head is whole. */
static int begin_frame(struct tap_frames *f, struct err *err)
{
	f->left = (uint32_t)f->head[4] << 24 | (uint32_t)f->head[5] << 16 |
		  (uint32_t)f->head[6] << 8 | f->head[7];
	if (f->head[0] < TAP_STDOUT || f->head[0] > TAP_SYSTEM || f->head[1] || f->head[2] ||
	    f->head[3] || f->left > TAP_FRAME_MAX)
		return err_set(err, -EPROTO,
			       "the stream of the container is damaged: no frame begins here");
	if (!f->left)
		f->have = 0;
	return 0;
}

static size_t fill_head(struct tap_frames *f, const uint8_t *p, size_t n)
{
	size_t want = sizeof(f->head) - f->have;

	if (n > want)
		n = want;
	memcpy(f->head + f->have, p, n);
	f->have += n;
	return n;
}

int tap_frames_feed(struct tap_frames *f, const void *from, size_t n, tap_frames_sink *sink,
		    void *arg, struct err *err)
{
	const uint8_t *p = from;
	int r = 0;

	while (!r && n) {
		size_t used;

		if (f->have < sizeof(f->head)) {
			used = fill_head(f, p, n);
			if (f->have == sizeof(f->head))
				r = begin_frame(f, err);
		} else {
			used = n < f->left ? n : f->left;
			r = sink(arg, (enum tap_pipe)f->head[0], p, used);
			f->left -= (uint32_t)used;
			if (!f->left)
				f->have = 0;
		}
		p += used;
		n -= used;
	}
	return r;
}

bool tap_frames_whole(const struct tap_frames *f)
{
	return f->have == 0;
}
