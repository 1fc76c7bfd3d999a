/* SPDX-License-Identifier: Apache-2.0
 *
 * life.h - what a later life of the agent must know to go on with a capture
 *
 * SPOOL/<id>/life.json is there while the capture runs, and gone once it has finished: an agent that
 * starts and finds it knows that a former one was stopped or killed meanwhile. It is written at arm,
 * every LIFE_MS, and soon after a ring of files let one go. What stands in it besides state.json:
 * the token, how long the capture may run, and counters that files cannot tell.
 *
 * Time limits are kept twice: by monotonic time, which goes on as long as the node is up, and for a
 * node that was started anew by its wall clock.
 */
#ifndef LIFE_H
#define LIFE_H

#include "wire.h"

#define LIFE_MS 5000
#define LIFE_RESTARTED "the agent was restarted"
#define LIFE_BOOT_MAX 40

struct life_target {
	int64_t dropped_kernel, dropped_agent, truncated;
	int64_t removed_files, removed_packets, removed_bytes;	/* by a ring of files */
};

struct life {
	char token[WIRE_TOKEN_HEX];
	char body_digest[DIGEST_HEX];
	int64_t deadline_ns, lease_ns;	/* monotonic, of the life that reads or writes it */
	int64_t safe_ns;		/* wall clock: what came before is in the files */
	struct life_target *targets;
	size_t n_targets;
};

int life_write(int dirfd, const struct life *l, struct err *err);
/* Release whatever the result. -ENOENT: it had finished. */
int life_read(int dirfd, struct life *out, struct err *err);
void life_remove(int dirfd);
void life_release(struct life *l);

#endif
