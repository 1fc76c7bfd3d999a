/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_fetch.c - swarmcap fetch ID: a capture that was left on the nodes becomes an archive
 *
 * Every node is asked first. The contexts that come back with the reports hold what the first
 * coordinator knew, so that this one writes the same manifest; tasks of nodes that gave no
 * report are missing in it.
 *
 * A detached capture may be fetched while it goes on: then the files that are whole by now are
 * gathered, the nodes keep everything, and the manifest says so.
 */
#include "attach.h"
#include "gather.h"

#include <errno.h>
#include <string.h>

#define PATIENCE_NS (75 * NS_PER_S)	/* longer than a lease */
#define POLL_MS 2000

struct fetch {
	struct attach all;		/* every node */
	struct request made;		/* what was asked for when it was made */
	struct cluster then;		/* what its coordinator knew of the cluster */
	struct plan plan;
	struct fleet *fleet;		/* of the nodes that have it */
	struct confirm *confirm;
	struct bundle *bundle;
	int64_t start_ns, stop_ns;
	bool goes_on;			/* on one node at least */
};

static void fetch_release(struct fetch *f)
{
	fleet_free(f->fleet);
	bundle_free(f->bundle);
	confirm_free(f->confirm);
	request_release(&f->made);
	plan_release(&f->plan);
	cluster_release(&f->then);
	attach_release(&f->all);
}

static void widen(struct fetch *f, const struct wire_report *r)
{
	int64_t start = r->window_start_ns ? r->window_start_ns : r->armed_ns;

	if (start && (!f->start_ns || start < f->start_ns))
		f->start_ns = start;
	if (r->window_stop_ns > f->stop_ns)
		f->stop_ns = r->window_stop_ns;
	f->goes_on = f->goes_on || r->running;
}

/* A node that is waited for: a detached capture may go on for a day. */
static const char *running_on(struct fetch *f)
{
	size_t n;
	const struct fleet_node *nodes = fleet_nodes(f->all.fleet, &n);

	for (size_t i = 0; i < n; i++)
		if (nodes[i].has_report && nodes[i].report.running && nodes[i].report.attached)
			return nodes[i].plan->name;
	return NULL;
}

/*
 * A node that its coordinator could not tell to stop goes on until its lease ends. One that
 * is still going after that has a coordinator, which will gather it.
 */
static enum exit_status await_end(struct fetch *f, struct err *err)
{
	int64_t until = clock_mono_ns() + PATIENCE_NS;
	const char *node = running_on(f);
	enum exit_status status = EXIT_OK;

	if (node)
		progress_say(
			&f->all.progress, LOG_INFO,
			"the capture still runs on %s: waiting until it ends, a minute at most",
			node);
	while (status == EXIT_OK && (node = running_on(f))) {
		if (clock_mono_ns() > until) {
			err_set(err, -EBUSY,
				"capture %s still runs on %s, under its own coordinator",
				f->all.everyone.id, node);
			return EXIT_FAILED;
		}
		status = attach_again(&f->all, POLL_MS, err);
	}
	return status;
}

static enum exit_status check_kept(struct fetch *f, struct err *err)
{
	size_t n;
	const struct fleet_node *nodes = fleet_nodes(f->all.fleet, &n);

	for (size_t i = 0; i < n; i++)
		if (nodes[i].has_report && nodes[i].report.live) {
			err_set(err, -ENODATA, "capture %s is a live view: nothing of it is kept",
				f->all.everyone.id);
			return EXIT_FAILED;
		}
	return EXIT_OK;
}

/* The reports, borrowed. */
static size_t collect(struct fetch *f, struct wire_report *out)
{
	size_t n, found = 0;
	const struct fleet_node *nodes = fleet_nodes(f->all.fleet, &n);

	for (size_t i = 0; i < n; i++) {
		if (!nodes[i].has_report)
			continue;
		out[found++] = nodes[i].report;
		widen(f, &nodes[i].report);
	}
	return found;
}

/* Where the nodes are now, not where they were. */
static void readdress(struct fetch *f)
{
	for (size_t i = 0; i < f->plan.n_nodes; i++) {
		struct plan_node *n = &f->plan.nodes[i];
		const struct cluster_node *now = cluster_node(&f->all.cluster, n->id);

		if (!now)
			continue;
		free(n->address);
		n->address = xstrdup(now->address);
	}
}

/* Which of those that joined the manager knows, as far as it remembers them still. */
static void confirm_joined(struct fetch *f)
{
	struct cluster now = CLUSTER_INIT;
	struct err err = ERR_INIT;

	f->confirm = confirm_new();
	if (!f->plan.n_follow)
		return;
	if (cluster_load_services(reach_engine(f->all.reach), f->plan.follow, f->plan.n_follow,
				  &now, &err) == 0)
		confirm_take(f->confirm, &now);
	else
		plan_note(&f->plan, "the manager was not asked about tasks that joined: %s", err.text);
	cluster_release(&now);
}

static enum exit_status make_plan(struct fetch *f, struct err *err)
{
	cleanup_free struct wire_report *reports =
		xcalloc(f->all.everyone.n_nodes + 1, sizeof(*reports));

	if (plan_from_reports(reports, collect(f, reports), &f->plan, &f->made, &f->then, err) < 0)
		return EXIT_FAILED;
	if (f->goes_on) {
		f->stop_ns = 0;
		plan_note(&f->plan, "the capture was still running when this was fetched: "
			  "here are the files that were whole");
		progress_say(&f->all.progress, LOG_INFO,
			     "the capture goes on: fetching the files that are whole by now");
	}
	readdress(f);
	attach_routes(&f->all, &f->plan);
	confirm_joined(f);
	return EXIT_OK;
}

static enum exit_status open_output(struct fetch *f, const char *output, struct err *err)
{
	int rc = bundle_open(&f->bundle, output, f->all.request->force, err);

	return rc == -EEXIST || rc == -EINVAL ? EXIT_USAGE : rc < 0 ? EXIT_FAILED : EXIT_OK;
}

/*
 * A name of our own needs the selectors, which only the nodes know; so -o is looked at before. It
 * is not held meanwhile: until the signals are ours, ^C would leave the staging folder behind.
 */
static enum exit_status check_output(struct fetch *f, const char *output, struct err *err)
{
	enum exit_status status = output ? open_output(f, output, err) : EXIT_OK;

	bundle_free(f->bundle);
	f->bundle = NULL;
	return status;
}

static enum exit_status attach_those(struct fetch *f, struct err *err)
{
	struct fleet_watch watch = {
		.wake_fd = f->all.signals, .tick = progress_tick, .arg = &f->all.progress,
	};
	const struct fleet_job job = attach_job(&f->all, &f->plan);

	if (fleet_start(&f->fleet, &job, err) < 0)
		return EXIT_FAILED;
	f->all.progress.fleet = f->fleet;
	if (fleet_wait_armed(f->fleet, &watch) == FLEET_WAKE_FD) {
		fleet_abandon(f->fleet);
		err_set(err, -EINTR, "interrupted");
		return EXIT_FAILED;
	}
	return EXIT_OK;
}

static enum exit_status fetch(struct fetch *f, struct request *r, struct err *err)
{
	cleanup_free char *name = NULL;
	enum exit_status status;

	if ((status = check_output(f, r->output, err)) ||
	    (status = attach_open(&f->all, r, err)) || (status = check_kept(f, err)) ||
	    (status = await_end(f, err)) || (status = make_plan(f, err)))
		return status;
	name = bundle_default_name(f->made.selectors, f->made.n_selectors, f->plan.id);
	if ((status = open_output(f, r->output ? r->output : name, err)) ||
	    (status = attach_those(f, err)))
		return status;

	f->made.json = r->json;
	f->made.merge = r->merge;
	f->made.no_clock_correction = r->no_clock_correction;
	f->made.verbosity = r->verbosity;
	return gather_archive(&(struct gather){
		.request = &f->made, .plan = &f->plan, .cluster = &f->then, .fleet = f->fleet,
		.bundle = f->bundle, .confirm = f->confirm, .progress = &f->all.progress, .signals = f->all.signals,
		.interrupted = true, .start_ns = f->start_ns, .stop_ns = f->stop_ns,
	}, err);
}

int cmd_fetch(struct request *r)
{
	cleanup(fetch_release) struct fetch f = { .all.request = r, .all.signals = -1 };
	struct err err = ERR_INIT;
	enum exit_status status = fetch(&f, r, &err);

	if (status == EXIT_OK || status == EXIT_PARTIAL)
		return status;
	return cmd_fail(r, status, &err);
}
