/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_arm.c - a node's first words: its routes in order, until one of them captures
 *
 * A way that is closed (nobody listens, no sudo, no tcpdump) leads to the next one and becomes a
 * note of the node; a node that cannot be reached ends the search, so that it costs one time-out.
 *
 * An agent answers to arm within ROUTE_ARM_MS or is lost. Routes over ssh log in and send files
 * first: no further route is begun ROUTES_MS after the first, and none takes longer than that. So the
 * last node is armed 2 * ROUTES_MS + ROUTE_ARM_MS after the first at most, and by as much
 * a capture's deadline exceeds its duration (GRACE_SSH_MS in plan_context.c): the first that
 * armed must not end before the last one's window does. Where there are but agents it is ROUTE_ARM_MS.
 */
#include "fleet_parts.h"
#include "reach_own.h"

#include "version.h"

#include <errno.h>
#include <string.h>

#define ROUTE_ARM_MS 8000
#define ROUTE_TAP_MS 30000		/* tcpdump or a container per target */
#define ATTACH_MS 10000
#define ROUTES_MS 60000

/* Is it the agent that is gone, or its whole node? A host that refuses or resets is alive. */
const char *fleet_loss(int rc)
{
	switch (rc) {
	case LINK_E_NOT_FOUND:
	case -ECONNREFUSED:
	case -ECONNRESET:
	case -ENOENT:
		return "agent-lost";
	case -ETIMEDOUT:
	case -EHOSTUNREACH:
	case -ENETUNREACH:
	case -EPIPE:		/* the ssh session to it died */
		return "node-lost";
	default:
		return "error";
	}
}

/* Is an agent what would have helped? Not where another route was asked for. */
static bool wants_agent(const struct plan_node *n)
{
	return n->n_routes != 1 || n->routes[0] == ROUTE_AGENT;
}

/* The same before anything was captured there. */
const char *fleet_arm_loss(const struct plan_node *n, int rc)
{
	if (rc == LINK_E_WRONG_NODE)
		return "wrong-node";
	if (rc == LINK_E_NOT_FOUND || rc == -ECONNREFUSED || rc == -ENOENT)
		return wants_agent(n) ? "agent-missing" : "error";
	return !strcmp(fleet_loss(rc), "agent-lost") ? "error" : fleet_loss(rc);
}

/* What went well is talk for -v. */
void fleet_note(struct fleet_talk *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	fleet_tell(t, FLEET_NODE_NOTE, NULL, text);
}

/* ---- one route ---- */

/* Where there is no reach (tests): an agent at the node's address. */
static int link_direct(struct reach *x, const struct plan_node *n, enum route route,
		       const struct reach_job *job, struct link **out, struct err *err)
{
	uint16_t port = job->cluster->agent_port;
	const struct link_place at = {
		.address = n->address, .port = port ? port : SWARMCAP_PORT, .creds = job->creds,
		.cancel = job->cancel,
	};

	if (!*n->address)
		return err_set(err, -EHOSTUNREACH, "the manager knows no address of node %s",
			       n->name);
	return link_new(out, &at, err);
}

static bool any_armed(const struct wire_report *r)
{
	for (size_t i = 0; i < r->n_targets; i++)
		if (r->targets[i].state != WIRE_FAILED)
			return true;
	return false;
}

static void note_armed(struct fleet_talk *t, struct wire_report *report)
{
	bool armed = any_armed(report);

	memcpy(t->token, report->token, sizeof(t->token));
	t->renewed_ns = clock_mono_ns();
	fleet_lock(t->fleet);
	t->node->armed = armed;
	fleet_unlock(t->fleet);
	fleet_absorb(t, report);
}

static int arm(struct fleet_talk *t, enum route route, struct err *err)
{
	struct fleet *f = t->fleet;
	struct wire_report report = { 0 };
	struct wire_arm a;
	int rc;

	plan_arm(f->job.plan, t->node->plan, f->job.request, f->job.cluster, &a);
	if (f->job.reach)
		reach_leave_out(f->job.reach,
				&(struct reach_own) { f->job.plan, t->node->plan, route,
						      f->job.cluster }, &a);
	link_set_timeout(t->link, route == ROUTE_AGENT ? ROUTE_ARM_MS : ROUTE_TAP_MS);
	rc = link_arm(t->link, &a, &report, err);
	wire_arm_release(&a);
	if (rc == 0 && f->job.request->live && !report.live) {
		link_remove(t->link, f->job.plan->id, NULL);
		err_set(err, -EPROTO, "the agent, version %s, knows no live view: bring it up to date "
			"with 'swarmcap deploy'", report.version);
		rc = LINK_E_REFUSED;
	}
	if (rc == 0)
		note_armed(t, &report);
	wire_report_release(&report);
	return rc;
}

/* Instead of arming: a capture that exists already, or -ENODATA: not on this node. */
static int attach(struct fleet_talk *t, struct err *err)
{
	struct wire_report report = { 0 };
	int rc;

	link_set_timeout(t->link, ATTACH_MS);
	rc = link_report(t->link, t->fleet->job.plan->id, &report, err);
	if (rc == 0)
		note_armed(t, &report);
	wire_report_release(&report);
	if (rc == LINK_E_NOT_FOUND && !strstr(err->text, "another API"))
		return -ENODATA;
	return rc;
}

static int try_route(struct fleet_talk *t, enum route route, struct err *err)
{
	struct fleet *f = t->fleet;
	const struct reach_job job = {
		.cluster = f->job.cluster, .creds = f->job.creds, .capture_id = f->job.plan->id,
		.staging_fd = f->job.request ? f->job.staging_fd : -1, .attach = !f->job.request,
		.cancel = &f->cancel,
	};
	fleet_open_link *open = f->job.open ? f->job.open : f->job.reach ? reach_link : link_direct;
	int rc;

	/* what an earlier route left is of no use any more */
	link_free(t->link);
	t->link = NULL;
	rc = open(f->job.reach, t->node->plan, route, &job, &t->link, err);
	if (rc != 0)
		return rc;
	link_set_fetch_rate(t->link, f->job.fetch_rate);
	return f->job.request ? arm(t, route, err) : attach(t, err);
}

/* ---- all of them ---- */

/* Another way to the same node may do better: who refuses or hangs up is alive. */
static bool leads_on(int rc)
{
	return rc == REACH_E_CLOSED || rc == -ECONNREFUSED || rc == -ENOENT || rc == -EACCES ||
	       rc == -ECONNRESET || rc == -ENODATA;
}

static void keep_note(struct fleet_talk *t, enum route route, const struct err *why)
{
	const struct fleet_node *n = t->node;
	char *text = xasprintf("%s: %s", route_text(route), why->text);

	/* a node that is tried again and again says it once */
	if (n->n_notes && !strcmp(n->notes[n->n_notes - 1], text))
		free(text);
	else
		fleet_keep_note(t, text);
}

static void took(struct fleet_talk *t, enum route route)
{
	static const struct err deaf = {
		.text = "tasks that start on this node meanwhile are not captured by this route",
	};

	if (t->fleet->job.request && t->fleet->job.plan->n_follow && !route_has_spool(route))
		keep_note(t, route, &deaf);
	fleet_lock(t->fleet);
	t->node->route = route_text(route);
	fleet_unlock(t->fleet);
}

/* The first failure counts, with the others' words behind it. */
static void blame(struct err *err, enum route route, const struct err *why, bool alone)
{
	if (alone)
		err_set(err, why->code, "%s", why->text);
	else
		err_add(err, "; %s: %s", route_text(route), why->text);
}

/* Captures may be kept where we are not allowed to look. */
static bool hides(int rc, const struct err *why)
{
	return rc == REACH_E_CLOSED && (why->code == -EACCES || why->code == -EPERM);
}

int fleet_arm(struct fleet_talk *t, struct err *err)
{
	static const enum route only[] = { ROUTE_AGENT };
	const struct plan_node *n = t->node->plan;
	const enum route *routes = n->n_routes ? n->routes : only;
	size_t count = n->n_routes ? n->n_routes : 1;
	int64_t until = clock_mono_ns() + ROUTES_MS * NS_PER_MS;
	bool attached = !t->fleet->job.request, nothing = false, told = false;
	struct err hidden = ERR_INIT;
	int first = 0;

	for (size_t i = 0; i < count; i++) {
		struct err why = ERR_INIT;
		int rc = try_route(t, routes[i], &why);

		if (rc == 0) {
			took(t, routes[i]);
			return 0;
		}
		/* a way on which nobody keeps captures is as good as one that knows none of this id */
		if (rc == -ENODATA || (attached && rc == REACH_E_CLOSED)) {
			nothing = nothing || rc == -ENODATA;
			if (hides(rc, &why) && !hidden.code)
				hidden = why;
			continue;
		}
		/* the node has answered already, and a way that nobody ever used may be closed */
		if (nothing) {
			keep_note(t, routes[i], &why);
			break;
		}
		blame(err, routes[i], &why, !told);
		first = told ? first : rc;
		told = true;
		if (!leads_on(rc) || clock_mono_ns() > until)
			break;
		keep_note(t, routes[i], &why);
	}
	if (told)
		return first;
	if (!attached || nothing || !hidden.code)
		return -ENODATA;
	*err = hidden;
	return hidden.code;
}

const char *fleet_route(const struct fleet_node *n)
{
	return n->route ? n->route : n->plan->route ? n->plan->route : "-";
}
