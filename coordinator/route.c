/* SPDX-License-Identifier: Apache-2.0
 *
 * route.c - the ways to capture on a node
 */
#include "route.h"

#include <string.h>

static const char *const texts[ROUTE_N] = {
	[ROUTE_AGENT] = "agent",
	[ROUTE_LOCAL] = "local",
	[ROUTE_SSH_PUSH] = "ssh-push",
	[ROUTE_SSH_NSENTER] = "ssh-nsenter",
	[ROUTE_SSH_HELPER] = "ssh-helper",
};

const char *route_text(enum route r)
{
	return r < ROUTE_N ? texts[r] : NULL;
}

enum route route_parse(const char *text)
{
	for (int r = 0; r < ROUTE_N; r++)
		if (strcmp(texts[r], text) == 0)
			return (enum route)r;
	return ROUTE_NONE;
}

bool route_is_ssh(enum route r)
{
	return r == ROUTE_SSH_PUSH || r == ROUTE_SSH_NSENTER || r == ROUTE_SSH_HELPER;
}

bool route_has_spool(enum route r)
{
	return r == ROUTE_AGENT || r == ROUTE_LOCAL || r == ROUTE_SSH_PUSH;
}
