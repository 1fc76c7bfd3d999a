/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve.h - which services, tasks, containers, nodes and networks the selectors mean; pure
 *
 * A selector adds what it names, one with '!' takes away what it would add without; the order
 * does not matter. Flags stand in the order of the cluster's lists.
 */
#ifndef RESOLVE_H
#define RESOLVE_H

#include "cluster.h"

struct resolved {
	bool *services;			/* as a whole: by name, stack, or as all */
	bool *tasks, *named;		/* named: by task: or container:, not just as one of many */
	bool *containers;
	bool *hosts, *ingress;		/* per node */
	bool *networks;
	/* Per node and network: its VXLAN is wanted on the host, which need not be wanted as a whole. */
	bool *vxlan;
	bool path;			/* a service's path is among them */
};

#define RESOLVED_INIT { 0 }

/*
 * No selector, or none without '!': every service. members: network: means the tasks and
 * containers on it too. CLUSTER_E_UNKNOWN: a name that does not exist, a pattern without '!' that
 * matches none; -EINVAL: one name for several. Release out in any case.
 */
int resolve(char *const *selectors, size_t n, bool members, const struct cluster *c,
	    struct resolved *out, struct err *err);
void resolved_release(struct resolved *r);
/* Whether resolve would succeed. */
int resolve_check(char *const *selectors, size_t n, const struct cluster *c, struct err *err);
/*
 * The nodes of --node: lists of names, ids and patterns, '!' leaves out. No list: all. Flags per
 * node, to be freed, or NULL with err and *rc as above.
 */
bool *resolve_nodes(const char *const *lists, size_t n, const struct cluster *c, int *rc,
		    struct err *err);
/*
 * Where a running task, or a container, makes a node have the overlay's namespace: flags per node, to be
 * freed.
 */
bool *resolve_where(const struct cluster *c, const struct cluster_network *n);

#endif
