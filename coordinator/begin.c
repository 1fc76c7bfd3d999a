/* SPDX-License-Identifier: Apache-2.0
 *
 * begin.c - from a request to armed nodes
 */
#include "begin.h"

#include "consent.h"
#include "filter.h"
#include "interrupt.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void begin_init(struct begin *b, struct request *r)
{
	*b = (struct begin){ .request = r, .signals = -1 };
	progress_init(&b->progress, r);
}

void begin_release(struct begin *b)
{
	fleet_free(b->fleet);
	creds_release(&b->creds);
	bundle_free(b->bundle);
	plan_release(&b->plan);
	cluster_release(&b->cluster);
	reach_close(b->reach);
	util_close(b->signals);
	free(b->summary);
}

/* ---- the plan ---- */

static enum exit_status check_filter(struct begin *b, struct err *err)
{
	struct request *r = b->request;

	if (!r->filter)
		return EXIT_OK;
	if (filter_check(r->filter, err) < 0 ||
	    filter_resolve(r->filter, &r->filter_resolved, err) < 0)
		return EXIT_USAGE;
	return EXIT_OK;
}

static enum exit_status look_at_cluster(struct begin *b, struct err *err)
{
	struct request *r = b->request;
	const struct engine *e;
	int rc = reach_open(&b->reach, r, err);

	if (rc == 0)
		rc = cluster_load(reach_engine(b->reach), r->selectors, r->n_selectors,
				  &b->cluster, err);
	if (rc == CLUSTER_E_UNKNOWN)
		return EXIT_NOTHING;
	if (rc < 0)
		return rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	e = reach_engine(b->reach);
	progress_say(&b->progress, LOG_DEBUG,
		     "the engine at %s speaks API %s; Swarm %s, manager %s", engine_host(e),
		     engine_version(e), b->cluster.id, b->cluster.self_name);
	return EXIT_OK;
}

static enum exit_status make_plan(struct begin *b, struct err *err)
{
	char id[NAMES_ID_MAX];
	int rc;

	names_new_id(clock_wall_ns(), id);
	rc = plan_make(b->request, &b->cluster, id, &b->plan, err);
	if (rc != 0)
		return rc == PLAN_E_NOTHING ? EXIT_NOTHING : rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	return EXIT_OK;
}

static enum exit_status ask_consent(struct begin *b, struct err *err)
{
	bool terminal = isatty(STDIN_FILENO) && isatty(STDERR_FILENO);

	if (b->request->dry_run)
		return EXIT_OK;
	switch (consent_targets(b->request, &b->plan, terminal, stdin, stderr, err)) {
	case 0:
		return EXIT_OK;
	case -EINVAL:
		return EXIT_USAGE;
	default:
		return EXIT_FAILED;
	}
}

/* Without certificates the nodes' agents are out of reach, other routes may not be. */
static enum exit_status find_routes(struct begin *b, struct err *err)
{
	struct reach_facts facts = { .cluster = &b->cluster };
	struct err why = ERR_INIT;
	int rc = reach_load_creds(b->request, &b->cluster, &b->creds, &why);

	facts.creds = b->has_creds = rc == 0;
	if (rc < 0 && !b->request->dry_run) {
		err_set(err, rc, "%s", why.text);
		return EXIT_FAILED;
	}
	if (rc != 0 && b->cluster.agent_port)
		plan_note(&b->plan, "agents are not asked: %s", why.text);
	reach_plan(b->reach, &facts, &b->plan);
	return EXIT_OK;
}

enum exit_status begin_plan(struct begin *b, struct err *err)
{
	enum exit_status status;

	if ((status = check_filter(b, err)) || (status = look_at_cluster(b, err)) ||
	    (status = make_plan(b, err)) || (status = ask_consent(b, err)))
		return status;
	return find_routes(b, err);
}

/* ---- arming ---- */

static void say_plan(struct begin *b)
{
	for (size_t i = 0; i < b->plan.n_notes; i++)
		progress_say(&b->progress, LOG_WARN, "%s", b->plan.notes[i]);
	progress_event(&b->progress,
		       json_pack("{s:s, s:s, s:I, s:I, s:I}", "event", "plan", "id", b->plan.id,
				 "targets", (json_int_t)plan_targets(&b->plan), "nodes",
				 (json_int_t)b->plan.n_nodes, "missing",
				 (json_int_t)b->plan.missing.n));
}

static enum exit_status open_output(struct begin *b, struct err *err)
{
	struct request *r = b->request;
	cleanup_free char *name = bundle_default_name(r->selectors, r->n_selectors, b->plan.id);
	int rc;

	b->signals = r->child ? interrupt_open_all(err) : interrupt_open(err);
	if (b->signals < 0)
		return EXIT_FAILED;
	if (r->detached || r->live)
		return EXIT_OK;
	rc = bundle_open(&b->bundle, r->output ? r->output : name, r->force, err);
	if (rc < 0)
		return rc == -EEXIST || rc == -EINVAL ? EXIT_USAGE : EXIT_FAILED;
	return EXIT_OK;
}

void begin_take_back(struct begin *b)
{
	begin_stop(b, "stopped");
	fleet_remove(b->fleet, true);
}

static enum exit_status nothing_armed(struct begin *b, struct err *err)
{
	size_t n, without_agent = 0;
	const struct fleet_node *nodes = fleet_nodes(b->fleet, &n);

	begin_take_back(b);
	for (size_t i = 0; i < n; i++)
		without_agent += nodes[i].reason && !strcmp(nodes[i].reason, "agent-missing");
	err_set(err, -EIO, "nothing can be captured: of %zu tasks on %zu nodes none was armed",
		plan_targets(&b->plan), n);
	if (without_agent)
		err_add(err, "; %zu nodes have no agent: put it there with 'swarmcap deploy'",
			without_agent);
	return EXIT_FAILED;
}

static void say_armed(struct begin *b, const struct fleet_counts *counts)
{
	const struct request *r = b->request;
	size_t planned = counts->targets + b->plan.missing.n;
	bool until_told = !r->duration_ms && !b->interrupted && !r->child && !r->detached;

	progress_say(&b->progress, LOG_INFO, "capturing %zu of %zu tasks on %zu nodes%s",
		     counts->targets_armed, planned, counts->nodes_armed,
		     !until_told ? "" : r->live ? "; ^C ends it" : "; ^C stops and gathers");
	progress_event(&b->progress,
		       json_pack("{s:s, s:s, s:I, s:I, s:I}", "event", "armed", "id", b->plan.id,
				 "targets", (json_int_t)counts->targets_armed, "of",
				 (json_int_t)planned, "nodes", (json_int_t)counts->nodes_armed));
}

/* Who waits for something else than the capture gets none of it after a ^C. */
static enum exit_status interrupted(struct begin *b, struct err *err)
{
	progress_say(&b->progress, LOG_INFO, "interrupted: dropping what was armed");
	begin_take_back(b);
	err_set(err, -EINTR, "interrupted before the capture began");
	return EXIT_FAILED;
}

/* Until the last node is armed or given up, or ^C came twice. */
static enum exit_status wait_armed(struct begin *b, struct err *err)
{
	struct fleet_watch watch = {
		.wake_fd = b->signals, .tick = progress_tick, .arg = &b->progress,
	};

	while (fleet_wait_armed(b->fleet, &watch) == FLEET_WAKE_FD) {
		interrupt_take(b->signals);
		if (b->interrupted) {
			fleet_abandon(b->fleet);
			err_set(err, -EINTR,
				"interrupted before the capture began; what was armed ends within "
				"a minute, drop it with: swarmcap rm %s", b->plan.id);
			return EXIT_FAILED;
		}
		b->interrupted = true;
	}
	return EXIT_OK;
}

/* By a connection of its own each time: it is another thread's, and a manager may go away. */
static int look_again(void *arg, const struct plan *p, struct cluster *out, struct err *err)
{
	struct begin *b = arg;
	struct engine *e = NULL;
	int rc = reach_new_engine(b->reach, &e, err);

	if (rc == 0)
		rc = cluster_load_services(e, p->follow, p->n_follow, out, err);
	engine_close(e);
	return rc;
}

static enum exit_status arm(struct begin *b, struct err *err)
{
	const struct fleet_job job = {
		.plan = &b->plan, .request = b->request, .cluster = &b->cluster,
		.creds = b->has_creds ? &b->creds : NULL, .reach = b->reach,
		.staging_fd = b->bundle ? bundle_staging(b->bundle) : -1,
		.fetch_rate = b->request->fetch_rate, .look = look_again, .look_arg = b,
		.stream = b->stream,
	};
	struct fleet_counts counts;
	enum exit_status status;

	if (fleet_start(&b->fleet, &job, err) < 0)
		return EXIT_FAILED;
	b->progress.fleet = b->fleet;
	status = wait_armed(b, err);
	if (status != EXIT_OK)
		return status;
	if (b->interrupted && (b->request->child || b->request->detached || b->request->live))
		return interrupted(b, err);

	fleet_counts(b->fleet, &counts);
	if (counts.targets_armed == 0)
		return nothing_armed(b, err);
	say_armed(b, &counts);
	return EXIT_OK;
}

enum exit_status begin_arm(struct begin *b, struct err *err)
{
	enum exit_status status;

	say_plan(b);
	status = open_output(b, err);
	return status == EXIT_OK ? arm(b, err) : status;
}

bool begin_has_all(struct begin *b)
{
	struct fleet_counts counts;

	fleet_counts(b->fleet, &counts);
	return counts.targets_armed == counts.targets && b->plan.missing.n == 0;
}

/* ---- the window, and the end ---- */

void begin_window(struct begin *b)
{
	b->start_ns = clock_wall_ns();
	fleet_open_window(b->fleet, b->start_ns);
	b->progress.doing = "capturing";
}

void begin_stop(struct begin *b, const char *reason)
{
	if (b->stop_ns)
		return;
	b->stop_ns = clock_wall_ns();
	fleet_stop(b->fleet, reason, b->stop_ns);
	progress_end(&b->progress);
	if (b->start_ns)
		progress_event(&b->progress, json_pack("{s:s, s:s, s:s}", "event", "stopped", "id",
						       b->plan.id, "reason", reason));
}

enum exit_status begin_gather(struct begin *b, struct err *err)
{
	struct gather g = {
		.request = b->request, .plan = &b->plan, .cluster = &b->cluster,
		.fleet = b->fleet, .bundle = b->bundle, .progress = &b->progress,
		.signals = b->signals, .interrupted = b->interrupted,
		.start_ns = b->start_ns, .stop_ns = b->stop_ns,
	};
	enum exit_status status = gather_archive(&g, err);

	b->summary = g.summary;
	return status;
}
