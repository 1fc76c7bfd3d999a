/* SPDX-License-Identifier: Apache-2.0
 *
 * hire.h - an agent for the time of one capture: on our own node, or sent to another over ssh
 *
 * A hired agent runs as `swarmcap-agent --temporary DIR` in a
 * directory of its own, mode 0700, named by the capture. It ends when its stdin does and
 * nothing unfetched lies in its spool; with something unfetched it stays for 30 minutes after the last
 * request, so that `fetch ID` finds it; then it goes, and its directory with it.
 *
 *	hire_local	fork and exec of the agent beside our program (or in PATH); needs root
 *	hire_push	the image's tree, one tar, checked by digest, run by its own loader; sudo -n where
 *			needed; an agent of the same version that is installed there is used as it is
 *
 * Both hand out an ordinary link; link_free ends the agent and removes the directory, unless it holds
 * captures that were not removed (link_remove): then the agent is left to its 30 minutes.
 */
#ifndef HIRE_H
#define HIRE_H

#include "link.h"
#include "remote.h"

#define HIRE_LINGER_S 1800
/* how long one may take until it says that it is ready: long, since a node in trouble starts slowly, too */
#define HIRE_READY_S 15

struct hire {
	const char *capture_id;
	const char *node_id;
	bool attach;			/* only an agent that is there already: fetch, rm */
	volatile bool *cancel;
};

/* The agent's program beside ours, or in PATH; NULL: none. Free it. */
char *hire_find_agent(void);
/*
 * image.tar beside our program or in ../share/swarmcap, or $SWARMCAP_IMAGE; NULL: none. Free it.
 */
char *hire_find_image(void);

/* REACH_E_CLOSED (1): not possible here, err says why and what would make it so; else -errno. */
int hire_local(struct link **out, const struct hire *h, const char *engine_socket, struct err *err);
int hire_push(struct link **out, const struct hire *h, struct remote *r, struct err *err);

#endif
