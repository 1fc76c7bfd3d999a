/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_parts.h - what reach's own files share; of no use to others
 */
#ifndef REACH_PARTS_H
#define REACH_PARTS_H

#include "endpoint.h"
#include "reach.h"

#include <pthread.h>

/* A node's ssh session. The rows live until reach_close; fields are changed under the lock. */
struct reach_session {
	struct reach_session *next;
	struct reach *reach;
	char *node_id;			/* the key; of an Engine without Swarm "" */
	char *name, *address;
	bool opening, failed;
	struct remote *remote;		/* NULL: not opened, or borrowed is true */
	bool borrowed;			/* it is the manager's */
	struct remote **old;		/* dead ones */
	size_t n_old;
	struct err err;			/* of failed */
};

struct reach {
	const struct request *request;
	struct endpoint at;
	struct engine *engine;
	struct remote *manager;		/* of an Engine at ssh:// */
	char *manager_node;		/* its node's id, once a plan was made; NULL before */
	bool has_image;			/* an image beside our program, for ssh-push */
	bool stdio;			/* the Engine is at a process' stdin and stdout */
	volatile bool *cancel;		/* atomic */

	pthread_mutex_t lock;
	pthread_cond_t changed;		/* a session was opened or failed */
	struct reach_session *sessions;
	size_t opening;
};

/* reach_session.c */
/* One more session to the same machine, for who needs many channels; closed by who asked. */
int reach_more(void *session, struct remote **out, struct err *err);
/* Of a node whose session was opened by reach_remote. */
struct reach_session *reach_session_of(struct reach *x, const struct plan_node *n);
void reach_sessions_free(struct reach *x);

#endif
