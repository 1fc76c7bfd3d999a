/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_capture.c - swarmcap capture SELECTOR...: the way of one request
 *
 *	request			from argv				request.h
 *	filter			compiles here, names become numbers	filter.h
 *	cluster			what exists, asked from the manager	engine.h, cluster.h
 *	plan			who does what; --dry-run ends here	plan.h
 *	bundle			the output can be written		bundle.h
 *	fleet			every node arms, runs, stops		fleet.h, link.h
 *	gather			files, manifest, archive		gather.h, manifest.h
 *
 * Everything that can be refused is refused before a node is contacted, and nothing under
 * the archive's name exists before it is whole.
 */
#include "cmd.h"

#include "consent.h"
#include "filter.h"
#include "gather.h"
#include "interrupt.h"
#include "plan.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

struct capture {
	struct request *request;
	struct reach *reach;
	struct cluster cluster;
	struct plan plan;
	struct bundle *bundle;
	struct creds creds;
	bool has_creds;
	struct fleet *fleet;
	struct progress progress;
	int signals;
	bool interrupted;
	int64_t start_ns, stop_ns;
};

static void capture_release(struct capture *c)
{
	fleet_free(c->fleet);
	creds_release(&c->creds);
	bundle_free(c->bundle);
	plan_release(&c->plan);
	cluster_release(&c->cluster);
	reach_close(c->reach);
	util_close(c->signals);
}

static enum exit_status check_filter(struct capture *c, struct err *err)
{
	struct request *r = c->request;

	if (!r->filter)
		return EXIT_OK;
	if (filter_check(r->filter, err) < 0 ||
	    filter_resolve(r->filter, &r->filter_resolved, err) < 0)
		return EXIT_USAGE;
	return EXIT_OK;
}

static enum exit_status look_at_cluster(struct capture *c, struct err *err)
{
	struct request *r = c->request;
	const struct engine *e;
	int rc = reach_open(&c->reach, r, err);

	if (rc == 0)
		rc = cluster_load(reach_engine(c->reach), r->selectors, r->n_selectors,
				  &c->cluster, err);
	if (rc == CLUSTER_E_UNKNOWN)
		return EXIT_NOTHING;
	if (rc < 0)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	e = reach_engine(c->reach);
	progress_say(&c->progress, LOG_DEBUG, "the engine at %s speaks API %s; Swarm %s, manager %s",
		     engine_host(e), engine_version(e), c->cluster.id,
		     c->cluster.self_name);
	return EXIT_OK;
}

static void say_plan(struct capture *c)
{
	for (size_t i = 0; i < c->plan.n_notes; i++)
		progress_say(&c->progress, LOG_WARN, "%s", c->plan.notes[i]);
	progress_event(&c->progress,
		       json_pack("{s:s, s:s, s:I, s:I, s:I}", "event", "plan", "id", c->plan.id,
				 "targets", (json_int_t)plan_targets(&c->plan), "nodes",
				 (json_int_t)c->plan.n_nodes, "missing",
				 (json_int_t)c->plan.missing.n));
}

static enum exit_status make_plan(struct capture *c, struct err *err)
{
	char id[NAMES_ID_MAX];
	int rc;

	names_new_id(clock_wall_ns(), id);
	rc = plan_make(c->request, &c->cluster, id, &c->plan, err);
	if (rc != 0)
		return rc == PLAN_E_NOTHING ? EXIT_NOTHING : rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	return EXIT_OK;
}

static enum exit_status ask_consent(struct capture *c, struct err *err)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);

	if (c->request->dry_run)
		return EXIT_OK;
	switch (consent_targets(c->request, &c->plan, terminal, stdin, stderr, err)) {
	case 0:
		return EXIT_OK;
	case -EINVAL:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

static enum exit_status open_output(struct capture *c, struct err *err)
{
	struct request *r = c->request;
	cleanup_free char *name = bundle_default_name(r->selectors, r->n_selectors, c->plan.id);
	int rc;

	c->signals = interrupt_open(err);
	if (c->signals < 0)
		return EXIT_FAILED;
	rc = bundle_open(&c->bundle, r->output ? r->output : name, r->force, err);
	if (rc < 0)
		return rc == -EEXIST || rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	return EXIT_OK;
}

/* Without certificates the nodes' agents are out of reach, other routes may not be. */
static enum exit_status find_routes(struct capture *c, struct err *err)
{
	struct reach_facts facts = { .cluster = &c->cluster };
	struct err why = ERR_INIT;
	int rc = reach_load_creds(c->request, &c->cluster, &c->creds, &why);

	facts.creds = c->has_creds = rc == 0;
	if (rc < 0 && !c->request->dry_run) {
		err_set(err, rc, "%s", why.text);
		return EXIT_FAILED;
	}
	if (rc != 0 && c->cluster.agent_port)
		plan_note(&c->plan, "agents are not asked: %s", why.text);
	reach_plan(c->reach, &facts, &c->plan);
	return EXIT_OK;
}

/* Nothing will be captured: what was begun on the nodes is taken back. */
static enum exit_status nothing_armed(struct capture *c, struct err *err)
{
	size_t n, without_agent = 0;
	const struct fleet_node *nodes = fleet_nodes(c->fleet, &n);

	fleet_stop(c->fleet, "stopped", clock_wall_ns());
	fleet_remove(c->fleet, true);
	for (size_t i = 0; i < n; i++)
		without_agent += nodes[i].reason && !strcmp(nodes[i].reason, "agent-missing");
	err_set(err, -EIO, "nothing can be captured: of %zu tasks on %zu nodes none was armed",
		plan_targets(&c->plan), n);
	if (without_agent)
		err_add(err, "; %zu nodes have no agent: put it there with 'swarmcap deploy'",
			without_agent);
	return EXIT_FAILED;
}

static void say_armed(struct capture *c, const struct fleet_counts *counts)
{
	size_t planned = counts->targets + c->plan.missing.n;

	progress_say(&c->progress, LOG_INFO, "capturing %zu of %zu tasks on %zu nodes%s",
		     counts->targets_armed, planned, counts->nodes_armed,
		     c->request->duration_ms || c->interrupted ? "" : "; ^C stops and gathers");
	progress_event(&c->progress,
		       json_pack("{s:s, s:s, s:I, s:I, s:I}", "event", "armed", "id", c->plan.id,
				 "targets", (json_int_t)counts->targets_armed, "of",
				 (json_int_t)planned, "nodes", (json_int_t)counts->nodes_armed));
}

/* Every node opens its handles; we wait for the last, or until it is given up. So does ^C. */
static enum exit_status arm(struct capture *c, struct err *err)
{
	struct fleet_watch watch = { .wake_fd = c->signals,
				     .tick = progress_tick,
				     .arg = &c->progress };
	const struct fleet_job job = {
		.plan = &c->plan, .request = c->request, .cluster = &c->cluster,
		.creds = c->has_creds ? &c->creds : NULL, .reach = c->reach,
		.staging_fd = bundle_staging(c->bundle), .fetch_rate = c->request->fetch_rate,
	};
	struct fleet_counts counts;

	if (fleet_start(&c->fleet, &job, err) < 0)
		return EXIT_FAILED;
	c->progress.fleet = c->fleet;
	while (fleet_wait_armed(c->fleet, &watch) == FLEET_WAKE_FD) {
		interrupt_take(c->signals);
		if (c->interrupted) {
			fleet_abandon(c->fleet);
			err_set(err, -EINTR,
				"interrupted before the capture began; what was armed ends within "
				"a minute, drop it with: swarmcap rm %s", c->plan.id);
			return EXIT_FAILED;
		}
		c->interrupted = true;
	}

	fleet_counts(c->fleet, &counts);
	if (counts.targets_armed == 0)
		return nothing_armed(c, err);
	say_armed(c, &counts);
	return EXIT_OK;
}

/* The window: from now until the duration is over, every target ended, or ^C. */
static void run(struct capture *c)
{
	struct fleet_watch watch = { .wake_fd = c->signals,
				     .tick = progress_tick,
				     .arg = &c->progress };
	int64_t ms = c->request->duration_ms;
	const char *reason = "duration";

	c->start_ns = clock_wall_ns();
	fleet_open_window(c->fleet, c->start_ns);
	c->progress.doing = "capturing";
	if (!c->interrupted &&
	    fleet_run(c->fleet, ms ? clock_mono_ns() + ms * NS_PER_MS : 0, &watch) == FLEET_WAKE_FD)
		c->interrupted = interrupt_take(c->signals);
	if (c->interrupted)
		reason = "stopped";

	c->stop_ns = clock_wall_ns();
	fleet_stop(c->fleet, reason, c->stop_ns);
	progress_end(&c->progress);
	progress_event(&c->progress, json_pack("{s:s, s:s, s:s}", "event", "stopped", "id",
					       c->plan.id, "reason", reason));
}

int cmd_capture(struct request *r)
{
	cleanup(capture_release) struct capture c = {
		.request = r, .signals = -1,
	};
	struct err err = ERR_INIT;
	enum exit_status status;

	progress_init(&c.progress, r);
	if ((status = check_filter(&c, &err)) || (status = look_at_cluster(&c, &err)) ||
	    (status = make_plan(&c, &err)) || (status = ask_consent(&c, &err)) ||
	    (status = find_routes(&c, &err)))
		return cmd_fail(r, status, &err);
	if (r->dry_run) {
		plan_print(stdout, &c.plan, r->json);
		return EXIT_OK;
	}
	say_plan(&c);
	if ((status = open_output(&c, &err)) || (status = arm(&c, &err)))
		return cmd_fail(r, status, &err);
	run(&c);

	status = gather_archive(
		&(struct gather) {
			.request = r,
			.plan = &c.plan,
			.cluster = &c.cluster,
			.fleet = c.fleet,
			.bundle = c.bundle,
			.progress = &c.progress,
			.signals = c.signals,
			.interrupted = c.interrupted,
			.start_ns = c.start_ns,
			.stop_ns = c.stop_ns,
		},
		&err);
	return status == EXIT_FAILED ? cmd_fail(r, status, &err) : (int)status;
}
