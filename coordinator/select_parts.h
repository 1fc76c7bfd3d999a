/* SPDX-License-Identifier: Apache-2.0
 *
 * select_parts.h - what select.c and select_target.c share
 */
#ifndef SELECT_PARTS_H
#define SELECT_PARTS_H

#include "plan.h"

/* Targets as they are found: each namespace once. */
struct targets {
	const struct cluster *cluster;
	struct plan *plan;		/* notes and missing */
	struct target *list;
	size_t n;
	json_t *keys;			/* "NODE KEY" of those that are there */
	json_t *places;			/* "NODE NAMESPACE" -> number of its target */
	json_t *shared;			/* service's id -> ids of its tasks that are in an `also` */
};

void targets_init(struct targets *s, const struct cluster *c, struct plan *p);
/* The list is handed out before, or leaks. */
void targets_release(struct targets *s);

/* Nothing of these is asked whether its node can be reached. */
void targets_add_task(struct targets *s, const struct cluster_task *t,
		      const struct cluster_service *service);
void targets_add_container(struct targets *s, const struct cluster_container *k);
/* Takes filter; NULL: as a whole. */
void targets_add_host(struct targets *s, const struct cluster_node *n, char *filter);
/* The VXLAN packets of the flagged networks on a host, ESP for those that are encrypted. Free it. */
char *targets_vxlan_filter(const struct cluster *c, const bool *networks, const char *also);
void targets_add_ingress(struct targets *s, const struct cluster_node *n);
/* Its own namespace and its load balancer's. */
void targets_add_network(struct targets *s, const struct cluster_node *n,
			 const struct cluster_network *net);
/* When all are found: fills the plan's follow. services, tasks: per one of the cluster, those meant. */
void targets_follow(struct targets *found, const struct request *r, const bool *services,
		    const bool *tasks);

bool targets_node_is_down(const struct cluster_node *n);
/* False, and then `what` is under missing, with why. n may be NULL. */
bool targets_reach(struct targets *s, const struct cluster_node *n, const char *what);

#endif
