/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_parts.h - what the files of cluster share
 */
#ifndef CLUSTER_PARTS_H
#define CLUSTER_PARTS_H

#include "cluster.h"
#include "selector.h"

#define CLUSTER_VNI_OPTION "com.docker.network.driver.overlay.vxlanid_list"

/* An overlay's number out of the driver's option, 0 when it is none. */
int64_t cluster_vni(const char *text);
/*
 * A container that is attached to t's networks, one per network: takes node_id and them. c has
 * room for it; one that is there already gets what networks it did not have.
 */
void cluster_add_attached(struct cluster *c, const char *id, char *node_id, struct cluster_task *t);

/* A GET; the conditions that no caller in cluster can use become errors. */
int cluster_ask(struct engine *e, const char *path, json_t **out, struct err *err);
/* Long lists: of each entry what its decoder reads. */
int cluster_ask_some(struct engine *e, const char *path, const char *const *fields, json_t **out,
		     struct err *err);
/* cluster_leader.c: a manager that knows of no leader, so it cannot say what there is. */
bool cluster_lacks_leader(const json_t *info);
/*
 * GET /info. While the Swarm has no leader it is asked again, for wait_ms at most, and the log says so; then *out is what
 * came last, which cluster_decode_info refuses.
 */
int cluster_ask_info(struct engine *e, int wait_ms, json_t **out, struct err *err);
/* cluster_lists.c: what the selectors may mean and services by name do not tell. */
bool cluster_takes_lists(const struct selector *list, size_t n);
int cluster_load_lists(struct engine *e, const struct selector *list, size_t n, struct cluster *c,
		       struct err *err);
/* The networks, and the containers that were attached to them by hand. */
int cluster_load_overlays(struct engine *e, struct cluster *c, struct err *err);
/* Those of the services that are loaded; all: of every service, which is a shorter question. */
int cluster_load_tasks(struct engine *e, bool all, struct cluster *c, struct err *err);
/* The Engine's own. CLUSTER_E_FAR: a name is not among them. */
#define CLUSTER_E_FAR 2
int cluster_load_containers(struct engine *e, const struct selector *list, size_t n,
			    struct cluster *c, struct err *err);

#endif
