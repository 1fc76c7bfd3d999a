/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.c - the account of the whole capture
 *
 * Each node of the plan is walked once. What its agent reported last, and which of the files in
 * that report were fetched, decide for each target between "targets" and "missing"
 * (manifest_target.c). Names of files are given on the way (manifest_files.c), and the exit
 * status follows from what was written here: partial is true when "missing" has an entry or a
 * target ended in a way that its user did not ask for.
 */
#include "manifest_parts.h"

#include <string.h>

#include "buf.h"
#include "units.h"
#include "version.h"

json_t *manifest_time(int64_t ns)
{
	char text[UNITS_TIME_MAX];

	return ns ? json_string(units_format_time(ns, text)) : json_null();
}

int64_t manifest_sum(int64_t a, int64_t b)
{
	int64_t sum;

	return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

void manifest_add_missing(struct manifest_work *w, const struct manifest_gap *gap)
{
	json_array_append_new(w->missing,
			      json_pack("{s:o, s:o, s:o, s:o, s:s, s:o}",
					"what", jx_text(gap->what),
					"node", jx_text(gap->node),
					"from", manifest_time(gap->from_ns),
					"to", manifest_time(gap->to_ns),
					"reason", gap->reason,
					"error", jx_text(gap->error)));
}

/* 0 is "no limit" in a request and null here. */
static json_t *limit(int64_t n)
{
	return jx_count(n ? n : -1);
}

static json_t *make_capture(const struct manifest_input *in)
{
	const struct request *r = in->request;
	json_t *selectors = json_array();

	for (size_t i = 0; i < r->n_selectors; i++)
		json_array_append_new(selectors, jx_text(r->selectors[i]));

	return json_pack("{s:s, s:o, s:o, s:I, s:s, s:{s:o, s:o, s:o, s:o, s:o, s:o}, s:b, s:n}",
			 "id", in->plan->id,
			 "selectors", selectors,
			 "filter", jx_text(r->filter),
			 "snaplen", (json_int_t)r->snaplen,
			 "format", r->format == WIRE_PCAP ? "pcap" : "pcapng",
			 "limits",
			 "duration_ms", limit(r->duration_ms),
			 "max_bytes", limit(r->max_bytes),
			 "max_packets", limit(r->max_packets),
			 "rotate_bytes", limit(r->rotate_bytes),
			 "rotate_ms", limit(r->rotate_ms),
			 "keep_files", limit(r->keep_files),
			 "follow", in->plan->n_follow > 0,
			 "merged");
}

/*
 * Agents that ended by a deadline were not told when the window closed: then it did with the last
 * target. 0: it is open still, somewhere.
 */
static int64_t window_stop(const struct manifest_input *in)
{
	int64_t last = 0;

	if (in->stop_ns)
		return in->stop_ns;
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct fleet_node *n = &in->nodes[i];

		if (fleet_goes_on(n))
			return 0;
		for (size_t t = 0; n->has_report && t < n->report.n_targets; t++) {
			int64_t stopped = manifest_corrected(n, n->report.targets[t].stopped_ns);

			last = stopped > last ? stopped : last;
		}
	}
	return last;
}

static json_t *make_window(const struct manifest_input *in, int64_t stop_ns)
{
	return json_pack("{s:o, s:o, s:o}",
			 "start", manifest_time(in->start_ns),
			 "stop", manifest_time(stop_ns),
			 "arm_spread_ns", jx_count(in->arm_spread_ns));
}

static json_t *node_notes(const struct fleet_node *n)
{
	json_t *notes = json_array();

	for (size_t i = 0; i < n->plan->n_notes; i++)
		json_array_append_new(notes, jx_text(n->plan->notes[i]));
	for (size_t i = 0; i < n->n_notes; i++)
		json_array_append_new(notes, jx_text(n->notes[i]));
	if (n->has_report && n->err.code)
		json_array_append_new(notes, jx_text(n->err.text));
	if (n->has_report && n->version && strcmp(n->version, SWARMCAP_VERSION))
		json_array_append_new(
			notes, json_sprintf("its agent is of version %s, the coordinator of %s",
					    n->version, SWARMCAP_VERSION));
	if (!n->has_report && n->follows_only && n->err.code)
		json_array_append_new(notes, json_sprintf("tasks that started here were not "
							  "followed: %s", n->err.text));
	if (n->has_report && !n->clock.probes)
		json_array_append_new(
			notes, json_string("the clock was not compared: times are the node's own"));
	return notes;
}

/* The offset is that of the window's beginning, from where on the drift counts. */
static json_t *make_node(const struct manifest_input *in, const struct fleet_node *n)
{
	const struct plan_node *p = n->plan;
	bool clock = n->clock.probes > 0;
	int64_t offset = link_clock_offset(&n->clock, in->start_ns);
	json_t *j = json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "id", jx_text(p->id),
			 "name", jx_text(p->name),
			 "address", jx_text(p->address),
			 "route", jx_text(n->route ? n->route : p->route),
			 "version", jx_text(n->version),
			 "clock_offset_ns", clock ? json_integer(offset) : json_null(),
			 "clock_error_ns", clock ? json_integer(n->clock.error_ns) : json_null(),
			 "notes", node_notes(n));

	if (clock && n->clock.drift_ppb)
		json_object_set_new(j, "clock_drift_ppb", json_integer(n->clock.drift_ppb));
	return j;
}

static void add_list(struct manifest_work *w, const struct missing_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		const struct missing *m = &l->items[i];

		manifest_add_missing(w, &(struct manifest_gap){
			.what = m->what, .node = m->node, .reason = m->reason, .error = m->error,
			.from_ns = m->from_ns, .to_ns = m->to_ns,
		});
	}
}

/* What could not be captured was partly known before anything began: tasks on dead nodes, say. */
static void add_planned_missing(struct manifest_work *w)
{
	add_list(w, &w->in->plan->missing);
	if (w->in->late)
		add_list(w, w->in->late);
}

static json_t *add_nodes(struct manifest_work *w)
{
	json_t *nodes = json_array();

	for (size_t i = 0; i < w->in->n_nodes; i++) {
		const struct fleet_node *n = &w->in->nodes[i];

		json_array_append_new(nodes, make_node(w->in, n));
		for (size_t t = 0; t < n->plan->n_targets; t++)
			manifest_add_target(w, n, &n->plan->targets[t]);
		manifest_add_joined(w, n);
	}
	return nodes;
}

static void add_notes(struct manifest_work *w, const struct plan *p)
{
	for (size_t i = 0; i < p->n_notes; i++)
		json_array_append_new(w->notes, jx_text(p->notes[i]));
}

void manifest_make(const struct manifest_input *in, struct manifest *out)
{
	cleanup_json json_t *names = json_object();
	struct manifest_work w = {
		.in = in,
		.out = out,
		.targets = json_array(),
		.missing = json_array(),
		.notes = json_array(),
		.names = names,
	};
	json_t *nodes;

	*out = (struct manifest)MANIFEST_INIT;
	out->stop_ns = window_stop(in);
	add_planned_missing(&w);
	add_notes(&w, in->plan);
	nodes = add_nodes(&w);

	out->n_targets = json_array_size(w.targets);
	out->n_missing = json_array_size(w.missing);
	out->partial = out->partial || out->n_missing > 0;
	out->hosts = manifest_hosts(in);
	out->json = json_pack("{s:i, s:s, s:o, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o}",
			      "schema", 1,
			      "program", "swarmcap " SWARMCAP_VERSION,
			      "capture", make_capture(in),
			      "cluster",
			      "id", jx_text(in->cluster->id),
			      "manager", jx_text(in->cluster->self_name),
			      "window", make_window(in, out->stop_ns),
			      "nodes", nodes,
			      "targets", w.targets,
			      "missing", w.missing,
			      "notes", w.notes);
}

int64_t manifest_dropped(const struct manifest *m)
{
	return manifest_sum(m->dropped_kernel, m->dropped_agent);
}

void manifest_release(struct manifest *m)
{
	for (size_t i = 0; i < m->n_files; i++) {
		free(m->files[i].staged);
		free(m->files[i].name);
	}
	free(m->files);
	free(m->hosts);
	json_decref(m->json);
	*m = (struct manifest)MANIFEST_INIT;
}
