/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_own.c - what this run itself sends through a host's network is left out of its capture
 *
 *	agent's API	by a deployed agent itself; with another route here, as what we say to other agents
 *	our ssh		the far sshd knows the connection as the host's cards see it: $SSH_CONNECTION
 *	hops		from where we are, or from the manager that we reach by ssh, on to other nodes: ssh
 *			to them altogether, since their connections are made while this one is armed
 */
#include "reach_own.h"
#include "reach_parts.h"

#include "buf.h"
#include "units.h"

#include <arpa/inet.h>
#include <string.h>

#define ASK_MS 5000
#define HOPS_MAX 32		/* terms of a filter are dear (filter.h) */
#define SSH_PORT 22

/* ---- the connection ---- */

static bool is_address(const char *s)
{
	struct in6_addr any;

	return inet_pton(AF_INET, s, &any) == 1 || inet_pton(AF_INET6, s, &any) == 1;
}

char *reach_own_connection(const char *text)
{
	char client[INET6_ADDRSTRLEN], port[8];
	uint64_t n;

	if (sscanf(text, "%45s %7s", client, port) != 2 || !is_address(client) ||
	    units_parse_u64(port, 1, UINT16_MAX, &n) < 0)
		return NULL;
	return xasprintf("(tcp port %u and host %s)", (unsigned int)n, client);
}

static char *ask_connection(struct remote *r)
{
	cleanup_buf struct buf text = BUF_INIT(256);
	struct remote_job job = {
		.command = "echo \"$SSH_CONNECTION\"", .out = &text, .timeout_ms = ASK_MS,
	};

	return remote_do(r, &job, NULL) == 0 && text.data ? reach_own_connection(text.data) : NULL;
}

/* The session that ends on this node; NULL: none does. */
static struct remote *session(struct reach *x, const struct plan_node *n, enum route route)
{
	const struct reach_session *s;

	if (x->manager && x->manager_node && strcmp(n->id, x->manager_node) == 0)
		return x->manager;
	if (route == ROUTE_AGENT || route == ROUTE_LOCAL)
		return NULL;
	s = reach_session_of(x, n);
	return s ? s->remote : NULL;
}

/* ---- hops ---- */

static bool is_hub(const struct reach *x, const struct plan_node *n, const struct cluster *c)
{
	if (x->manager)
		return x->manager_node && strcmp(n->id, x->manager_node) == 0;
	return reach_is_local(x) && strcmp(n->id, c->self_node_id) == 0;
}

static void add(struct buf *b, const char *text)
{
	buf_addf(b, "%s%s", b->len ? " or " : "", text);
}

static void add_hops(struct buf *b, const struct reach_own *o)
{
	const struct plan *p = o->plan;
	size_t n = 0;

	for (size_t i = 0; i < p->n_nodes && n < HOPS_MAX; i++) {
		const struct plan_node *to = &p->nodes[i];
		cleanup_free char *text = NULL;

		if (to == o->node || to->n_routes == 0 || to->routes[0] == ROUTE_AGENT ||
		    to->routes[0] == ROUTE_LOCAL || !is_address(to->address))
			continue;
		text = xasprintf("(tcp port %d and host %s)", SSH_PORT, to->address);
		add(b, text);
		n++;
	}
}

/* ---- the request ---- */

/* Also a task that has its host's network: Docker calls that network "host". */
static bool is_host(const struct wire_wanted *w)
{
	for (size_t i = 0; i < w->n_networks; i++)
		if (w->kind == WIRE_TASK && strcmp(w->networks[i].name, "host") == 0)
			return true;
	return w->kind == WIRE_HOST;
}

static bool any_host(const struct wire_arm *a)
{
	for (size_t i = 0; i < a->n_targets; i++)
		if (is_host(&a->targets[i]))
			return true;
	return false;
}

void reach_leave_out(struct reach *x, const struct reach_own *o, struct wire_arm *a)
{
	cleanup_buf struct buf own = BUF_INIT(FILTER_MAX / 2);
	cleanup_free char *connection = NULL, *api = NULL;
	struct remote *r;

	if (!any_host(a))
		return;
	r = session(x, o->node, o->route);
	connection = r ? ask_connection(r) : NULL;
	if (connection)
		add(&own, connection);
	if (o->cluster->agent_port && o->route != ROUTE_AGENT) {
		api = xasprintf("tcp port %u", o->cluster->agent_port);
		add(&own, api);
	}
	if (is_hub(x, o->node, o->cluster))
		add_hops(&own, o);

	for (size_t i = 0; i < a->n_targets && own.len; i++) {
		struct wire_wanted *w = &a->targets[i];
		const char *filter = w->filter ? w->filter : a->filter;
		char *text;

		if (!is_host(w))
			continue;
		text = xasprintf("not (%s)%s%s%s", own.data, filter ? " and (" : "",
				 filter ? filter : "", filter ? ")" : "");
		free(w->filter);
		w->filter = text;
	}
}
