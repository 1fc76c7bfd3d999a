/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_box.h - the helper's container: what it may, and that nothing of it is left
 *
 * In the target's network namespace, with NET_RAW and no other capability, read-only, without a log
 * (packets would fill the node's disk), removed by the Engine when it ends. Its labels name the
 * capture and the latest time at which it can still be of use, by the node's clock.
 */
#ifndef HELPER_BOX_H
#define HELPER_BOX_H

#include "engine.h"
#include "wire.h"

#define BOX_LABEL "swarmcap.helper"		/* the capture's id */
#define BOX_LABEL_DEADLINE "swarmcap.deadline"	/* seconds since 1970 */
#define BOX_BEAT_S 60
#define BOX_MEMORY (256 << 20)
#define BOX_PIDS 32
#define BOX_UNUSED_S 120	/* created and not started for so long: nobody will */

/* How an image's tcpdump is run. */
enum box_kind {
	BOX_AGENT,		/* swarmcap-agent sniff */
	BOX_SHELL,		/* tcpdump, with a shell that holds the lease */
	BOX_BARE,		/* tcpdump alone: the image has no shell */
};

struct box_plan {
	const char *image;
	enum box_kind kind;
	const struct wire_arm *arm;
	const struct wire_wanted *wanted;
	int64_t now_s;			/* by the node's clock */
};

/* The body of POST /containers/create. Pure. */
json_t *box_encode(const struct box_plan *p);
/* Runs the target, as that task? -ENOENT: no longer; -EOPNOTSUPP: it is no container or host. */
int box_check_target(struct engine *e, const struct wire_wanted *w, struct err *err);
/* *id: to be freed. ENGINE_E_NOT_FOUND: the image is not there. */
int box_create(struct engine *e, const struct box_plan *p, char **id, struct err *err);
/* BOX_E_NO_PROGRAM: the image lacks what is to be run. */
#define BOX_E_NO_PROGRAM 1
int box_start(struct engine *e, const char *id, struct err *err);
void box_interrupt(struct engine *e, const char *id);
/* Whatever its state; returns when it is gone, or after 10 s. */
void box_remove(struct engine *e, const char *id);
/* Is a container of GET /containers/json?all=1 one that nobody uses any more? Pure. */
bool box_is_orphan(const json_t *container, int64_t now_s);
/* Removes orphans. */
int box_sweep(struct engine *e, int64_t now_s, struct err *err);
/* "2026-11-23T14:39:05.1+01:00" as seconds since 1970; -1: no time. Pure. */
int64_t box_parse_time(const char *text);

#endif
