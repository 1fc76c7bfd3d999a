/* SPDX-License-Identifier: Apache-2.0
 *
 * target.c - one target of a capture: its beginning, and what others ask of it
 *
 * Who touches what. target_open and target_start run in the arming threads, one after the other.
 * From target_watch on the pump alone touches ring and files (target_run.c), until it hands the
 * target to the crew to be finished. Others write `wanted_end` under the capture's lock, halt
 * the ring and wake the pump; the first reason stays. The sockets pin the namespace, so they are
 * closed as soon as the end is known.
 */
#include "target_inside.h"

#include <errno.h>
#include <string.h>

struct target *target_new(const struct target_env *env, size_t number, struct wire_target *seen)
{
	struct target *t = xcalloc(1, sizeof(*t));

	t->env = *env;
	t->number = number;
	t->wanted = &env->arm->targets[number];
	t->seen = seen;
	t->seen->state = WIRE_FAILED;
	return t;
}

bool target_is_undecided(const struct wire_target *seen)
{
	return seen->state == WIRE_FAILED && !seen->error;
}

void target_note(struct target *t, const char *text)
{
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	if (s->n_notes < WIRE_NOTES_MAX) {
		s->notes = xrealloc(s->notes, s->n_notes + 1, sizeof(*s->notes));
		s->notes[s->n_notes++] = xasprintf("%.*s", WIRE_TEXT_MAX, text);
	}
	pthread_mutex_unlock(t->env.lock);
}

static void add_note(void *arg, const char *text)
{
	target_note(arg, text);
}

/* ---- opening ---- */

/* The API's own traffic stays out of what is captured in the host's namespace. */
static int choose_program(struct target *t, const struct target_means *m, struct err *err)
{
	const struct node *n = t->env.node;
	const char *own = t->wanted->filter ? t->wanted->filter : t->env.arm->filter;
	bool api = !t->netns_file && n->port;
	int r;

	t->filter = xstrdup_null(own);
	t->program = m->program;
	if (!m->program)
		return err_set(err, -EINVAL, "%s", m->program_err->text);
	if (!api && !t->wanted->filter)
		return 0;
	if (api) {
		free(t->filter);
		t->filter = xasprintf("not (tcp port %u and host %s)%s%s%s", n->port, n->address,
				      own ? " and (" : "", own ? own : "", own ? ")" : "");
	}
	r = program_new(&t->own_program, t->filter, t->env.arm->snaplen, err);
	t->program = t->own_program;
	return r;
}

static int open_sniff(void *arg, struct err *err)
{
	struct target *t = arg;
	struct sniff_options o = {
		.interface = t->env.arm->interface, .program = t->program, .filter = t->filter,
		.snaplen = t->env.arm->snaplen, .ring_bytes = t->ring_bytes,
		.retire_ms = SNIFF_RETIRE_MS, .budget = &t->env.works->rings,
		.note = add_note, .arg = t,
	};

	if (t->env.feed) {
		o.ring_bytes = TARGET_LIVE_RING_BYTES;
		o.retire_ms = TARGET_LIVE_RETIRE_MS;
		o.budget = &t->env.works->live_rings;
	}
	return sniff_open(&t->sniff, &o, err);
}

static int enter(struct target *t, struct err *err)
{
	cleanup_close int ns = -1;
	int r;

	if (t->netns_file)
		r = netns_open(&ns, t->env.node->netns_dir, t->netns_file, err);
	else
		r = netns_open_own(&ns, err);
	if (!r)
		r = netns_identify(ns, &t->netns, err);
	return r ? r : netns_run(ns, open_sniff, t, err);
}

/* A former life's text stays where there is no new one. */
static void replace(char **text, char *with)
{
	if (!with)
		return;
	free(*text);
	*text = with;
}

static int find(struct target *t, struct engine *e, struct err *err)
{
	struct local_place place;
	int r = local_find(e, t->env.node, t->wanted, &place, err);

	pthread_mutex_lock(t->env.lock);
	replace(&t->seen->container_id, take_ptr(&place.container_id));
	replace(&t->seen->image, take_ptr(&place.image));
	t->seen->absent = place.absent;
	pthread_mutex_unlock(t->env.lock);
	t->netns_file = take_ptr(&place.netns_file);
	t->guest = place.guest;
	if (!r && place.paused)
		target_note(t, "the container is paused");
	local_place_release(&place);
	return r;
}

static void defer(void *arg, void (*fn)(void *job), void *job)
{
	struct target *t = arg;

	crew_run(t->env.works->crew, fn, job);
}

static void add_file(void *arg, struct wire_file *f)
{
	struct target *t = arg;
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	s->files = xrealloc(s->files, s->n_files + 1, sizeof(*s->files));
	s->files[s->n_files++] = *f;
	pthread_mutex_unlock(t->env.lock);
}

static void remove_file(void *arg, const char *name)
{
	struct target *t = arg;
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	for (size_t i = 0; i < s->n_files; i++) {
		if (strcmp(s->files[i].name, name))
			continue;
		free(s->files[i].name);
		free(s->files[i].suffix);
		memmove(&s->files[i], &s->files[i + 1], (--s->n_files - i) * sizeof(*s->files));
		break;
	}
	t->removed++;
	pthread_mutex_unlock(t->env.lock);
}

static void file_failed(void *arg, const struct err *err, int64_t packets_lost)
{
	struct target *t = arg;
	cleanup_free char *text = xasprintf("%s: %lld packets of that file are lost", err->text,
					    (long long)packets_lost);

	target_note(t, text);
}

static int open_files(struct target *t, struct err *err)
{
	cleanup_free char *os = xasprintf("%s, host %s", t->env.node->kernel, t->env.node->name);
	const struct fileset_plan p = {
		.room = spool_segment_room(t->env.spool), .disk = t->env.works->disk,
		.dirfd = t->env.dirfd, .target = t->number, .arm = t->env.arm, .wanted = t->wanted,
		.node_name = t->env.node->name, .os = os, .defer = defer,
		.ended = add_file, .removed = remove_file, .failed = file_failed, .arg = t,
	};
	int r;

	t->files = fileset_new(&p);
	fileset_set_dropped(t->files, 0);
	if (t->former)
		target_go_on(t);
	r = target_declare(t, err);
	if (!r)
		r = fileset_begin(t->files, err);
	sniff_set_lender(t->sniff, target_lend, t);
	if (!r && fileset_loses_interfaces(t->files))
		target_note(t, "a pcap file does not tell interfaces apart");
	return r;
}

static int open_output(struct target *t, struct err *err)
{
	if (!t->env.feed)
		return open_files(t, err);
	target_live_begin(t);
	return 0;
}

static void fail(struct target *t, const struct err *err)
{
	sniff_close(t->sniff);
	t->sniff = NULL;
	target_live_free(take_ptr(&t->live_out));
	fileset_discard(t->files);
	t->files = NULL;
	if (t->former) {
		target_give_up(t, err);
		return;
	}
	pthread_mutex_lock(t->env.lock);
	t->seen->error = xstrdup(err->text);
	pthread_mutex_unlock(t->env.lock);
}

void target_open(struct target *t, const struct target_means *m)
{
	struct err err = ERR_INIT;
	int r = 0;

	if (t->former && !target_may_go_on(t))
		return;
	t->ring_bytes = m->ring_bytes;
	if (!m->engine && local_needs_engine(t->wanted->kind))
		r = err_set(&err, -ENOTCONN, "%s", m->why->text);
	if (!r)
		r = find(t, m->engine, &err);
	if (!r)
		r = choose_program(t, m, &err);
	if (!r)
		r = enter(t, &err);
	if (r == -ENOBUFS && t->env.feed)
		err_add(&err, ": the live views of a node have room for %zu targets together",
			t->env.works->live_rings.total / TARGET_LIVE_RING_BYTES);
	if (!r)
		r = open_output(t, &err);
	if (r)
		fail(t, &err);
}

void target_adopt(struct target *t, const struct target_found *f, const struct target_means *m)
{
	struct err err = ERR_INIT;
	int r;

	t->ring_bytes = m->ring_bytes;
	t->netns_file = xstrdup(f->netns_file);
	t->netns = f->netns;
	t->sniff = f->sniff;
	t->bound_ns = f->started_ns;
	r = choose_program(t, m, &err);
	if (!r)
		r = open_output(t, &err);
	if (r)
		fail(t, &err);
}

void target_start(struct target *t)
{
	struct err err = ERR_INIT;

	if (!t->files && !t->live_out)
		return;
	if (sniff_bind(t->sniff, &err)) {
		fail(t, &err);
		return;
	}
	pthread_mutex_lock(t->env.lock);
	if (t->former)
		target_close_gap(t);
	else
		t->seen->started_ns = t->bound_ns ? t->bound_ns : clock_wall_ns();
	t->seen->bytes = t->files ? fileset_bytes(t->files) : 0;
	t->seen->state = WIRE_ARMED;
	t->live = true;
	pthread_mutex_unlock(t->env.lock);
}

void target_watch(struct target *t)
{
	struct works *w = t->env.works;
	struct pump *pump = t->env.feed ? w->live_pump : w->pump;
	struct pump_item *item;

	if (!t->live)
		return;
	pthread_mutex_lock(t->env.lock);
	if (pump_add(pump, &item, sniff_fd(t->sniff),
		     t->env.feed ? target_live_on_event : target_on_event, t, &t->err))
		item = NULL;
	t->item = item;			/* the pump looks at it under the lock */
	pthread_mutex_unlock(t->env.lock);
	if (!item)
		target_end(t, WIRE_END_ERROR);
}

/* ---- from outside ---- */

/* True: it was asked, and its ring receives no more. */
static bool ask(struct target *t, enum wire_end end, const char *error)
{
	bool asked;

	pthread_mutex_lock(t->env.lock);
	asked = t->live && !t->ending && !t->wanted_end;
	if (asked) {
		t->wanted_end = end;
		t->wanted_stop_ns = clock_wall_ns();
		t->wanted_error = xstrdup_null(error);
		sniff_halt(t->sniff);
	}
	pthread_mutex_unlock(t->env.lock);
	return asked;
}

static void let_end(struct target *t)
{
	pthread_mutex_lock(t->env.lock);
	t->settled = true;
	if (t->item)
		pump_wake(t->item);
	pthread_mutex_unlock(t->env.lock);
}

void targets_stop(struct target *const *v, size_t n, enum wire_end end, const char *error)
{
	cleanup_free bool *asked = xcalloc(n + 1, sizeof(*asked));
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		asked[i] = ask(v[i], end, error);
		any |= asked[i];
	}
	if (any)
		sniff_settle();
	for (size_t i = 0; i < n; i++)
		if (asked[i])
			let_end(v[i]);
}

void target_check(struct target *t)
{
	bool armed;

	pthread_mutex_lock(t->env.lock);
	armed = t->live && !t->ending;
	pthread_mutex_unlock(t->env.lock);
	if (armed && t->netns_file &&
	    !netns_shows(t->env.node->netns_dir, t->netns_file, &t->netns))
		targets_stop(&t, 1, WIRE_END_TASK_ENDED, NULL);
}

void target_free(struct target *t)
{
	if (!t)
		return;
	pthread_mutex_lock(t->env.lock);
	while (t->live || t->jobs)
		pthread_cond_wait(t->env.changed, t->env.lock);
	pthread_mutex_unlock(t->env.lock);
	sniff_close(t->sniff);
	fileset_free(t->files);
	target_live_free(t->live_out);
	program_free(t->own_program);
	free(t->netns_file);
	free(t->filter);
	free(t->wanted_error);
	free(t->former);
	free(t);
}
