/* SPDX-License-Identifier: Apache-2.0
 *
 * fleet_state.c - what the nodes' threads tell, and what the main thread reads of it
 *
 * Everything here takes the lock for itself and holds it for a copy only; fleet.c has the rules.
 */
#include "fleet_parts.h"

#include <string.h>
#include <unistd.h>

void fleet_lock(struct fleet *f)
{
	pthread_mutex_lock(&f->lock);
}

void fleet_unlock(struct fleet *f)
{
	pthread_mutex_unlock(&f->lock);
}

static void wake_main(struct fleet *f)
{
	uint64_t one = 1;

	(void)!write(f->event_fd, &one, sizeof(one));
}

void fleet_set_stage(struct fleet_talk *t, enum fleet_stage stage)
{
	fleet_lock(t->fleet);
	t->node->stage = stage;
	fleet_unlock(t->fleet);
	wake_main(t->fleet);
}

static void add_event(struct fleet_talk *t, enum fleet_event_kind kind, const char *target,
		      const char *text)
{
	struct fleet_event *e = xcalloc(1, sizeof(*e));

	e->kind = kind;
	e->node = xstrdup(t->node->plan->name);
	e->target = xstrdup_null(target);
	e->text = xstrdup_null(text);
	*t->fleet->events_end = e;
	t->fleet->events_end = &e->next;
}

void fleet_tell(struct fleet_talk *t, enum fleet_event_kind kind, const char *target,
		const char *text)
{
	fleet_lock(t->fleet);
	add_event(t, kind, target, text);
	fleet_unlock(t->fleet);
	wake_main(t->fleet);
}

static const struct wire_target *find_target(const struct wire_report *r, const char *key)
{
	for (size_t i = 0; i < r->n_targets; i++)
		if (r->targets[i].key && !strcmp(r->targets[i].key, key))
			return &r->targets[i];
	return NULL;
}

/* Ends that nobody asked for, as they come to light; what a stop ends is no news. */
static void add_events(struct fleet_talk *t, const struct wire_report *now)
{
	for (size_t i = 0; i < now->n_targets; i++) {
		const struct wire_target *new = &now->targets[i],
					 *old = find_target(&t->node->report, new->key);

		if (old && old->state == new->state)
			continue;
		if (!old && new->state != WIRE_FAILED && fleet_find_joined(now, new->key))
			add_event(t, FLEET_TARGET_JOINED, new->key, NULL);
		if (new->state == WIRE_FAILED && !new->same_as)
			add_event(t, FLEET_TARGET_FAILED, new->key, new->error);
		else if (new->state == WIRE_ENDED && new->end != WIRE_END_STOPPED &&
			 new->end != WIRE_END_DURATION)
			add_event(t, FLEET_TARGET_ENDED, new->key, wire_end_text(new->end));
	}
}

void fleet_absorb(struct fleet_talk *t, struct wire_report *report)
{
	struct fleet_node *n = t->node;

	fleet_lock(t->fleet);
	if (t->fleet->job.request)
		add_events(t, report);
	wire_report_release(&n->report);
	n->report = *report;
	n->has_report = true;
	t->answered_ns = clock_mono_ns();
	free(n->version);
	n->version = xstrdup_null(report->version);
	*report = (struct wire_report){ 0 };
	fleet_unlock(t->fleet);
	wake_main(t->fleet);
}

void fleet_keep_note(struct fleet_talk *t, char *text)
{
	struct fleet_node *n = t->node;

	fleet_lock(t->fleet);
	n->notes = xrealloc(n->notes, n->n_notes + 1, sizeof(*n->notes));
	n->notes[n->n_notes++] = text;
	fleet_unlock(t->fleet);
	fleet_note(t, "%s", text);
}

void fleet_set_clock(struct fleet_talk *t, const struct link_clock *clock)
{
	fleet_lock(t->fleet);
	t->node->clock = *clock;
	fleet_unlock(t->fleet);
}

struct link_clock fleet_clock(struct fleet *f, size_t index)
{
	struct link_clock clock;

	fleet_lock(f);
	clock = f->nodes[index].clock;
	fleet_unlock(f);
	return clock;
}

void fleet_blame(struct fleet_talk *t, const char *reason, const struct err *err)
{
	fleet_lock(t->fleet);
	t->node->reason = reason;
	t->node->err = reason ? *err : (struct err)ERR_INIT;
	fleet_unlock(t->fleet);
}

/* ---- for the main thread ---- */

static void add(int64_t *sum, int64_t n)
{
	if (n > 0 && __builtin_add_overflow(*sum, n, sum))
		*sum = INT64_MAX;
}

/* Two targets with one namespace have one state. */
static enum wire_state state_of(const struct wire_report *r, const struct wire_target *t)
{
	const struct wire_target *other = t->same_as ? find_target(r, t->same_as) : NULL;

	return t->state == WIRE_FAILED && other ? other->state : t->state;
}

static void count_report(const struct wire_report *r, struct fleet_counts *out)
{
	for (size_t i = 0; i < r->n_targets; i++) {
		const struct wire_target *t = &r->targets[i];

		out->targets_armed += state_of(r, t) != WIRE_FAILED;
		out->targets_ended += state_of(r, t) == WIRE_ENDED;
		add(&out->packets, t->packets);
		add(&out->bytes, t->bytes);
		add(&out->dropped_kernel, t->dropped_kernel);
		add(&out->dropped_agent, t->dropped_agent);
		for (size_t k = 0; k < t->n_files; k++)
			out->fetch_bytes += (uint64_t)t->files[k].bytes;
	}
}

void fleet_counts(struct fleet *f, struct fleet_counts *out)
{
	*out = (struct fleet_counts){ .targets = plan_targets(f->job.plan) };
	fleet_lock(f);
	for (size_t i = 0; i < f->n; i++) {
		const struct fleet_node *n = &f->nodes[i];

		out->targets += n->report.n_joined;
		count_report(&n->report, out);
		if (n->follows_only && !n->report.n_targets)
			continue;
		out->nodes++;
		out->nodes_armed += n->armed;
		out->nodes_lost += n->stage == FLEET_LOST;
		out->nodes_done += n->stage == FLEET_DONE;
	}
	add(&out->dropped, out->dropped_kernel);
	add(&out->dropped, out->dropped_agent);
	out->fetched_bytes = f->fetched_bytes;
	fleet_unlock(f);
}

struct fleet_event *fleet_next_event(struct fleet *f)
{
	struct fleet_event *e;

	fleet_lock(f);
	e = f->events;
	if (e)
		f->events = e->next;
	if (!f->events)
		f->events_end = &f->events;
	fleet_unlock(f);
	return e;
}

void fleet_event_free(struct fleet_event *e)
{
	if (!e)
		return;
	free(e->node);
	free(e->target);
	free(e->text);
	free(e);
}

struct fleet_node *fleet_nodes(struct fleet *f, size_t *n)
{
	fleet_lock(f);
	*n = f->n;
	fleet_unlock(f);
	return f->nodes;
}

int64_t fleet_arm_spread(struct fleet *f)
{
	int64_t first = INT64_MAX, last = INT64_MIN, spread = -1;

	fleet_lock(f);
	for (size_t i = 0; i < f->n; i++) {
		const struct fleet_node *n = &f->nodes[i];
		int64_t at;

		if (!n->armed || n->follows_only || !n->clock.probes ||
		    __builtin_sub_overflow(n->report.armed_ns, n->clock.offset_ns, &at))
			continue;
		first = at < first ? at : first;
		last = at > last ? at : last;
	}
	fleet_unlock(f);
	if (last >= first && !__builtin_sub_overflow(last, first, &spread))
		return spread;
	return -1;
}


void fleet_thread_ended(struct fleet_talk *t)
{
	fleet_lock(t->fleet);
	t->fleet->ended++;
	fleet_unlock(t->fleet);
	wake_main(t->fleet);
}

void fleet_fetched(struct fleet *f, size_t n)
{
	fleet_lock(f);
	f->fetched_bytes += n;
	fleet_unlock(f);
}
