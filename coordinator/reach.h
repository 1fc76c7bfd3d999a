/* SPDX-License-Identifier: Apache-2.0
 *
 * reach.h - how the Engine and the nodes are reached; one for the life of a command
 *
 *	reach_open(&x, request, err)		finds the Engine, opens the ssh session that it may need
 *	reach_engine(x)				the Engine's API
 *	reach_plan(x, cluster, creds, plan)	each node's routes, best first; contacts nobody
 *	reach_link(x, node, route, id, &link)	a conversation over one of them
 *	reach_close(x)
 *
 * With an Engine at ssh://, everything else is reached through that checked session: agents
 * by direct-tcpip, nodes by a second ssh session inside the first. Sessions to nodes are opened when
 * first needed and shared by all who need that node; at most 32 nodes are being opened at a time.
 */
#ifndef REACH_H
#define REACH_H

#include "cluster.h"
#include "creds.h"
#include "engine.h"
#include "link.h"
#include "plan.h"
#include "remote.h"
#include "route.h"

#define REACH_WIDTH 32
#define REACH_E_CLOSED 1	/* see reach_link */

struct reach;

int reach_open(struct reach **out, const struct request *r, struct err *err);
void reach_close(struct reach *x);
struct engine *reach_engine(struct reach *x);
/* Another conversation with the same Engine, for another thread; the caller's, closed before x. */
int reach_new_engine(struct reach *x, struct engine **out, struct err *err);
/* Is the Engine's machine the one that we run on (a unix socket)? */
bool reach_is_local(const struct reach *x);
/* true: openings in progress end within a second. May be NULL. */
void reach_set_cancel(struct reach *x, volatile bool *cancel);

/*
 * Sets node->routes (all that may work, best first, or the forced one) of every node from what the
 * manager says; node->route is the first. Pure but for files beside our program.
 */
struct reach_facts {
	const struct cluster *cluster;
	bool creds;			/* we can speak to agents */
	bool attach;			/* for captures that exist: routes that have a spool */
};
void reach_plan(struct reach *x, const struct reach_facts *f, struct plan *plan);

/* The node's ssh session: opened, or shared with who asked before. Borrowed: lives until reach_close. */
int reach_remote(struct reach *x, const struct plan_node *n, struct remote **out, struct err *err);

/*
 * The certificates for agents. REACH_E_CLOSED: there are none here, and other routes are left (err
 * says which files); -errno where they were named, or the route agent was asked for.
 */
int reach_load_creds(const struct request *r, const struct cluster *c, struct creds *out,
		     struct err *err);
/* A deployed agent: as link_new, through the manager where that is how the Engine is reached. */
struct link_place;
int reach_agent(struct reach *x, const struct link_place *at, struct link **out, struct err *err);

/* What a link needs to know beside its node. */
struct reach_job {
	const struct cluster *cluster;
	const struct creds *creds;	/* NULL: none */
	const char *capture_id;		/* names what is left on nodes while it lasts */
	int staging_fd;			/* a folder for captures that are written here; -1: none (attach) */
	bool attach;			/* only what is there already: nothing is sent or started */
	volatile bool *cancel;
};
/*
 * REACH_E_CLOSED: this way does not exist here (err says why), the next one may: no agent, no
 * sudo, no tcpdump, another architecture... -errno: the node itself cannot be reached: no other
 * route would do better. The caller arms by the link; a link whose arm fails with
 * -ECONNREFUSED, -ENOENT or -EACCES is as good as closed.
 */
int reach_link(struct reach *x, const struct plan_node *n, enum route route,
	       const struct reach_job *job, struct link **out, struct err *err);

#endif
