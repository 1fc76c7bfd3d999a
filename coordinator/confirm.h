/* SPDX-License-Identifier: Apache-2.0
 *
 * confirm.h - what the manager said of a service's tasks during a capture; pure
 *
 * A target joins by its container's labels, which whoever starts containers may forge. It is what
 * it says if the manager's list had that task of that service on that node in that container, at
 * any time: Swarm forgets tasks that ended long ago.
 */
#ifndef CONFIRM_H
#define CONFIRM_H

#include "cluster.h"

#define CONFIRM_MAX 65536

struct confirm;

struct confirm *confirm_new(void);
void confirm_free(struct confirm *c);
/* Remembers the tasks in the cluster that have a container. */
void confirm_take(struct confirm *c, const struct cluster *cluster);
/* container_id: of the joined target, as reported. c NULL: nothing was ever said. */
bool confirm_has(const struct confirm *c, const char *node_id, const struct wire_joined *j,
		 const char *container_id);

#endif
