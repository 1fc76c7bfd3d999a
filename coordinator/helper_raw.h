/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_raw.h - what http.h cannot ask of the Engine: a file up, a stream down, an upgrade
 *
 * Over one connected socket that is spent afterwards. HTTP/1.0, so that no answer comes in chunks.
 * All end at until_ns (monotonic) with -ETIMEDOUT, and within a second of *cancel with -ECANCELED.
 */
#ifndef HELPER_RAW_H
#define HELPER_RAW_H

#include "buf.h"
#include "tap_attach.h"

#define RAW_ANSWER_MAX 65536	/* bytes of a refusal, or of one line */

struct raw {
	int fd;
	int64_t until_ns;
	volatile bool *cancel;		/* or NULL */
};

int raw_put(const struct raw *x, const void *p, size_t n, struct err *err);
/* size bytes of file */
int raw_put_file(const struct raw *x, int file, int64_t size, struct err *err);
/* b: the head and what came with it. */
int raw_get_head(const struct raw *x, struct buf *b, struct tap_head *out, struct err *err);
/*
 * The rest of an answer of JSON lines after raw_get_head: the last "error" among them, or
 * the refusal's "message", is the result (-EIO); -EACCES and -ENOENT by status.
 */
int raw_get_lines(const struct raw *x, struct buf *b, const struct tap_head *h, struct err *err);

#endif
