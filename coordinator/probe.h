/* SPDX-License-Identifier: Apache-2.0
 *
 * probe.h - which routes to a node would work, found out without capturing
 *
 * One ssh session and one script per node tell what each of the ssh routes needs there (facts); the
 * verdicts about them are pure. probe_all asks up to 32 nodes side by side.
 */
#ifndef PROBE_H
#define PROBE_H

#include "agents.h"
#include "reach.h"

enum probe_state { PROBE_NO, PROBE_OK, PROBE_NONE };	/* NONE: does not apply */

struct probe_verdict {
	enum probe_state state;
	char word[16];			/* what is in the way: "sudo", "tcpdump", "host key"; "" */
	char why[512];			/* the sentence, with what to do; "" */
};

struct probe {
	struct probe_verdict routes[ROUTE_N];
};

/* What a node says of itself; filled by probe_decode. */
struct probe_facts {
	bool root, sudo, tar, sha256sum, nsenter, tcpdump, executes, socket;
	bool docker, docker_by_sudo;
	char machine[32];
};

struct probe_how {
	struct reach *reach;
	const struct request *request;
	const struct cluster *cluster;
	bool deployed;			/* the agents' service exists */
};

/* out[i] is of agents->items[i], which were asked already. */
void probe_all(const struct probe_how *how, const struct agents *agents, struct probe *out);
/* The first that is ok; ROUTE_NONE. */
enum route probe_best(const struct probe *p);

/* Pure. Lines of key=value; what is not understood is ignored. */
void probe_decode(const char *text, struct probe_facts *out);
/* image: the architecture of the agent's image here, NULL: there is none. Sets the three ssh routes. */
void probe_judge(const struct probe_facts *f, const char *name, const char *image,
		 struct probe *out);
/* No session: the same verdict for the three. */
void probe_judge_session(int rc, const char *why, struct probe *out);

#endif
