/* SPDX-License-Identifier: Apache-2.0
 *
 * unbundle.h - the files of an archive, one after another, without unpacking it
 *
 * The counterpart of bundle.h: .tar, plain or compressed with gzip or zstd, and .zip (libarchive tells them
 * by content), or a folder of plain files. Nothing is written anywhere; memory is flat.
 *
 *	unbundle_open(&u, path, err)
 *	while ((n = unbundle_next(u, &e, err)) == 0)
 *		while ((got = unbundle_read(u, p, size)) > 0)
 *			...
 *	unbundle_close(u)
 *
 * What is not as bundle.h writes it is refused: one folder, and in it plain files with clean names
 * (names.h), each name once. No links, no devices, no folders in the folder, no absolute paths, no
 * "..", at most UNBUNDLE_FILES_MAX files. The limit bounds what an archive may grow to.
 */
#ifndef UNBUNDLE_H
#define UNBUNDLE_H

#include "err.h"

#define UNBUNDLE_FILES_MAX 100000

struct unbundle;

struct unbundle_entry {
	const char *name;		/* below the folder; valid until the next */
	int64_t size;			/* -1: not known before it is read (some .zip) */
};

#define UNBUNDLE_E_END 1

/*
 * -ENOENT, -EACCES ...: of opening it; -EINVAL: no archive. The limit is at first a thousand times
 * the archive's size and 64 MiB.
 */
int unbundle_open(struct unbundle **out, const char *path, struct err *err);
/* Bytes of all files together, also of those that are passed over; past it is -EFBIG. */
void unbundle_limit(struct unbundle *u, int64_t bytes);
/* 0, UNBUNDLE_E_END, -EINVAL hostile or damaged, -EFBIG past the limit, or -errno of reading. */
int unbundle_next(struct unbundle *u, struct unbundle_entry *out, struct err *err);
/* As read(2) of the entry; or the codes above, and unbundle_why says it in words. */
ssize_t unbundle_read(void *u, void *p, size_t n);
const char *unbundle_why(const struct unbundle *u);
/* All of the entry as text; -EFBIG when it is longer than max. Free it. */
int unbundle_text(struct unbundle *u, size_t max, char **out, size_t *len, struct err *err);
/* A descriptor of the entry itself, where it is a plain file of a folder; else -1. It stays u's. */
int unbundle_fd(const struct unbundle *u);
void unbundle_close(struct unbundle *u);

#endif
