/* SPDX-License-Identifier: Apache-2.0
 *
 * err.h - an error is a sentence
 *
 * A function that can fail returns 0 or -errno, and takes a `struct err *` as its last
 * argument. It is filled once, where the facts are known, and printed once, at the top;
 * nobody between prints. On success it is untouched. Positive results are named conditions
 * (X_E_*) of that one function, which its caller must handle; they leave err alone unless
 * the header says otherwise.
 *
 * The sentence is lower-case, has no full stop, says what failed first, then on which node
 * and task, then what to do: "cannot read the spool: No space left on device (node n2)".
 * err may be NULL everywhere.
 */
#ifndef ERR_H
#define ERR_H

#include "util.h"

#define ERR_TEXT_MAX 2048

struct err {
	int code;		/* -errno, 0 when nothing happened */
	char text[ERR_TEXT_MAX];
};

#define ERR_INIT { 0, "" }

/* Fills err unless it is filled already; returns code (must be < 0). */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF(3, 4);
/* The same with -errno and ": strerror" behind the sentence. */
int err_errno(struct err *err, const char *fmt, ...) PRINTF(2, 3);
/* Adds where and what to do to the end of a filled sentence. err->code, or -EIO for NULL. */
int err_add(struct err *err, const char *fmt, ...) PRINTF(2, 3);
void err_reset(struct err *err);

#endif
