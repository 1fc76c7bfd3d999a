/* SPDX-License-Identifier: Apache-2.0
 *
 * gather_merge.h - --merge: one more file of the archive, with all packets by corrected time
 *
 * Between the manifest and the archive: the staged files are merged into merged.pcapng beside them,
 * which the manifest names (capture.merged), with notes on how certain its order is.
 */
#ifndef GATHER_MERGE_H
#define GATHER_MERGE_H

#include "manifest.h"

struct gather_merge {
	struct manifest *manifest;	/* gets one more file, and notes */
	int staging;
	bool no_clock_correction;
	bool (*cancel)(void *arg);
	void (*note)(void *arg, const char *text);	/* each note, to be said */
	void *arg;
};

/*
 * -ECANCELED, or -errno of reading or writing: then there is no merged file, the manifest's notes say
 * why, and the exit status is that of a partial capture. Without any file nothing is merged.
 */
int gather_merge(const struct gather_merge *job, struct err *err);

#endif
