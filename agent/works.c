/* SPDX-License-Identifier: Apache-2.0
 *
 * works.c - what all captures of an agent share
 */
#include "works.h"

#define FIRST_SHARE 8		/* first rings take an eighth of what is left; the rest is to grow */
#define FIRST_MAX (16u << 20)	/* 20 ms of large packets at 600 MB/s, a quarter of it lent: a reader that lost its turn */

static void wake_all(void *pump)
{
	pump_wake_all(pump);
}

int works_start(struct works *w, size_t ring_bytes, struct err *err)
{
	int r;

	*w = (struct works){ .rings = { .total = ring_bytes },
			     .live_rings = { .total = ring_bytes / WORKS_LIVE_SHARE } };
	w->crew = crew_new();
	w->syncer = syncer_new(w->crew);
	r = pump_start(&w->pump, err);
	if (!r)
		r = pump_start_aside(&w->live_pump, err);
	if (!r)
		r = disk_start(&w->disk, WORKS_DISK_BUFFERS, err);
	if (!r)
		disk_on_free(w->disk, wake_all, w->pump);
	return r;
}

void works_stop(struct works *w)
{
	crew_free(w->crew);
	syncer_free(w->syncer);
	disk_stop(w->disk);		/* it wakes the pump */
	pump_stop(w->pump);
	pump_stop(w->live_pump);
	*w = (struct works){ 0 };
}

size_t works_ring_size(struct works *w, size_t n)
{
	size_t used = atomic_load(&w->rings.used);
	size_t each = used < w->rings.total ? (w->rings.total - used) / FIRST_SHARE / (n ? n : 1) : 0;

	return each < FIRST_MAX ? each : FIRST_MAX;
}
