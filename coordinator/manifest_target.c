/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_target.c - one target of the plan: an entry, or missing with why
 *
 * The agent's last word on a target, and its files that are here, decide:
 *
 *	no report, or the report does not name it	missing, with the node's reason
 *	failed, but another target has its namespace	a name of that one
 *	failed (was never captured)			missing, with the agent's sentence
 *	still armed, no file here			missing: it was lost while capturing
 *	still armed, some files here			entry that ended by the loss, and missing
 *	still armed, and the node goes on		entry without an end: the files so far
 *	ended						entry; each file not here is missing
 */
#include "manifest_parts.h"

#include <stdio.h>
#include <string.h>

/* A report's target, and where its files begin in fleet_node.fetched. */
struct found {
	const struct wire_target *t;
	size_t base;
};

static struct found find(const struct fleet_node *n, const char *key)
{
	struct found f = { NULL, 0 };

	for (size_t i = 0; n->has_report && i < n->report.n_targets; i++) {
		const struct wire_target *t = &n->report.targets[i];

		if (t->key && !strcmp(t->key, key)) {
			f.t = t;
			return f;
		}
		f.base += t->n_files;
	}
	return f;
}

static const char *staged(const struct fleet_node *n, size_t i)
{
	return i < n->n_fetched ? n->fetched[i] : NULL;
}

static const char *or_else(const char *text, const char *other)
{
	return text && *text ? text : other;
}

/* What is known of why the node's files, or its answer, did not come. */
static struct manifest_gap gap_of_node(const struct manifest_work *w, const struct fleet_node *n,
				       const char *what)
{
	struct manifest_gap gap = {
		.what = what, .node = n->plan->name, .from_ns = w->in->start_ns,
	};

	if (n->has_report && n->report.dropped) {
		gap.reason = "dropped";
		gap.error = n->report.dropped;
		return gap;
	}
	gap.reason = n->reason ? n->reason : n->has_report ? "left-on-node" : "error";
	gap.error = or_else(n->fetch_err.text, or_else(n->err.text, NULL));
	return gap;
}

static void add_gone(struct manifest_work *w, const struct fleet_node *n, const struct target *t)
{
	cleanup_free char *what = target_what(t);
	struct manifest_gap gap = gap_of_node(w, n, what);

	if (t->joined_ns)
		gap.from_ns = manifest_corrected(n, t->joined_ns);
	if (n->has_report && !n->reason && !n->report.dropped) {
		gap.reason = "error";
		gap.error = or_else(gap.error, "the agent's report does not speak of it");
	}
	manifest_add_missing(w, &gap);
}

static void add_failed(struct manifest_work *w, const struct fleet_node *n, const struct target *t,
		       const struct wire_target *r)
{
	cleanup_free char *what = target_what(t);
	struct manifest_gap gap = {
		.what = what, .node = n->plan->name, .from_ns = w->in->start_ns, .reason = "error",
		.error = or_else(r->error, "the agent could not capture it"),
	};

	if (r->end == WIRE_END_TASK_ENDED)
		gap.reason = wire_end_text(r->end);
	manifest_add_missing(w, &gap);
}

/* A node that has no such namespace lacks nothing. */
static void add_absent(struct manifest_work *w, const struct fleet_node *n, const struct target *t)
{
	cleanup_free char *what = target_what(t);

	json_array_append_new(w->notes, json_sprintf("node %s has no %s: nothing there uses it",
						     n->plan->name, what));
}

int64_t manifest_corrected(const struct fleet_node *n, int64_t ns)
{
	int64_t fixed;

	if (!ns || !n->clock.probes || __builtin_sub_overflow(ns, n->clock.offset_ns, &fixed))
		return ns;
	return fixed;
}

/* A file of a report, with its place there. */
struct ordered {
	const struct wire_file *f;
	size_t i;
};

static int compare_files(const void *pa, const void *pb)
{
	const struct ordered *a = pa, *b = pb;
	int d = strcmp(or_else(a->f->suffix, ""), or_else(b->f->suffix, ""));

	if (d == 0)
		d = (a->f->segment > b->f->segment) - (a->f->segment < b->f->segment);
	return d ? d : (a->i > b->i) - (a->i < b->i);
}

/* Files end in any order; here they stand by suffix (none first) and number. Free it. */
static struct ordered *order_files(const struct wire_target *r)
{
	struct ordered *list = xcalloc(r->n_files + 1, sizeof(*list));

	for (size_t i = 0; i < r->n_files; i++)
		list[i] = (struct ordered){ &r->files[i], i };
	qsort(list, r->n_files, sizeof(*list), compare_files);
	return list;
}

/* Fetched files become entries; *absent counts the others. */
static json_t *make_files(struct manifest_work *w, const struct fleet_node *n,
			  const struct target *t, const struct found *f, size_t *absent)
{
	const struct manifest_source from = { n, t, f->t };
	cleanup_free struct ordered *files = order_files(f->t);
	json_t *list = json_array();

	for (size_t k = 0; k < f->t->n_files; k++) {
		const char *path = staged(n, f->base + files[k].i);

		if (path)
			json_array_append_new(list,
					      manifest_add_file(w, &from, files[k].i, path));
		else
			(*absent)++;
	}
	return list;
}

/* It was fetched while it goes on. */
static bool goes_on(const struct fleet_node *n, const struct wire_target *r)
{
	return r->state == WIRE_ARMED && fleet_goes_on(n);
}

/* An agent that was lost says nothing about the end: then the loss is the end. */
static enum wire_end end_of(const struct fleet_node *n, const struct wire_target *r)
{
	if (r->end != WIRE_END_NONE || goes_on(n, r))
		return r->end;
	if (r->state == WIRE_ENDED)
		return WIRE_END_STOPPED;
	return n->reason && !strcmp(n->reason, "node-lost") ? WIRE_END_NODE_LOST
							    : WIRE_END_AGENT_LOST;
}

static bool end_is_partial(enum wire_end e)
{
	return e == WIRE_END_ERROR || e == WIRE_END_LEASE_EXPIRED || e == WIRE_END_DISK_FLOOR ||
	       e == WIRE_END_QUOTA || e == WIRE_END_AGENT_LOST || e == WIRE_END_NODE_LOST;
}

static void add_note(json_t *notes, char *text)
{
	json_array_append_new(notes, jx_text(text));
	free(text);
}

/* What puzzles people most in captures that are made where packets are sent. */
static void add_offloads(json_t *notes, const struct wire_target *r)
{
	bool checksum = false, size = false;

	for (size_t i = 0; i < r->n_interfaces; i++)
		for (size_t k = 0; k < r->interfaces[i].n_offloads; k++) {
			bool sum = !strcmp(r->interfaces[i].offloads[k], "tx-checksum");

			checksum |= sum;
			size |= !sum;
		}
	if (checksum)
		json_array_append_new(notes, json_string("checksums of packets that are sent are "
							 "filled in after the capture (tx-checksum): "
							 "wrong ones are no fault"));
	if (size)
		json_array_append_new(notes, json_string("packets larger than the MTU are cut after, or "
							 "were joined before the capture (tso, gso, gro)"));
}

static json_t *make_target_notes(const struct fleet_node *n, const struct wire_target *r,
				 const json_t *files, size_t absent)
{
	json_t *notes = json_array();

	if (goes_on(n, r))
		add_note(notes, xstrdup("the capture goes on: these are the files that were whole"));

	for (size_t i = 0; i < r->n_notes; i++)
		json_array_append_new(notes, jx_text(r->notes[i]));
	if (r->dropped_kernel > 0 || r->dropped_agent > 0)
		add_note(notes,
			 xasprintf("dropped packets: %lld by the kernel, %lld by the agent",
				   (long long)r->dropped_kernel, (long long)r->dropped_agent));
	for (size_t i = 0; i < r->n_files; i++)
		if (r->files[i].recovered)
			add_note(notes,
				 xasprintf("segment %d was recovered after the agent's end: it was "
					   "cut after its last whole block", r->files[i].segment));
	if (absent)
		add_note(notes, xasprintf("%zu of %zu files could not be fetched, see missing",
					  absent, json_array_size(files) + absent));
	add_offloads(notes, r);
	return notes;
}

/* packets ... error: what the agent counted. */
static json_t *make_counts(const struct fleet_node *n, const struct target *t,
			   const struct wire_target *r, enum wire_end end)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:b, s:b}",
			 "packets", jx_count(r->packets),
			 "received", jx_count(r->received),
			 "dropped_kernel", jx_count(r->dropped_kernel),
			 "dropped_agent", jx_count(r->dropped_agent),
			 "truncated", jx_count(r->truncated),
			 "started", manifest_time(manifest_corrected(n, r->started_ns)),
			 "stopped", manifest_time(manifest_corrected(n, r->stopped_ns)),
			 "end", jx_text(wire_end_text(end)),
			 "error", jx_text(r->error),
			 "joined", t->joined_ns != 0,
			 "confirmed", !t->forged);
}

/* The entry of a namespace that the agent captured for both; NULL: it did not. */
static const struct wire_target *captured_as(const struct fleet_node *n, const struct wire_target *r)
{
	const struct wire_target *other = r->same_as ? find(n, r->same_as).t : NULL;

	return other && other->state != WIRE_FAILED ? other : NULL;
}

/* Its own, and those of the plan's targets that turned out to be it. */
static json_t *make_names(const struct fleet_node *n, const struct target *t)
{
	json_t *names = target_names(t);

	for (size_t i = 0; i < n->plan->n_targets; i++) {
		const struct target *other = &n->plan->targets[i];
		const struct wire_target *r = find(n, other->key).t;
		cleanup_json json_t *more = NULL;

		if (other == t || !r || !r->same_as || strcmp(r->same_as, t->key) != 0)
			continue;
		more = target_names(other);
		json_array_extend(names, more);
	}
	return names;
}

static json_t *make_identity(const struct manifest_work *w, const struct fleet_node *n,
			     const struct target *t, const struct wire_target *r)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "kind", wire_kind_text(t->kind),
			 "names", make_names(n, t),
			 "filter", jx_text(t->filter ? t->filter : w->in->request->filter),
			 "service", jx_text(t->service),
			 "task", jx_text(t->task),
			 "task_id", jx_text(t->task_id),
			 "slot", jx_count(t->slot > 0 ? t->slot : -1),
			 "node", jx_text(n->plan->name),
			 "node_id", jx_text(n->plan->id),
			 "container_id", jx_text(or_else(r->container_id, t->container_id)),
			 "image", jx_text(or_else(t->image, r->image)));
}

static void add_absent_files(struct manifest_work *w, const struct fleet_node *n,
			     const struct target *t, const struct found *f)
{
	for (size_t i = 0; i < f->t->n_files; i++) {
		cleanup_free char *of = NULL, *what = NULL;
		struct manifest_gap gap;

		if (staged(n, f->base + i))
			continue;
		of = target_what(t);
		what = xasprintf("file %s of %s", f->t->files[i].name, of);
		gap = gap_of_node(w, n, what);
		gap.from_ns = manifest_corrected(n, f->t->started_ns);
		gap.to_ns = manifest_corrected(n, f->t->stopped_ns);
		manifest_add_missing(w, &gap);
	}
}

/* While the agent was away nothing was captured. */
static void add_gaps(struct manifest_work *w, const struct fleet_node *n, const struct target *t,
		     const struct wire_target *r)
{
	cleanup_free char *what = target_what(t);

	for (size_t i = 0; i < r->n_gaps; i++)
		manifest_add_missing(w, &(struct manifest_gap){
			.what = what, .node = n->plan->name,
			.reason = wire_end_text(WIRE_END_AGENT_LOST), .error = r->gaps[i].why,
			.from_ns = manifest_corrected(n, r->gaps[i].from_ns),
			.to_ns = manifest_corrected(n, r->gaps[i].to_ns),
		});
}

static void add_entry(struct manifest_work *w, const struct fleet_node *n, const struct target *t,
		      const struct found *f)
{
	enum wire_end end = end_of(n, f->t);
	json_t *entry = make_identity(w, n, t, f->t), *counts = make_counts(n, t, f->t, end), *files;
	size_t absent = 0;

	files = make_files(w, n, t, f, &absent);
	json_object_set_new(entry, "networks", manifest_networks(t));
	json_object_set_new(entry, "interfaces", manifest_interfaces(f->t));
	json_object_set_new(entry, "files", files);
	json_object_update(entry, counts);
	json_object_set_new(entry, "notes", make_target_notes(n, f->t, files, absent));
	json_decref(counts);
	json_array_append_new(w->targets, entry);

	w->out->partial = w->out->partial || end_is_partial(end);
	w->out->packets = manifest_sum(w->out->packets, f->t->packets);
	w->out->dropped_kernel = manifest_sum(w->out->dropped_kernel, f->t->dropped_kernel);
	w->out->dropped_agent = manifest_sum(w->out->dropped_agent, f->t->dropped_agent);
	add_gaps(w, n, t, f->t);
	add_absent_files(w, n, t, f);
}

static bool any_here(const struct fleet_node *n, const struct found *f)
{
	for (size_t i = 0; i < f->t->n_files; i++)
		if (staged(n, f->base + i))
			return true;
	return false;
}

void manifest_add_target(struct manifest_work *w, const struct fleet_node *n,
			 const struct target *t)
{
	struct found f = find(n, t->key);

	if (!f.t) {
		add_gone(w, n, t);
		return;
	}
	if (f.t->state == WIRE_FAILED && f.t->absent) {
		add_absent(w, n, t);
		return;
	}
	if (f.t->state == WIRE_FAILED && captured_as(n, f.t))
		return;
	if (f.t->state == WIRE_FAILED) {
		add_failed(w, n, t, f.t);
		return;
	}
	if (goes_on(n, f.t)) {
		add_entry(w, n, t, &f);
		return;
	}
	if (f.t->state == WIRE_ARMED && !any_here(n, &f)) {
		add_gone(w, n, t);
		return;
	}
	add_entry(w, n, t, &f);
	if (f.t->state == WIRE_ARMED)
		add_gone(w, n, t);
}
