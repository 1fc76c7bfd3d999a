/* SPDX-License-Identifier: Apache-2.0
 *
 * modes.h - what the agent's program does besides serving
 */
#ifndef MODES_H
#define MODES_H

#include "options.h"

#define MODES_DROP_WAIT_MS 20000	/* a volume that is still in use gets so long */

/* Asks the agent behind --socket for /v1/info: 0 when it answers. For Docker's health check. */
int modes_health(const struct options *o, struct err *err);
/*
 * Removes a volume of this node's engine, again and again while it is in use; one that is not
 * there is fine. The only thing that the agent's program ever changes at an engine.
 */
int modes_drop_volume(const struct options *o, struct err *err);

#endif
