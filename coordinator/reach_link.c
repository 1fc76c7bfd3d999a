/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_link.c - a conversation with a node over one of its routes
 */
#include "reach_parts.h"

#include "hire.h"
#include "tap.h"
#include "version.h"

#include <errno.h>
#include <string.h>

struct way {
	struct reach *reach;
	const struct plan_node *node;
	const struct reach_job *job;
};

/* ---- agent ---- */

/* An agent behind the manager: each connection of its link is a direct-tcpip. */
struct tunnel {
	struct remote *through;
	char *address;
	uint16_t port;
};

static int dial_tunnel(void *arg, struct err *err)
{
	struct tunnel *t = arg;

	return remote_dial_tcp(t->through, t->address, t->port, err);
}

static void tunnel_free(void *arg)
{
	struct tunnel *t = arg;

	free(t->address);
	free(t);
}

int reach_agent(struct reach *x, const struct link_place *place, struct link **out,
		struct err *err)
{
	struct link_place at = *place;
	struct http_dialer dialer = { dial_tunnel, NULL };
	struct tunnel *t;
	int rc;

	if (!x || !x->manager)
		return link_new(out, place, err);
	t = xcalloc(1, sizeof(*t));
	*t = (struct tunnel){ x->manager, xstrdup(at.address), at.port };
	dialer.arg = t;
	at.dialer = &dialer;
	rc = link_new(out, &at, err);
	if (rc < 0)
		tunnel_free(t);
	else
		link_on_free(*out, tunnel_free, t);
	return rc;
}

static int link_agent(const struct way *w, struct link **out, struct err *err)
{
	uint16_t port = w->job->cluster->agent_port;
	const struct link_place at = {
		.address = w->node->address, .port = port ? port : SWARMCAP_PORT,
		.creds = w->job->creds, .cancel = w->job->cancel,
	};

	if (!*at.address)
		return err_set(err, -EHOSTUNREACH, "the manager knows no address of node %s",
			       w->node->name);
	if (!at.creds) {
		err_set(err, -ENOENT, "no certificates to speak to an agent: `swarmcap deploy`, or "
			"name theirs with --credentials");
		return REACH_E_CLOSED;
	}
	return reach_agent(w->reach, &at, out, err);
}

/* ---- agents of our own ---- */

static struct hire hire_of(const struct way *w)
{
	return (struct hire){
		.capture_id = w->job->capture_id, .node_id = w->node->id,
		.attach = w->job->attach, .cancel = w->job->cancel,
	};
}

static int link_local(const struct way *w, struct link **out, struct err *err)
{
	const struct hire h = hire_of(w);

	if (!reach_is_local(w->reach) || !w->reach->manager_node ||
	    strcmp(w->reach->manager_node, w->node->id) != 0) {
		err_set(err, -EREMOTE, "node %s is not the machine that we are on", w->node->name);
		return REACH_E_CLOSED;
	}
	return hire_local(out, &h, w->reach->at.path, err);
}

static int link_push(const struct way *w, struct link **out, struct err *err)
{
	const struct hire h = hire_of(w);
	struct remote *r = NULL;
	int rc = reach_remote(w->reach, w->node, &r, err);

	return rc < 0 ? rc : hire_push(out, &h, r, err);
}

/* ---- taps ---- */

static int link_tap(const struct way *w, enum route route, struct link **out, struct err *err)
{
	struct tap_place base = {
		.node_id = w->node->id, .node_name = w->node->name,
		.staging_fd = w->job->staging_fd, .cancel = w->job->cancel, .more = reach_more,
	};
	struct remote *r = NULL;
	int rc;

	if (w->reach->request->live) {
		err_set(err, -EOPNOTSUPP, "a live view needs an agent, so it does not go by the route %s",
			route_text(route));
		return REACH_E_CLOSED;
	}
	if (w->job->attach || w->job->staging_fd < 0) {
		err_set(err, -EOPNOTSUPP, "the route %s keeps nothing on its node",
			route_text(route));
		return REACH_E_CLOSED;
	}
	rc = reach_remote(w->reach, w->node, &r, err);
	if (rc < 0)
		return rc;
	base.remote = r;
	base.peer = remote_name(r);
	base.more_arg = reach_session_of(w->reach, w->node);
	if (route == ROUTE_SSH_NSENTER)
		return tap_nsenter_open(out, &base, r, w->reach->request, err);
	return tap_helper_open(out, &base, r, w->reach->request, err);
}

int reach_link(struct reach *x, const struct plan_node *n, enum route route,
	       const struct reach_job *job, struct link **out, struct err *err)
{
	const struct way w = { x, n, job };

	switch (route) {
	case ROUTE_AGENT:
		return link_agent(&w, out, err);
	case ROUTE_LOCAL:
		return link_local(&w, out, err);
	case ROUTE_SSH_PUSH:
		return link_push(&w, out, err);
	case ROUTE_SSH_NSENTER:
	case ROUTE_SSH_HELPER:
		return link_tap(&w, route, out, err);
	default:
		err_set(err, -EINVAL, "no such route");
		return REACH_E_CLOSED;
	}
}
