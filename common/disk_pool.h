/* SPDX-License-Identifier: Apache-2.0
 *
 * disk_pool.h - the disk's buffers, in memory as long as they are in use
 *
 * Under the disk's lock, but for pool_is_short.
 */
#ifndef DISK_POOL_H
#define DISK_POOL_H

#include <stdatomic.h>

#include "disk_parts.h"

#define POOL_HUGE (2u << 20)		/* a huge page */

struct pool {
	struct disk_buffer *v;
	size_t n, size, grain;		/* grain: what is given back at once */
	void *range;
	size_t range_size;
	uint8_t *stages;		/* of buffers of huge pages; or NULL */
	bool *busy;
	size_t touched, high;		/* one behind the last: in memory; taken in this period */
	atomic_size_t taken;
};

/* n buffers of a size; grain: POOL_HUGE, or the size of a page. 0, or -errno with err. */
int pool_init(struct pool *p, size_t n, size_t size, size_t grain, struct err *err);
/* Zeros are fine. */
void pool_release(struct pool *p);
/* NULL: none is free. */
struct disk_buffer *pool_take(struct pool *p);
void pool_give(struct pool *p, size_t i);
/* The end of a period: what nobody took in it goes back to the system. */
void pool_trim(struct pool *p);
/* Three quarters are taken. No lock. */
bool pool_is_short(const struct pool *p);

#endif
