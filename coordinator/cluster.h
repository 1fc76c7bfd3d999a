/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster.h - what exists: the manager's answers as structs
 *
 * cluster_load asks the manager (with the few calls a capture needs: /info, /services/NAME
 * for each selected name, /tasks of those services, /nodes); the cluster_decode_* functions
 * are the pure half, tested with recorded answers and fuzzed. Everything decoded is bounded
 * and hostile: names are kept as they are (cleaned where they become paths or output).
 */
#ifndef CLUSTER_H
#define CLUSTER_H

#include "engine.h"
#include "err.h"
#include "jx.h"
#include "wire.h"

#define CLUSTER_NODES_MAX 10000
#define CLUSTER_TASKS_MAX 100000

struct cluster_node {
	char *id, *name;		/* Description.Hostname; not unique */
	char *address;			/* see cluster.c: facts 1.5, the address quirk; "" when unknown */
	char *state;			/* unknown, down, ready, disconnected */
	char *availability;		/* active, pause, drain */
	char *os, *arch, *engine_version;	/* arch: as uname tells, "x86_64"; "" when unknown */
	bool manager, leader;
	bool agent;			/* a task of the agents' service runs there */
};

struct cluster_service {
	char *id, *name, *stack;	/* stack: com.docker.stack.namespace or NULL */
	const char *mode;		/* replicated, global, replicated-job, global-job, unknown */
	int64_t job_iteration;		/* of a job's current run, else -1 */
	bool published;			/* has a port that the ingress network carries */
};

struct cluster_task {
	char *id, *service_id, *node_id;
	int64_t slot;			/* 0: global */
	char *state, *desired, *container_id, *image, *error;
	int64_t job_iteration;		/* -1: none */
	struct wire_network *networks;	/* with addresses of this task */
	size_t n_networks;
	bool host_network;		/* it has its node's */
};

/* An overlay. */
struct cluster_network {
	char *id, *name;
	int64_t vni;			/* 0: not known */
	bool ingress, encrypted;
};

/*
 * Of no service: on the node of the Engine that answered, or one that is attached to an overlay
 * anywhere (then of the manager's knowledge only: its name is the beginning of its id).
 */
struct cluster_container {
	char *id, *name, *image, *node_id;
	char *joins;			/* NetworkMode container:ID, else NULL */
	bool running, host_network, named;	/* named: its name is known */
	struct wire_network *networks;
	size_t n_networks;
};

struct cluster {
	char *id;			/* of the Swarm; "": there is none, see cluster_load */
	char *self_node_id, *self_name;	/* the manager that answered */
	char *self_address;		/* as it advertises itself; "" when unknown */
	uint16_t agent_port;		/* label swarmcap.port of the agents' service; 0: no such service */
	struct cluster_node *nodes;
	size_t n_nodes;
	/* Those that were selected, or all where a selector may mean any of them (resolve.h). */
	struct cluster_service *services;
	size_t n_services;
	struct cluster_task *tasks;
	size_t n_tasks;
	struct cluster_container *containers;
	size_t n_containers;
	struct cluster_network *networks;	/* when one is selected: all */
	size_t n_networks;
	uint16_t data_path_port;		/* UDP, of VXLAN; 4789 unless the Swarm was told */
};

#define CLUSTER_INIT { 0 }

/*
 * The decoders add to c; a list that is too long (-E2BIG) or has an entry without a usable id
 * (-EINVAL) is refused. Texts are cut at WIRE_TEXT_MAX bytes, addresses that are none dropped.
 * Info comes first: nodes' addresses need it.
 */
/* What they read of each entry: no more of a list need be parsed (jx_parse_some). */
extern const char *const cluster_node_fields[], *const cluster_service_fields[],
	*const cluster_task_fields[];
/* info: the id, self. -EOPNOTSUPP with a sentence: no Swarm, a worker, locked, without a leader. */
int cluster_decode_info(const json_t *info, struct cluster *c, struct err *err);
/* They stand in the order of their names then. */
int cluster_decode_nodes(const json_t *nodes, struct cluster *c, struct err *err);
/* Adds one service; one that is there already is not added twice. */
int cluster_decode_service(const json_t *service, struct cluster *c, struct err *err);
int cluster_decode_tasks(const json_t *tasks, struct cluster *c, struct err *err);
/* GET /tasks of runtime "attachment": containers that were attached to an overlay by hand. */
int cluster_decode_attachments(const json_t *tasks, struct cluster *c, struct err *err);
/* cluster_network.c: GET /networks; those that are no overlays are passed over. */
int cluster_decode_networks(const json_t *networks, struct cluster *c, struct err *err);
/* cluster_container.c: GET /containers/NAME/json. One that is there already is not added twice. */
int cluster_decode_container(const json_t *container, struct cluster *c, struct err *err);
/*
 * An Engine that is no manager, for its containers: a cluster of one node, which has the id that
 * the Swarm gave it or "", and the address 127.0.0.1.
 */
int cluster_decode_alone(const json_t *info, struct cluster *c, struct err *err);

/*
 * cluster_load, _load_nodes and _load_self wait for a leader when there is none at the moment, for a
 * minute at most, and say so; the others are for who asks again by itself, and do not.
 */
/* Info, nodes and the agent's port only: for deploy, doctor, fetch, rm. */
int cluster_load_nodes(struct engine *e, struct cluster *c, struct err *err);
/* The same; of an Engine that is no manager itself alone. */
int cluster_load_self(struct engine *e, struct cluster *c, struct err *err);
/* Info, nodes and every service: three questions, for who shows but names. */
int cluster_load_names(struct engine *e, struct cluster *c, struct err *err);
/*
 * All that these selectors (selector.h) may mean; with none: every service, and the
 * overlays. Names and ids are exact, or
 * a unique id prefix; never a name's prefix. Services by name alone are asked for one by one, anything
 * else takes the lists. With nothing but containers the Engine need not be a manager.
 * 0; CLUSTER_E_UNKNOWN: a name that does not exist, err says which (exit 4); -EINVAL: an ambiguous id
 * prefix (exit 2); else -errno.
 */
#define CLUSTER_E_UNKNOWN 1
int cluster_load(struct engine *e, char *const *names, size_t n, struct cluster *c, struct err *err);
/* These services by id, as far as they are there still; of many, all that are there. */
int cluster_load_services(struct engine *e, const struct wire_service *list, size_t n,
			  struct cluster *c, struct err *err);
void cluster_release(struct cluster *c);
/* Of a task or a target, to be owned by another. */
struct wire_network *cluster_copy_networks(const struct wire_network *list, size_t n);
void cluster_release_networks(struct wire_network *list, size_t n);

/* NULL when there is none. */
const struct cluster_node *cluster_node(const struct cluster *c, const char *id);
const struct cluster_service *cluster_service(const struct cluster *c, const char *id);
const struct cluster_container *cluster_container(const struct cluster *c, const char *id);
/*
 * State and desired state are running, a container is known. A job's tasks are desired to be
 * complete, and those of an earlier run do not count.
 */
bool cluster_task_runs(const struct cluster *c, const struct cluster_task *t);
/* "web.3"; of a global service "web.<node id>", as docker service ps has it. Free it. */
char *cluster_task_name(const struct cluster_task *t, const struct cluster_service *s);
/* It will not run any more. */
bool cluster_task_ended(const struct cluster_task *t);

#endif
