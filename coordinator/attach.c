/* SPDX-License-Identifier: Apache-2.0
 *
 * attach.c - a capture that exists already, looked for on every node
 */
#include "attach.h"

#include "context.h"
#include "interrupt.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

static bool may_answer(const struct cluster_node *n)
{
	return strcmp(n->state, "down") != 0 && *n->address;
}

/* The plan_* functions are for targets; this plan has nodes only. */
static void plan_everyone(struct attach *a)
{
	struct plan *p = &a->everyone;

	snprintf(p->id, sizeof(p->id), "%s", a->request->selectors[0]);
	p->nodes = xcalloc(a->cluster.n_nodes + 1, sizeof(*p->nodes));
	for (size_t i = 0; i < a->cluster.n_nodes; i++) {
		const struct cluster_node *n = &a->cluster.nodes[i];

		if (!may_answer(n))
			continue;
		p->nodes[p->n_nodes++] = (struct plan_node){
			.id = xstrdup(n->id),
			.name = xstrdup(n->name),
			.address = xstrdup(n->address),
			.file_host = xstrdup("-"),
			.route = "agent",
		};
	}
}

static enum exit_status load(struct attach *a, struct err *err)
{
	struct request *r = a->request;
	cleanup_free char *dir = NULL;

	if (context_open(&a->engine, r, err) < 0 ||
	    cluster_load_nodes(a->engine, &a->cluster, err) < 0)
		return EXIT_FAILED;
	dir = creds_dir(r->credentials, a->cluster.id);
	return creds_load(&a->creds, dir, err) < 0 ? EXIT_FAILED : EXIT_OK;
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
	const struct fleet_job job = { &a->everyone, NULL, &a->cluster, &a->creds };
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
	plan_everyone(a);
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
	engine_close(a->engine);
	util_close(a->signals);
}
