/* SPDX-License-Identifier: Apache-2.0
 *
 * local.c - where the namespaces of this node's containers are
 *
 * The engine names a container's namespace by its path on the engine's side (SandboxKey); only
 * the last part counts here, looked up in our own view of the netns directory. Its id is random: it
 * cannot be derived from the container's. A container may live in another's namespace
 * ("container:ID"); the chain is followed a few steps.
 */
#include "local.h"
#include "netns.h"

#include <errno.h>
#include <string.h>

#define CHAIN_MAX 4
#define TASK_LABEL "Config.Labels.=com.docker.swarm.task.id"
#define INGRESS_FILE "ingress_sbox"
#define HOST_FILE "default"

static int inspect(struct engine *e, const char *id, json_t **out, struct err *err)
{
	cleanup_free char *name = engine_escape(id);
	cleanup_free char *path = xasprintf("/containers/%s/json", name);
	struct err why = ERR_INIT;
	int r = engine_get(e, path, out, &why);

	if (r == ENGINE_E_NOT_FOUND)
		return err_set(err, -ENOENT, "no container %.12s on this node", id);
	if (r)
		return err_set(err, r < 0 ? r : -EIO, "%s", why.text);
	return 0;
}

static int check(const json_t *c, const struct wire_wanted *w, struct err *err)
{
	const char *task = jx_str(c, TASK_LABEL, "");

	if (w->task_id && *w->task_id && strcmp(w->task_id, task))
		return err_set(err, -ESTALE, "container %.12s does not belong to task %s",
			       w->container_id, w->task_id);
	if (!jx_bool(c, "State.Running", false))
		return err_set(err, -ESRCH, "container %.12s is not running", w->container_id);
	return 0;
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The file of the container's namespace; *c is replaced while the chain is followed. */
static int find_file(struct engine *e, json_t **c, char **out, struct err *err)
{
	const char *mode, *file;

	for (int i = 0; i < CHAIN_MAX; i++) {
		cleanup_json json_t *next = NULL;
		int r;

		mode = jx_str(*c, "HostConfig.NetworkMode", "");
		file = last_part(jx_str(*c, "NetworkSettings.SandboxKey", ""));
		if (!str_starts(mode, "container:")) {
			if (!*file)
				return err_set(err, -ENOENT,
					       "the container has no network namespace");
			*out = xstrdup(file);
			return 0;
		}
		r = inspect(e, mode + strlen("container:"), &next, err);
		if (r)
			return r;
		jx_freep(c);
		*c = take_ptr(&next);
	}
	return err_set(err, -ELOOP,
		       "the container's namespace is another container's, too many times over");
}

static int find_container(struct engine *e, const struct wire_wanted *w, struct local_place *out,
			  struct err *err)
{
	cleanup_json json_t *c = NULL;
	int r;

	if (!w->container_id || !*w->container_id)
		return err_set(err, -EINVAL, "target %s names no container", w->key);
	r = inspect(e, w->container_id, &c, err);
	if (!r)
		r = check(c, w, err);
	if (r)
		return r;
	out->container_id = xstrdup(jx_str(c, "Id", w->container_id));
	out->image = xstrdup(jx_str(c, "Config.Image", ""));
	out->paused = jx_bool(c, "State.Paused", false);
	out->guest = str_starts(jx_str(c, "HostConfig.NetworkMode", ""), "container:");
	r = find_file(e, &c, &out->netns_file, err);
	if (!r && !strcmp(out->netns_file, HOST_FILE)) {
		free(out->netns_file);	/* the host's namespace is ours */
		out->netns_file = NULL;
	}
	return r;
}

/*
 * Namespaces of no container: their files have names that follow from the network's id. That none
 * is there is a fact about the node.
 */
static int find_named(const struct node *n, const struct wire_wanted *w, struct local_place *out,
		      struct err *err)
{
	const char *id = w->n_networks && w->networks[0].id ? w->networks[0].id : "";

	if (w->kind == WIRE_INGRESS)
		out->netns_file = netns_find(n->netns_dir, INGRESS_FILE);
	else
		out->netns_file = w->kind == WIRE_LB ? netns_find_lb(n->netns_dir, id)
						     : netns_find_network(n->netns_dir, id);
	if (out->netns_file)
		return 0;
	out->absent = true;
	return err_set(err, -ENOENT, w->kind == WIRE_INGRESS
		       ? "the node has no ingress sandbox" : w->kind == WIRE_LB
		       ? "the overlay has no load balancer on this node"
		       : "the overlay has no namespace on this node");
}

bool local_needs_engine(enum wire_kind kind)
{
	return kind == WIRE_TASK || kind == WIRE_CONTAINER;
}

int local_find(struct engine *e, const struct node *n, const struct wire_wanted *w,
	       struct local_place *out, struct err *err)
{
	*out = (struct local_place){ 0 };
	switch (w->kind) {
	case WIRE_TASK:
	case WIRE_CONTAINER:
		return find_container(e, w, out, err);
	case WIRE_HOST:
		return 0;
	case WIRE_INGRESS:
	case WIRE_NETWORK:
	case WIRE_LB:
		return find_named(n, w, out, err);
	}
	return err_set(err, -EINVAL, "target %s is of an unknown kind", w->key);
}

void local_place_release(struct local_place *p)
{
	free(p->container_id);
	free(p->image);
	free(p->netns_file);
	*p = (struct local_place){ 0 };
}
