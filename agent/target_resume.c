/* SPDX-License-Identifier: Apache-2.0
 *
 * target_resume.c - one target of a capture: going on with what a former life of the agent left
 *
 * Recovery has made all files whole and counted them into `seen`; what files cannot tell (drops,
 * removed files) comes from life.json. From there on it is a target like any other, but for the
 * gap in its report.
 */
#include "target_inside.h"

#include <errno.h>
#include <string.h>

#define FILES_LEFT 16		/* fewer, and it could not end its last ones */

/* Of what the files hold, and those that a ring let go. */
static void sum_up(struct target_former *f, const struct wire_target *s,
		   const struct life_target *life)
{
	f->packets = life->removed_packets;
	f->bytes = life->removed_bytes;
	for (size_t i = 0; i < s->n_files; i++) {
		f->packets += s->files[i].packets;
		f->bytes += s->files[i].bytes;
	}
	f->dropped_kernel = life->dropped_kernel;
	f->dropped_agent = life->dropped_agent;
	f->truncated = life->truncated < f->packets ? life->truncated : f->packets;
}

static void show(const struct target_former *f, struct wire_target *s)
{
	s->packets = f->packets;
	s->bytes = f->bytes;
	s->truncated = f->truncated;
	s->dropped_kernel = f->dropped_kernel;
	s->dropped_agent = f->dropped_agent;
	s->received = s->packets + s->dropped_kernel + s->dropped_agent;
	s->stopped_ns = 0;
}

struct target *target_resume(const struct target_env *env, size_t number, struct wire_target *seen,
			     const struct life_target *life, int64_t from_ns)
{
	struct target *t = xcalloc(1, sizeof(*t));
	struct target_former *f = xcalloc(1, sizeof(*f));

	t->env = *env;
	t->number = number;
	t->wanted = &env->arm->targets[number];
	t->seen = seen;
	t->former = f;
	f->goes_on = seen->state == WIRE_ARMED;
	f->from_ns = from_ns;
	if (!f->goes_on)
		return t;
	sum_up(f, seen, life);
	show(f, seen);
	t->removed = life->removed_files;
	t->removed_packets = life->removed_packets;
	t->removed_bytes = life->removed_bytes;
	t->told_packets = f->packets;
	t->told_bytes = f->bytes;
	t->told_kernel = f->dropped_kernel;
	t->told_agent = f->dropped_agent;
	return t;
}

void target_go_on(struct target *t)
{
	const struct target_former *f = t->former;
	const struct fileset_former former = {
		.files = t->seen->files, .n_files = t->seen->n_files,
		.removed_packets = t->removed_packets, .removed_bytes = t->removed_bytes,
		.truncated = f->truncated,
	};

	fileset_go_on(t->files, &former);
}

/* ---- the gap ---- */

/* The lock is held. Where there is no room for more, the last one becomes longer. */
static void add_gap(struct target *t, int64_t to_ns, const char *why)
{
	struct wire_target *s = t->seen;

	if (s->n_gaps == WIRE_GAPS_MAX) {
		s->gaps[s->n_gaps - 1].to_ns = to_ns;
		return;
	}
	s->gaps = xrealloc(s->gaps, s->n_gaps + 1, sizeof(*s->gaps));
	s->gaps[s->n_gaps++] = (struct wire_gap){
		.from_ns = t->former->from_ns, .to_ns = to_ns, .why = xstrdup(why),
	};
}

void target_close_gap(struct target *t)
{
	int64_t now = clock_wall_ns();

	if (!t->seen->started_ns)
		t->seen->started_ns = t->former->from_ns;
	add_gap(t, now, LIFE_RESTARTED);
}

/* ---- no going on ---- */

static void end(struct target *t, enum wire_end how, const char *why, bool gap)
{
	struct wire_target *s = t->seen;

	pthread_mutex_lock(t->env.lock);
	s->state = WIRE_ENDED;
	s->end = how;
	s->stopped_ns = t->former->from_ns;
	free(s->error);
	s->error = how == WIRE_END_AGENT_LOST ? xstrdup(why) : NULL;
	if (gap)
		add_gap(t, 0, why);
	pthread_cond_broadcast(t->env.changed);
	pthread_mutex_unlock(t->env.lock);
}

/* Nothing more fits behind what is there, or it was not possible to go on. */
void target_give_up(struct target *t, const struct err *why)
{
	cleanup_free char *text = xasprintf("%s, and could not go on: %s", LIFE_RESTARTED, why->text);

	if (why->code == -EFBIG && t->env.arm->max_bytes)
		end(t, WIRE_END_BYTES, LIFE_RESTARTED, true);
	else
		end(t, WIRE_END_AGENT_LOST, text, true);
}

bool target_may_go_on(struct target *t)
{
	const struct target_former *f = t->former;
	int64_t max = t->env.arm->max_packets;
	struct err err = ERR_INIT;

	if (!f->goes_on)
		return false;
	if (max && f->packets >= max) {
		end(t, WIRE_END_PACKETS, LIFE_RESTARTED, false);
		return false;
	}
	if (t->seen->n_files + FILES_LEFT > WIRE_FILES_MAX) {
		err_set(&err, -E2BIG, "it has %zu files", t->seen->n_files);
		target_give_up(t, &err);
		return false;
	}
	return true;
}

/* ---- for the next life ---- */

int64_t target_life(const struct target *t, struct life_target *out)
{
	const struct wire_target *s = t->seen;

	*out = (struct life_target){
		.dropped_kernel = s->dropped_kernel, .dropped_agent = s->dropped_agent,
		.truncated = s->truncated, .removed_files = t->removed,
		.removed_packets = t->removed_packets, .removed_bytes = t->removed_bytes,
	};
	if (t->live)
		fileset_removed(t->files, &out->removed_packets, &out->removed_bytes);
	return t->live ? t->safe_ns : INT64_MAX;
}
