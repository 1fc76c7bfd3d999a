/* SPDX-License-Identifier: Apache-2.0
 *
 * crew.h - threads for what blocks: made when there is work, gone when there is none
 *
 * The kernel makes whoever opens or closes a ring wait (RCU), a disk whoever syncs a file. Side
 * by side a hundred such waits take little longer than one.
 */
#ifndef CREW_H
#define CREW_H

#include "err.h"

#define CREW_THREADS_MAX 32
#define CREW_IDLE_MS 200	/* a thread without work stays so long */

struct crew;

struct crew *crew_new(void);
/* Waits for all work. */
void crew_free(struct crew *c);
/* Soon, in some thread, in the order of the calls. */
void crew_run(struct crew *c, void (*fn)(void *job), void *job);

#endif
