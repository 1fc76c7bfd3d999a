/* SPDX-License-Identifier: Apache-2.0
 *
 * verify.h - is an archive what its manifest and its digests say?
 *
 * Each file is read once, where it is, and nothing is written: its bytes go through SHA-256 and through
 * a reader of capture files side by side. What is compared:
 *
 *	each file's digest	with SHA256SUMS, and with the manifest
 *	each capture file	its structure, size, packets, first and last with the manifest
 *	files that are there	with those that SHA256SUMS and the manifest speak of, both ways
 *	a target's packets	with the sum of its files'
 */
#ifndef VERIFY_H
#define VERIFY_H

#include "account.h"

struct verify_result {
	size_t files;			/* capture files that were read */
	int64_t packets, bytes;		/* in them */
	size_t problems;
};

/* problem: called with a sentence for each; file: which, or "". Texts are not safe for a terminal. */
typedef void verify_problem(void *arg, const char *file, const char *text);

/*
 * 0 when it could be read to its end, whatever was found; -EINVAL: it is no archive of ours, or
 * hostile, or so damaged that nothing behind can be read; -EFBIG; else -errno.
 */
int verify_archive(const char *path, verify_problem *problem, void *arg, struct verify_result *out,
		   struct err *err);

#endif
