/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_ls.c - swarmcap ls [SELECTOR...]: what can be captured, where, and by which route
 */
#include "cmd.h"

#include "agents.h"
#include "interrupt.h"
#include "listing.h"
#include "log.h"
#include "reach.h"
#include "table_fit.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define WATCH_MS 2000
#define CLEAR "\033[H\033[2J\033[3J"

/* What is there, and how its nodes are reached. */
struct view {
	struct cluster cluster;
	struct plan nodes;
	struct resolved what;
	bool *only;
	struct agents agents;
};

static void view_release(struct view *v)
{
	agents_release(&v->agents);
	resolved_release(&v->what);
	plan_release(&v->nodes);
	cluster_release(&v->cluster);
	free(v->only);
}

/* Who does not answer is named, and the rest is listed. */
static void ask_agents(struct view *v, struct reach *x, const struct creds *creds)
{
	const struct agents_how how = {
		.reach = x, .creds = creds, .port = v->cluster.agent_port, .targets = true,
	};

	agents_init(&v->agents, &v->cluster);
	for (size_t i = 0; i < v->agents.n; i++)
		v->agents.items[i].ask = v->only[i] && v->cluster.nodes[i].agent;
	agents_ask(&v->agents, &how);
	for (size_t i = 0; i < v->agents.n; i++) {
		const struct agent *a = &v->agents.items[i];

		if (!v->only[i] || a->answers)
			continue;
		log_warn("node %s tells no interfaces: %s", a->node->name,
			 a->ask ? a->err.text : "no agent runs there");
	}
}

static void find_routes(struct view *v, struct reach *x, const struct request *r)
{
	cleanup_creds struct creds creds = CREDS_INIT;
	struct reach_facts facts = { .cluster = &v->cluster };
	struct err why = ERR_INIT;

	facts.creds = reach_load_creds(r, &v->cluster, &creds, &why) == 0;
	plan_all_nodes(&v->nodes, &v->cluster);
	reach_plan(x, &facts, &v->nodes);
	if (r->interfaces && facts.creds)
		ask_agents(v, x, &creds);
	else if (r->interfaces)
		log_warn("interfaces are told by agents, and none is asked: %s", why.text);
}

static enum exit_status status_of(int rc)
{
	if (rc == 0)
		return EXIT_OK;
	return rc > 0 ? EXIT_NOTHING : rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
}

static enum exit_status load(struct view *v, struct reach *x, struct request *r, struct err *err)
{
	int rc = cluster_load(reach_engine(x), r->selectors, r->n_selectors, &v->cluster, err);

	if (rc == 0)
		rc = resolve(r->selectors, r->n_selectors, r->members, &v->cluster, &v->what, err);
	if (rc == 0)
		v->only = resolve_nodes(r->only_nodes, r->n_only_nodes, &v->cluster, &rc, err);
	if (rc == 0)
		find_routes(v, x, r);
	return status_of(rc);
}

static enum exit_status show(struct reach *x, struct request *r, const char *before, struct err *err)
{
	cleanup(view_release) struct view v = { .cluster = CLUSTER_INIT };
	enum exit_status status = load(&v, x, r, err);
	const struct listing l = {
		.cluster = &v.cluster, .routes = &v.nodes, .what = &v.what, .nodes = v.only,
		.all = r->n_selectors == 0, .agents = r->interfaces ? &v.agents : NULL,
	};

	if (status != EXIT_OK)
		return status;
	fputs(before, stdout);
	if (r->json)
		listing_print_json(stdout, &l);
	else
		listing_print(stdout, &l, table_terminal(stdout));
	fflush(stdout);
	return EXIT_OK;
}

/* Again and again until ^C, which is how it ends well. */
static enum exit_status watch(struct reach *x, struct request *r, struct err *err)
{
	struct pollfd p = { .fd = interrupt_open(err), .events = POLLIN };
	const char *before = isatty(STDOUT_FILENO) ? CLEAR : "";
	enum exit_status status;

	if (p.fd < 0)
		return EXIT_FAILED;
	do {
		status = show(x, r, before, err);
		if (!isatty(STDOUT_FILENO))
			before = "\n";
	} while (status == EXIT_OK && poll(&p, 1, WATCH_MS) == 0);
	close(p.fd);
	return status;
}

static void close_reach(struct reach **x)
{
	reach_close(*x);
}

int cmd_ls(struct request *r)
{
	cleanup(close_reach) struct reach *x = NULL;
	struct err err = ERR_INIT;
	enum exit_status status = status_of(reach_open(&x, r, &err));

	if (status == EXIT_OK)
		status = r->watch ? watch(x, r, &err) : show(x, r, "", &err);
	return status == EXIT_OK ? EXIT_OK : cmd_fail(r, status, &err);
}
