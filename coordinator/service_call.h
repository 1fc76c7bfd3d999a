/* SPDX-License-Identifier: Apache-2.0
 *
 * service_call.h - the agent's service and its tasks, asked of and changed at the manager
 */
#ifndef SERVICE_CALL_H
#define SERVICE_CALL_H

#include "engine.h"
#include "service.h"

#define SERVICE_E_NONE 1	/* no agent is deployed; err is left alone */

/* Found by its label, since a stack's service has another name. */
int service_find(struct engine *e, struct service_now *out, struct err *err);
/* The id of the service of exactly this name, or SERVICE_E_NONE. */
int service_id(struct engine *e, const char *name, char **out, struct err *err);
int service_create(struct engine *e, const json_t *spec, char **id_out, struct err *err);
int service_update(struct engine *e, const struct service_now *now, const json_t *spec,
		   struct err *err);
/* By id or name; one that is not there is fine. */
int service_remove(struct engine *e, const char *service, struct err *err);
/* All tasks of one service, past ones included, and also when the service itself is gone. */
int service_tasks(struct engine *e, const char *name, const char *id, json_t **out,
		  struct err *err);

/* What the tasks of one node say; pure. */
struct service_task {
	bool up;		/* of this specification, and in or past "starting" */
	bool complete;		/* a job's: done */
	int failures;		/* tasks that failed or were rejected */
	const char *why;	/* the last one's words, borrowed; NULL: none failed */
};

/* digest: only tasks of this specification count; NULL: all. */
void service_task_of(const json_t *tasks, const char *node_id, const char *digest,
		     int64_t force_update, struct service_task *out);

/* What to do about words of a task that failed, as a sentence; "": it is not known. */
const char *service_advice(const char *why);

#endif
