/* SPDX-License-Identifier: Apache-2.0
 *
 * plan.h - who does what: targets grouped by node, named, limited
 *
 * select_targets() finds who is meant (request + cluster -> targets, and what cannot be
 * captured -> missing); plan_make() groups them by node. Both pure; --dry-run prints the plan
 * and stops. The plan owns copies of all it needs: the cluster may be released.
 */
#ifndef PLAN_H
#define PLAN_H

#include "cluster.h"
#include "request.h"
#include "route.h"

struct target {
	enum wire_kind kind;
	char *key; /* unique in the plan: "web.3.k7x2a9", cleaned; also the file name's part */
	char *service, *service_id, *task;	/* "web", "web.3" */
	char *task_id, *container_id, *image, *node_id;
	int64_t slot;
	struct wire_network *networks;	/* of an overlay's own or its lb: that one */
	size_t n_networks;
	int64_t joined_ns;	/* by its node's clock: it was not planned, but joined then; else 0 */
	bool forged;		/* it joined, and the manager does not know it */
	char *filter;			/* instead of the request's; NULL: that one */
	char **also;			/* what else it is: other names of the same namespace */
	size_t n_also;
};

/* Asked for, and not to be had. */
struct missing {
	char *what;			/* "task web.5", "service db" */
	char *node;			/* name, or NULL */
	/*
	 * Of the plan: "node-down", "not-running" (it should run and does not yet), "not-linux",
	 * "no-address", "too-many"; of plan_from_reports "no-report". Later ones: "node-lost",
	 * "agent-missing", "agent-lost", "error", "left-on-node" ...
	 */
	char *reason;
	char *error;			/* the sentence, or NULL */
	int64_t from_ns, to_ns;		/* wall time, 0: null in the manifest */
};

struct missing_list {
	struct missing *items;
	size_t n;
};

void missing_add(struct missing_list *l, const char *what, const char *node, const char *reason,
		 const char *error);
void missing_release(struct missing_list *l);

struct plan_node {
	char *id, *name, *address;
	char *file_host; /* the name in file names: cleaned, "_" and 6 of the id where hosts share a
			    name */
	const char *route;		/* route_text() of the one that is used, or would be first */
	enum route routes[ROUTE_N];	/* all that may work, best first (reach_plan) */
	size_t n_routes;
	char **notes;			/* why a better route was not taken; into the manifest */
	size_t n_notes;
	struct target *targets;
	size_t n_targets;
};

struct plan {
	char id[NAMES_ID_MAX];
	struct plan_node *nodes;
	size_t n_nodes;
	struct missing_list missing; /* known before it starts: tasks on nodes that are down, say */
	char **notes;			/* "service db has no running task" */
	size_t n_notes;
	struct wire_service *follow;	/* whose new tasks join; none: nobody's */
	size_t n_follow;
	struct wire_host
		*hosts; /* address -> key, for hosts and the name-resolution block; sorted */
	size_t n_hosts;
	json_t *kept;			/* of plan_from_reports: what the request borrows */
};

#define PLAN_INIT { 0 }

/* Adds a sentence to the notes. */
void plan_note(struct plan *p, const char *fmt, ...) PRINTF(2, 3);

/*
 * select.c and plan.c. The selectors are as request_parse leaves them; none selects every service
 * of the cluster. PLAN_E_NOTHING: nothing that was selected runs at all, or a name does not exist
 * (exit 4), err says what was found, and plan_make still hands out notes and missing (release in
 * any case). One selected service without running tasks beside one with: a note. A namespace is
 * captured once: what is selected twice is one target, whose `also` says what else it is.
 * Followed is a service that is meant as a whole (by name, stack: or --path), but for the tasks that
 * were left out of it, and for those that are in `also`; with --tasks, none.
 * Targets come in order of service, slot and node name, after hosts and ingress, before overlays
 * and containers; nodes in order of name.
 */
#define PLAN_E_NOTHING 1
int select_targets(const struct request *r, const struct cluster *c, struct target **out,
		   size_t *n_out, struct plan *notes_and_missing, struct err *err);
void target_release(struct target *t);
/* "task web.3", "container db", "host", "ingress", "network app", "lb app": for sentences. Free it. */
char *target_what(const struct target *t);
/* That, and what else it is. New reference. */
json_t *target_names(const struct target *t);
int plan_make(const struct request *r, const struct cluster *c, const char *id, struct plan *out,
	      struct err *err);
/* A node of no plan's targets, for an agent that only follows. To be released by plan_node_release. */
void plan_node_make(struct plan_node *out, const struct cluster_node *n, const struct cluster *c);
void plan_node_release(struct plan_node *n);
/* Every node that is not down and has an address, without targets: for who looks at all nodes. */
void plan_all_nodes(struct plan *p, const struct cluster *c);
/* The last step of all that make plans: nodes in order, hosts from their targets' networks. */
void plan_finish(struct plan *p);
size_t plan_targets(const struct plan *p);
/* For --dry-run: a table, or with --json one object per line. */
void plan_print(FILE *to, const struct plan *p, bool json);
void plan_release(struct plan *p);
/*
 * The arm request of one node: borrows nothing (wire_arm_release). context: cluster id,
 * selectors, filter as written, plan's targets of this node with service, image, slot, node
 * names: what another coordinator needs for `fetch ID` (plan_context_decode).
 */
void plan_arm(const struct plan *p, const struct plan_node *n, const struct request *r,
	      const struct cluster *c, struct wire_arm *out);
/*
 * From the contexts that agents gave back: the plan, request and cluster as far as the
 * manifest needs them; tasks of nodes that gave no report are missing. r borrows from plan, so
 * it is to be used first. -EINVAL: not one context that can be understood.
 */
int plan_from_reports(const struct wire_report *reports, size_t n, struct plan *plan,
		      struct request *r, struct cluster *c, struct err *err);

#endif
