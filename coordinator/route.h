/* SPDX-License-Identifier: Apache-2.0
 *
 * route.h - the ways to capture on a node, in the order in which they are tried; pure
 */
#ifndef ROUTE_H
#define ROUTE_H

#include "util.h"

enum route {
	ROUTE_AGENT,		/* the service of `deploy` */
	ROUTE_LOCAL,		/* the node that we are on: an agent of our own, for the time of the capture */
	ROUTE_SSH_PUSH,		/* the same, sent there over ssh */
	ROUTE_SSH_NSENTER,	/* the node's own nsenter and tcpdump */
	ROUTE_SSH_HELPER,	/* a container beside the task's */
	ROUTE_N,
};
#define ROUTE_NONE ROUTE_N

const char *route_text(enum route r);		/* "ssh-push"; NULL for ROUTE_NONE */
/* ROUTE_NONE: no such route. */
enum route route_parse(const char *text);
bool route_is_ssh(enum route r);
/* A detached capture needs a spool where the node keeps it. */
bool route_has_spool(enum route r);

#endif
