/* SPDX-License-Identifier: Apache-2.0
 *
 * works.h - what all captures of an agent share: threads, the disk, memory for rings
 */
#ifndef WORKS_H
#define WORKS_H

#include "crew.h"
#include "disk.h"
#include "pump.h"
#include "ring.h"
#include "syncer.h"

#define WORKS_RING_BYTES (256u << 20)	/* --ring-bytes */
#define WORKS_LIVE_SHARE 4		/* live views have a quarter of that, beside it */
#define WORKS_DISK_BUFFERS 16		/* of DISK_BUFFER bytes */

struct works {
	struct pump *pump, *live_pump;
	struct crew *crew;
	struct syncer *syncer;
	struct disk *disk;
	struct ring_budget rings, live_rings;
};

/* Stop whatever the result. */
int works_start(struct works *w, size_t ring_bytes, struct err *err);
/* All captures are freed by now. */
void works_stop(struct works *w);
/* For the first ring of each of n targets: large when there are few, and memory is left to grow. */
size_t works_ring_size(struct works *w, size_t n);

#endif
