/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - a capture that exists already, looked for on every node
 */
#include "attach.h"

#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static enum exit_status load(struct attach *a, struct err *err)
{
	struct request *r = a->request;
	struct err why = ERR_INIT;
	int rc = reach_open(&a->reach, r, err);

	if (rc == 0)
		rc = cluster_load_self(reach_engine(a->reach), &a->cluster, err);
	if (rc < 0)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	rc = reach_load_creds(r, &a->cluster, &a->creds, &why);
	a->has_creds = rc == 0;
	if (rc < 0) {
		err_set(err, rc, "%s", why.text);
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

void attach_routes(struct attach *a, struct plan *p)
{
	const struct reach_facts facts = {
		.cluster = &a->cluster, .creds = a->has_creds, .attach = true,
	};

	reach_plan(a->reach, &facts, p);
}

struct fleet_job attach_job(struct attach *a, const struct plan *p)
{
	return (struct fleet_job){
		.plan = p, .stop = !strcmp(a->request->command, "stop"), .cluster = &a->cluster,
		.creds = a->has_creds ? &a->creds : NULL, .reach = a->reach, .staging_fd = -1,
		.fetch_rate = a->request->fetch_rate,
	};
}

static size_t count_found(struct attach *a, size_t *silent)
{
	size_t n, found = 0;
	const struct fleet_node *nodes = fleet_nodes(a->fleet, &n);

	*silent = 0;
	for (size_t i = 0; i < n; i++) {
		found += nodes[i].has_report;
		*silent += nodes[i].reason != NULL;
	}
	return found;
}

static enum exit_status ask(struct attach *a, struct err *err)
{
	struct fleet_watch watch = {
		.wake_fd = a->signals, .tick = progress_tick, .arg = &a->progress,
	};
	const struct fleet_job job = attach_job(a, &a->everyone);
	size_t silent;

	if (fleet_start(&a->fleet, &job, err) < 0)
		return EXIT_FAILED;
	a->progress.fleet = a->fleet;
	if (fleet_wait_armed(a->fleet, &watch) == FLEET_WAKE_FD) {
		fleet_abandon(a->fleet);
		err_set(err, -EINTR, "interrupted");
		return EXIT_FAILED;
	}
	if (count_found(a, &silent) > 0)
		return EXIT_OK;
	err_set(err, -ENOENT, "no node knows a capture %s", a->everyone.id);
	if (silent)
		err_add(err, ", but %zu nodes did not answer", silent);
	return EXIT_FAILED;
}

enum exit_status attach_open(struct attach *a, struct request *r, struct err *err)
{
	enum exit_status status;

	*a = (struct attach){ .request = r, .signals = -1 };
	progress_init(&a->progress, r);
	status = load(a, err);
	if (status != EXIT_OK)
		return status;
	snprintf(a->everyone.id, sizeof(a->everyone.id), "%s", r->selectors[0]);
	plan_all_nodes(&a->everyone, &a->cluster);
	attach_routes(a, &a->everyone);
	a->signals = interrupt_open(err);
	return a->signals < 0 ? EXIT_FAILED : ask(a, err);
}

enum exit_status attach_again(struct attach *a, int ms, struct err *err)
{
	struct pollfd signals = { .fd = a->signals, .events = POLLIN };

	if (poll(&signals, 1, ms) > 0) {
		err_set(err, -EINTR, "interrupted");
		return EXIT_FAILED;
	}
	fleet_free(a->fleet);
	a->fleet = NULL;
	return ask(a, err);
}

size_t attach_unreached(struct attach *a)
{
	size_t silent;

	count_found(a, &silent);
	return silent + a->cluster.n_nodes - a->everyone.n_nodes;
}

void attach_release(struct attach *a)
{
	fleet_free(a->fleet);
	plan_release(&a->everyone);
	creds_release(&a->creds);
	cluster_release(&a->cluster);
	reach_close(a->reach);
	util_close(a->signals);
}
