/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.c - from stopped captures to one archive
 */
#include "gather.h"

#include "gather_merge.h"
#include "interrupt.h"
#include "summary.h"
#include "units.h"

#include <errno.h>
#include <string.h>

/* Was it captured where nothing stays: by a tap, which writes here? */
static bool leaves_nothing(const struct fleet_node *n)
{
	for (int r = 0; r < ROUTE_N; r++)
		if (!strcmp(fleet_route(n), route_text((enum route)r)))
			return !route_has_spool((enum route)r);
	return false;
}

/* The same hint behind every failure from here on. */
static enum exit_status left_on_nodes(const struct gather *g, struct err *err)
{
	size_t n, armed = 0, lost = 0;
	const struct fleet_node *nodes = fleet_nodes(g->fleet, &n);

	for (size_t i = 0; i < n; i++) {
		armed += nodes[i].armed;
		lost += nodes[i].armed && leaves_nothing(&nodes[i]);
	}
	progress_end(g->progress);
	if (lost)
		err_add(err, "; what %zu nodes captured without an agent is lost: it is kept nowhere "
			"else", lost);
	if (!lost || lost < armed)
		err_add(err, "; the captures stay on the nodes, fetch them with: swarmcap fetch %s",
			g->plan->id);
	return EXIT_FAILED;
}

/* One ^C was typed: the first is promised to be obeyed later, the second is obeyed now (true). */
static bool take_interrupt(struct gather *g)
{
	if (!interrupt_take(g->signals))
		return false;
	if (g->interrupted)
		return true;
	g->interrupted = true;
	progress_say(g->progress, LOG_INFO,
		     "gathering what was captured; ^C again leaves it on the nodes");
	return false;
}

/* Until all files are here. */
static enum exit_status fetch_all(struct gather *g, struct err *err)
{
	struct fleet_watch watch = {
		.wake_fd = g->signals, .tick = progress_tick, .arg = g->progress,
	};

	g->progress->doing = "fetching";
	while (fleet_gather(g->fleet, bundle_staging(g->bundle), &watch) == FLEET_WAKE_FD) {
		if (!take_interrupt(g))
			continue;
		fleet_abandon(g->fleet);
		err_set(err, -EINTR, "interrupted while gathering");
		return left_on_nodes(g, err);
	}
	if (fleet_disk_error(g->fleet, err) < 0)
		return left_on_nodes(g, err);
	return EXIT_OK;
}

static bool is_cancelled(void *gather)
{
	struct gather *g = gather;

	progress_tick(g->progress);
	return take_interrupt(g);
}

static void say_note(void *gather, const char *text)
{
	struct gather *g = gather;

	progress_say(g->progress, LOG_INFO, "merging: %s", text);
}

/* What was captured is worth more than its order: a merge that fails is told, and gathering goes on. */
static enum exit_status merge(struct gather *g, struct manifest *m, struct err *err)
{
	const struct gather_merge job = {
		.manifest = m, .staging = bundle_staging(g->bundle),
		.no_clock_correction = g->request->no_clock_correction,
		.cancel = is_cancelled, .note = say_note, .arg = g,
	};
	struct err why = ERR_INIT;
	int rc;

	if (!g->request->merge)
		return EXIT_OK;
	g->progress->doing = "merging";
	rc = gather_merge(&job, &why);
	progress_end(g->progress);
	if (rc == -ECANCELED) {
		err_set(err, -EINTR, "interrupted while merging");
		return left_on_nodes(g, err);
	}
	if (rc < 0)
		progress_say(g->progress, LOG_WARN, "no merged file: %s", why.text);
	return EXIT_OK;
}

static enum exit_status pack(struct gather *g, const struct manifest *m, struct err *err)
{
	g->progress->doing = "packing";
	bundle_set_cancel(g->bundle, is_cancelled, g);
	if (bundle_commit(g->bundle, m, err) < 0)
		return left_on_nodes(g, err);
	progress_end(g->progress);
	return EXIT_OK;
}

static void say_missing(struct gather *g, const struct manifest *m)
{
	const json_t *list = jx_get(m->json, "missing"), *entry;
	size_t i;

	json_array_foreach(list, i, entry) {
		const char *node = jx_str(entry, "node", NULL),
			   *error = jx_str(entry, "error", NULL);
		json_t *event = json_copy((json_t *)entry);

		progress_say(g->progress, LOG_WARN, "missing: %s%s%s: %s%s%s",
			     jx_str(entry, "what", "?"), node ? " on " : "", node ? node : "",
			     jx_str(entry, "reason", "?"), error ? ": " : "", error ? error : "");
		json_object_set_new(event, "event", json_string("missing"));
		progress_event(g->progress, event);
	}
}

static void say_left(struct gather *g)
{
	size_t n;
	const struct fleet_node *nodes = fleet_nodes(g->fleet, &n);

	for (size_t i = 0; i < n; i++)
		if (nodes[i].has_report && !nodes[i].removed && !fleet_goes_on(&nodes[i]))
			progress_say(
				g->progress, LOG_WARN,
				"what %s captured stays there; once it answers: swarmcap fetch %s",
				nodes[i].plan->name, g->plan->id);
}

static json_t *archive_event(const struct gather *g, const struct manifest *m,
			     enum exit_status status)
{
	return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:i}",
			 "event", "archive",
			 "id", g->plan->id,
			 "path", jx_text(bundle_output(g->bundle)),
			 "targets", (json_int_t)m->n_targets,
			 "packets", (json_int_t)m->packets,
			 "bytes", (json_int_t)m->bytes,
			 "dropped", (json_int_t)manifest_dropped(m),
			 "dropped_kernel", (json_int_t)m->dropped_kernel,
			 "dropped_agent", (json_int_t)m->dropped_agent,
			 "missing", (json_int_t)m->n_missing,
			 "exit", (int)status);
}

/* The last line, and on stdout the archive's name. */
static void announce(struct gather *g, const struct manifest *m, enum exit_status status)
{
	cleanup_free char *why = progress_why_dropped(m->dropped_kernel, m->dropped_agent);
	const char *output = bundle_output(g->bundle);
	int64_t dropped = manifest_dropped(m);
	char bytes[32];

	units_format_size((uint64_t)m->bytes, bytes);
	if (dropped > 0)
		progress_say(g->progress, LOG_WARN, "%lld packets were dropped%s, see the manifest",
			     (long long)dropped, why);
	progress_say(g->progress, LOG_INFO,
		     "%s: %lld packets of %zu tasks, %s, %lld dropped%s, %zu missing", output,
		     (long long)m->packets, m->n_targets, bytes, (long long)dropped, why,
		     m->n_missing);
	progress_event(g->progress, archive_event(g, m, status));
	/* with a command stdout is the command's */
	if (!g->request->json && !g->request->child)
		printf("%s\n", output);
}

enum exit_status gather_archive(struct gather *g, struct err *err)
{
	cleanup(manifest_release) struct manifest m = MANIFEST_INIT;
	cleanup(missing_release) struct missing_list late = { 0 };
	struct manifest_input in = {
		.plan = g->plan, .request = g->request, .cluster = g->cluster,
		.start_ns = g->start_ns, .stop_ns = g->stop_ns,
		.arm_spread_ns = fleet_arm_spread(g->fleet), .late = &late,
	};
	enum exit_status status = fetch_all(g, err);

	if (status != EXIT_OK)
		return status;
	in.nodes = fleet_nodes(g->fleet, &in.n_nodes);
	in.confirm = g->confirm ? g->confirm : fleet_confirm(g->fleet);
	fleet_missing(g->fleet, &late);
	manifest_make(&in, &m);
	if (!m.stop_ns)		/* it goes on */
		m.stop_ns = clock_wall_ns();
	status = merge(g, &m, err);
	if (status == EXIT_OK)
		status = pack(g, &m, err);
	if (status != EXIT_OK)
		return status;
	fleet_remove(g->fleet, false);

	status = m.partial ? EXIT_PARTIAL : EXIT_OK;
	if (g->request->summary)
		g->summary = summary_archive(m.json, bundle_output(g->bundle));
	say_missing(g, &m);
	say_left(g);
	announce(g, &m, status);
	return status;
}
