/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_attach.h - what the Engine says on a connection that attaches to a container; pure
 *
 * First the head of an HTTP answer: 101 (or 200, from engines that ignore the upgrade) and then raw
 * bytes, anything else is a refusal with a JSON body. The raw bytes of a container without a terminal
 * are frames: {stream, 0, 0, 0, big-endian length} and so many bytes; stream 1 is stdout, 2 stderr,
 * 3 the Engine's own complaint (moby's pkg/stdcopy). Frames may be cut anywhere by reads.
 */
#ifndef TAP_ATTACH_H
#define TAP_ATTACH_H

#include "err.h"

#define TAP_HEAD_MAX 16384		/* bytes of the answer's head */
#define TAP_FRAME_MAX (16u << 20)	/* more is damage: the Engine copies 32 KiB at a time */

struct tap_head {
	int status;
	size_t size;			/* of the head: the body begins there */
};

/* 0; -EAGAIN: not whole yet; -EPROTO: no answer of HTTP, or longer than TAP_HEAD_MAX. */
int tap_head_parse(const char *p, size_t n, struct tap_head *out, struct err *err);

enum tap_pipe { TAP_STDOUT = 1, TAP_STDERR = 2, TAP_SYSTEM = 3 };

struct tap_frames {
	uint8_t head[8];
	size_t have;			/* bytes of head */
	uint32_t left;			/* of the frame's data */
};

#define TAP_FRAMES_INIT { { 0 }, 0, 0 }

/* Not 0: the feeding ends with that. */
typedef int tap_frames_sink(void *arg, enum tap_pipe pipe, const void *p, size_t n);

/* Any piece of the stream. -EPROTO: damaged, and what follows cannot be understood. */
int tap_frames_feed(struct tap_frames *f, const void *p, size_t n, tap_frames_sink *sink, void *arg,
		    struct err *err);
/* Does the stream stand between two frames? */
bool tap_frames_whole(const struct tap_frames *f);

#endif
