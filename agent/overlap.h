/* SPDX-License-Identifier: Apache-2.0
 *
 * overlap.h - which packets two sockets saw both
 *
 * While one ring takes over from another both receive everything for some milliseconds. What
 * was read from the first is noted; what then comes from the second and was noted is passed over,
 * once for each time. A packet is known by its time, interface, length and bytes.
 */
#ifndef OVERLAP_H
#define OVERLAP_H

#include "ring_block.h"

#define OVERLAP_MAX (1u << 20)	/* packets noted; later ones would come twice, and are counted */

struct overlap {
	uint64_t *keys;			/* open addressing; 0: free */
	size_t size, n;			/* size: a power of two */
	uint64_t overflowed;
};

#define OVERLAP_INIT { NULL, 0, 0, 0 }

/* Before ring_frames_to_packets: that moves bytes. Never 0. */
uint64_t overlap_key(const struct ring_frame *f);
void overlap_note(struct overlap *o, uint64_t key);
/* True: it was noted; one note is used up. */
bool overlap_take(struct overlap *o, uint64_t key);
void overlap_release(struct overlap *o);

#endif
