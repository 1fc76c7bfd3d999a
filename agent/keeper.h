/* SPDX-License-Identifier: Apache-2.0
 *
 * keeper.h - the thread that keeps leases, deadlines, the quota and state files
 */
#ifndef KEEPER_H
#define KEEPER_H

#include "captures.h"

#define KEEPER_TICK_MS 500

struct keeper;

int keeper_start(struct keeper **out, struct captures *r, struct err *err);
/* Returns when the thread has ended. NULL is accepted. */
void keeper_stop(struct keeper *k);

#endif
