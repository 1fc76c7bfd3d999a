/* SPDX-License-Identifier: Apache-2.0
 *
 * syncer.h - files that grow are brought to the disk, many together
 *
 * Who writes them hands over descriptors and goes on; a thread of the crew starts to write all of them back,
 * and then syncs one after another. For a hundred files of 170 KiB on ext4 that cost 4 to 9 ms of CPU, and 9 to 10 with
 * 32 threads side by side, which had to be made first.
 */
#ifndef SYNCER_H
#define SYNCER_H

#include "crew.h"

struct syncer;

struct sync_job {
	int *fds;			/* closed, and freed, by the syncer */
	size_t n_fds;
	/* all are on the disk, or not; called in the crew's thread, then the job is not looked at */
	void (*done)(void *arg, bool good);
	void *arg;
	struct sync_job *next;		/* the syncer's */
};

/* The crew is borrowed. */
struct syncer *syncer_new(struct crew *c);
/* All jobs are done by now. NULL is fine. */
void syncer_free(struct syncer *s);
/* The job stays where it is until it is done. Does not block. */
void syncer_add(struct syncer *s, struct sync_job *j);

#endif
