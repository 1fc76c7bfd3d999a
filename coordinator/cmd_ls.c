/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_ls.c - swarmcap ls [SELECTOR...]: what can be captured, where, and by which route
 */
#include "cmd.h"

#include "interrupt.h"
#include "listing.h"
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
};

static void view_release(struct view *v)
{
	resolved_release(&v->what);
	plan_release(&v->nodes);
	cluster_release(&v->cluster);
	free(v->only);
}

static void find_routes(struct view *v, struct reach *x, const struct request *r)
{
	cleanup_creds struct creds creds = CREDS_INIT;
	struct reach_facts facts = { .cluster = &v->cluster };
	struct err why = ERR_INIT;

	facts.creds = reach_load_creds(r, &v->cluster, &creds, &why) == 0;
	plan_all_nodes(&v->nodes, &v->cluster);
	reach_plan(x, &facts, &v->nodes);
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
		.all = r->n_selectors == 0,
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
