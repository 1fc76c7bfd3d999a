/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_write.h - entries become tar, compressed or not, or zip (libarchive)
 *
 * Memory stays flat: files pass through one buffer. Nothing is renamed or made durable here.
 */
#ifndef BUNDLE_WRITE_H
#define BUNDLE_WRITE_H

#include "err.h"

/* One file of the archive: text in memory, or a file at dirfd when text is NULL. All borrowed. */
struct bundle_entry {
	const char *name;		/* in the archive, below the folder */
	const char *text;
	size_t len;
	int dirfd;
	const char *path;
};

struct bundle_content {
	const char *folder;		/* holds all entries */
	const struct bundle_entry *entries;
	size_t n;
	int64_t mtime_ns;
	bool (*cancel)(void *arg);	/* asked with every piece; NULL: never cancelled */
	void *arg;
};

/* Length of the known extension at the end of name, 0: none is known. */
size_t bundle_extension(const char *name);
/* The archive of name's kind, to fd. 0, -ECANCELED, or -errno of reading and writing. */
int bundle_write(int fd, const char *name, const struct bundle_content *c, struct err *err);

#endif
