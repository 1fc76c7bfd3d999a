/* SPDX-License-Identifier: Apache-2.0
 *
 * recover.h - what a former life of the agent left in the spool
 */
#ifndef RECOVER_H
#define RECOVER_H

#include "captures.h"

/*
 * Before anything is served: every directory of the spool becomes a capture of the registry.
 * Hidden files are cut after their last whole block and become segments. A capture that may still run
 * goes on (resume.h); else it is finished, and targets that were being captured end as
 * agent-lost. What cannot be read is logged and left alone.
 */
void recover_all(struct captures *r, const struct capture_env *env);

#endif
