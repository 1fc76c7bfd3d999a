/* SPDX-License-Identifier: Apache-2.0
 *
 * local_task.h - which task of which service a container says that it is
 *
 * Swarm writes labels on its tasks' containers, and anybody who may start containers can write the
 * same: what stands here is a claim. Pure.
 */
#ifndef LOCAL_TASK_H
#define LOCAL_TASK_H

#include "wire.h"

struct local_task {
	char *container_id, *image;
	char *service, *service_id, *task_id;
	char *task;			/* "web.3"; of a global service "web.<node id>" */
	int64_t slot;			/* 0: global, or not to be read */
	char *netns_file;		/* in the netns directory; NULL: the host's, or none (yet) */
	bool host;			/* it stands in the host's namespace */
	bool running, started;		/* started: its process ran at some time */
	struct wire_network *networks;
	size_t n_networks;
};

/*
 * From GET /containers/ID/json. 0; LOCAL_TASK_E_NONE: it says nothing of a task, or stands in another
 * container's namespace, which Swarm's tasks never do; only netns_file may be filled then.
 * To be released whatever the result.
 */
#define LOCAL_TASK_E_NONE 1
int local_task_decode(const json_t *inspected, struct local_task *out);
void local_task_release(struct local_task *t);

/* The key in a report: "web.3.k7x2a9", cleaned. Free it. */
char *local_task_key(const struct local_task *t, const char *node_id);

#endif
