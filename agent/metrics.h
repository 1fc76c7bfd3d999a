/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics.h - what the agent counts over its life, as Prometheus text
 */
#ifndef METRICS_H
#define METRICS_H

#include <stdatomic.h>

#include "buf.h"

#define METRICS_STATUS_MAX 600

/* Raised from any thread; read at any time. */
struct metrics {
	atomic_ullong captures, packets, bytes;
	atomic_ullong dropped, dropped_agent;	/* by the kernel; by us, the disk being too slow */
	atomic_ullong requests[METRICS_STATUS_MAX];	/* by HTTP status */
	atomic_llong asked_ns;		/* monotonic: the last request of any kind; 0: none */
	atomic_ullong refused_peers;	/* certificates that were not the client's */
};

/* What is known at this moment only. */
struct metrics_now {
	size_t captures_running, captures_kept, targets_running;
	int64_t spool_used, spool_quota, spool_free, certificate_expires_ns;
};

void metrics_count_request(struct metrics *m, unsigned status);
int metrics_format(struct metrics *m, const struct metrics_now *now, struct buf *out);

#endif
