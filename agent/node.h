/* SPDX-License-Identifier: Apache-2.0
 *
 * node.h - who and where we are; read-only once the agent serves
 */
#ifndef NODE_H
#define NODE_H

#include "err.h"

struct node {
	char *id, *name;		/* in the Swarm; "" when it is in none */
	char *address;			/* its advertise address; "" */
	char *engine_version, *kernel;
	char *engine;			/* "unix:///var/run/docker.sock" */
	char *netns_dir;
	uint16_t port;			/* our TCP listener's, 0: none; not captured on hosts */
	int64_t certificate_expires_ns;	/* ours; 0: no TLS */
};

#define NODE_INIT { NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0 }

/*
 * Asks the engine (GET /info), again for up to wait_ms while the node has no address in a Swarm.
 * id: what the service told us ({{.Node.ID}}), else NULL; another id than the engine's is refused.
 */
int node_load(struct node *n, const char *id, int wait_ms, struct err *err);
void node_release(struct node *n);

#endif
