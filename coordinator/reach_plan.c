/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_plan.c - which routes may work for each node, from what is known without asking it
 *
 *	agent		a task of the agents' service runs there, and we have its certificates
 *	local		it is the node that we are on
 *	ssh-push	our image is here, and is made for the node's machine
 *	ssh-nsenter	always: only the node knows whether it has the programs
 *	ssh-helper	always
 *
 * A route that was forced is the only one, even where it seems hopeless: the attempt says why.
 */
#include "reach_parts.h"

#include <string.h>
#include <sys/utsname.h>

/* Docker says "x86_64" of itself, and "amd64" of images. */
static const char *arch_name(const char *arch)
{
	static const char *const same[][2] = {
		{ "amd64", "x86_64" }, { "arm64", "aarch64" }, { "386", "i686" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(same); i++)
		if (strcmp(arch, same[i][0]) == 0)
			return same[i][1];
	return arch;
}

static bool same_machine(const char *arch)
{
	struct utsname u;

	return !*arch || uname(&u) < 0 || strcmp(arch_name(arch), u.machine) == 0;
}

static void note(struct plan_node *n, const char *text)
{
	n->notes = xrealloc(n->notes, n->n_notes + 1, sizeof(*n->notes));
	n->notes[n->n_notes++] = xstrdup(text);
}

static bool may_push(const struct reach *x, const struct reach_facts *f,
		     const struct cluster_node *c, struct plan_node *n)
{
	cleanup_free char *why = NULL;

	if (f->attach)
		return true;
	if (!x->has_image) {
		note(n, "ssh-push: no image.tar of the agent is here");
		return false;
	}
	if (same_machine(c ? c->arch : ""))
		return true;
	why = xasprintf("ssh-push: the node is a %s, our agent is not made for it", c->arch);
	note(n, why);
	return false;
}

static bool may_work(const struct reach *x, const struct reach_facts *f, enum route r,
		     struct plan_node *n)
{
	const struct cluster_node *c = cluster_node(f->cluster, n->id);

	switch (r) {
	case ROUTE_AGENT:
		return f->creds && f->cluster->agent_port && c && c->agent;
	case ROUTE_LOCAL:
		return reach_is_local(x) && strcmp(n->id, f->cluster->self_node_id) == 0;
	case ROUTE_SSH_PUSH:
		return may_push(x, f, c, n);
	default:
		return !f->attach;
	}
}

static void plan_one(const struct reach *x, const struct reach_facts *f, struct plan_node *n)
{
	enum route forced = x->request->route ? route_parse(x->request->route) : ROUTE_NONE;

	for (size_t i = 0; i < n->n_notes; i++)
		free(n->notes[i]);
	n->n_notes = n->n_routes = 0;
	for (int r = 0; r < ROUTE_N; r++)
		if (forced == ROUTE_NONE && may_work(x, f, (enum route)r, n))
			n->routes[n->n_routes++] = (enum route)r;
	if (forced != ROUTE_NONE)
		n->routes[n->n_routes++] = forced;
	n->route = n->n_routes ? route_text(n->routes[0]) : NULL;
}

void reach_plan(struct reach *x, const struct reach_facts *f, struct plan *plan)
{
	if (!x->manager_node)
		x->manager_node = xstrdup(f->cluster->self_node_id);
	for (size_t i = 0; i < plan->n_nodes; i++)
		plan_one(x, f, &plan->nodes[i]);
}
