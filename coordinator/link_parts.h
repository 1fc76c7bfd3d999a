/* SPDX-License-Identifier: Apache-2.0
 *
 * link_parts.h - what the link's own files share; of no use to others
 */
#ifndef LINK_PARTS_H
#define LINK_PARTS_H

#include "link.h"

#define LINK_PATH_MAX 256
#define LINK_SUM_MS 300000	/* an agent reads the whole file for it, from a slow disk perhaps */

struct link {
	struct http *http;		/* NULL: ops do it all */
	char *peer;			/* "10.99.0.11:9473", in sentences */
	struct link_place at;		/* of http: its address is ours, its dialer is `dialer` */
	struct http_dialer dialer;
	const struct link_ops *ops;	/* of what only looks like an agent, or NULL */
	void *arg;
	long timeout_ms;		/* of calls; 0: as the connection has it */
	void (*release)(void *arg);	/* at the end of all, or NULL */
	void *release_arg;
};

/* "/v1/captures/ID" and what follows, or -EINVAL: nothing that is no id becomes a path. */
int link_path(char out[LINK_PATH_MAX], const char *id, const char *rest, struct err *err);
/* Asks for the checksum of a file (its path), which the agent knows by then, or reads the file for. 0, LINK_E_*, -errno. */
int link_sum(struct link *l, const char *file_path, char hex[CHECKSUM_HEX], struct err *err);
/* What an answer that is no success means: LINK_E_*, with the agent's words in err. */
int link_refusal(const struct link *l, const struct http_reply *reply, struct err *err);

#endif
