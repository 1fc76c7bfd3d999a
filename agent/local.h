/* SPDX-License-Identifier: Apache-2.0
 *
 * local.h - what the node's engine says of its containers; GETs only
 */
#ifndef LOCAL_H
#define LOCAL_H

#include "engine.h"
#include "node.h"
#include "wire.h"

/* Where a target's namespace is. */
struct local_place {
	char *container_id, *image;	/* NULL for hosts and the like */
	char *netns_file;		/* in the netns directory; NULL: our own namespace */
	bool paused;
	bool guest;			/* the namespace is another container's */
	bool absent;			/* with -ENOENT: this node has none, and need not have */
};

/*
 * Finds the namespace of what is wanted. -ENOENT: no such container or namespace on this node;
 * -ESRCH: it is not running; -ESTALE: it belongs to another task than the one wanted.
 * e may be NULL when the kind needs no engine (local_needs_engine).
 */
int local_find(struct engine *e, const struct node *n, const struct wire_wanted *w,
	       struct local_place *out, struct err *err);
bool local_needs_engine(enum wire_kind kind);
void local_place_release(struct local_place *p);

/*
 * GET /v1/targets: the running containers, of one service (its id or name) or of all (NULL),
 * as the API's JSON. New reference.
 */
int local_list(struct engine *e, const struct node *n, const char *service, json_t **out,
	       struct err *err);

#endif
