/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_file.h - what a client needs as one file: for a CI secret
 *
 *	# swarmcap credentials
 *	the CA's certificate, the client's certificate, the client's key; PEM, in this order
 *
 * Text outside of the PEM blocks is of no meaning. The file is read into memory and never written
 * to disk again: its parts live in memfds, since libcurl wants files.
 */
#ifndef CREDS_FILE_H
#define CREDS_FILE_H

#include "err.h"

#define CREDS_FILE_MAX (64u << 10)

enum creds_part { CREDS_PART_CA, CREDS_PART_CLIENT, CREDS_PART_KEY, CREDS_PARTS };

/* Of a text: where each part begins, and its length. */
struct creds_text {
	const char *part[CREDS_PARTS];
	size_t len[CREDS_PARTS];
};

/* -EINVAL: not these three blocks in this order. What is in them is not looked at. Pure. */
int creds_file_split(const char *text, struct creds_text *out, struct err *err);
/* From the directory of a deployer or a client to the file; one of ours there is replaced. */
int creds_file_export(const char *dir, const char *file, struct err *err);
/* The parts of a file as descriptors of memory, mode 0600, to be closed. -EINVAL, or -errno. */
int creds_file_open(const char *file, int fds[CREDS_PARTS], struct err *err);

#endif
