/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle.h - one archive of the staged files, hidden until it is whole
 *
 * The extension chooses: .tar, .tar.gz/.tgz, .tar.zst, .zip, or a name that ends with '/'
 * (a folder). Nothing else is known. The output is <dir>/<name>; staging happens in a hidden
 * folder beside it, so that the last step is a rename on one file system.
 *
 *	bundle_open(&b, output, force, err)	checks that it can be written; makes staging
 *	bundle_staging(b)			descriptor of the staging folder
 *	bundle_commit(b, &manifest, err)	writes all and renames it
 *	bundle_free(b)				without commit: staging is removed, nothing is left
 *
 * Staged files lie in the staging folder itself, under names that do not begin with '.'.
 * After bundle_commit, whatever its result, only bundle_free may follow.
 */
#ifndef BUNDLE_H
#define BUNDLE_H

#include "manifest.h"

struct bundle;

/* NULL: fine; else what is wrong with the name ("unknown extension: use ..."). Pure. */
const char *bundle_check_name(const char *output);
/* "web-20261123T143905Z-3fa9c1.tar.zst": first selector cleaned, +N for more. Free it. */
char *bundle_default_name(char *const *selectors, size_t n, const char *id);
/*
 * -EEXIST: the output exists and force is false, or it is a folder that no capture is in
 * (force replaces none but a capture's or an empty one); -EINVAL: bundle_check_name;
 * -EISDIR: force, and a folder stands where an archive is wanted, -ENOTDIR: the reverse;
 * -EACCES, -ENOENT, -EROFS, -ENOSPC ... of making the staging folder.
 */
int bundle_open(struct bundle **out, const char *output, bool force, struct err *err);
int bundle_staging(const struct bundle *b);
const char *bundle_output(const struct bundle *b);
/* Asked often while bundle_commit packs; true ends it with -ECANCELED. */
void bundle_set_cancel(struct bundle *b, bool (*cancel)(void *arg), void *arg);
/*
 * Writes manifest.json, SHA256SUMS, hosts and the files. -ENOSPC: the disk is full; -EEXIST: the
 * output came into being meanwhile (without force); -ECANCELED; else -errno.
 */
int bundle_commit(struct bundle *b, const struct manifest *m, struct err *err);
void bundle_free(struct bundle *b);

#endif
