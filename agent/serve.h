/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.h - the agent at work, from start to SIGTERM
 */
#ifndef SERVE_H
#define SERVE_H

#include "options.h"

#define SERVE_JOIN_WAIT_MS 30000	/* for the node's address in its Swarm */

/* SIGTERM and SIGINT must be blocked. Returns after one of them, or with why it did not start. */
int serve(const struct options *o, struct err *err);

#endif
