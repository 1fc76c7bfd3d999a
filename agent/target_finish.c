/* SPDX-License-Identifier: Apache-2.0
 *
 * target_finish.c - the end of a target that captured into files: they are synced and whole, its ring is closed
 *
 * By the crew, since it waits for the disk.
 */
#include "target_inside.h"

#include <stdatomic.h>

/* What no file holds is not captured, whoever took it: a disk that is full may refuse it late. */
static void take_losses(struct target *t, int64_t lost)
{
	struct wire_target *s = t->seen;
	int64_t removed;

	if (lost <= 0)
		return;
	s->packets -= lost < s->packets ? lost : s->packets;
	s->dropped_agent = s->received - s->dropped_kernel - s->packets;
	fileset_removed(t->files, &removed, &s->bytes);
	for (size_t i = 0; i < s->n_files; i++)
		s->bytes += s->files[i].bytes;
	atomic_fetch_add(&t->env.metrics->dropped_agent, (unsigned long long)lost);
}

void target_show_end(struct target *t, enum wire_end end)
{
	struct wire_target *s = t->seen;

	s->end = end;
	if (t->wanted_error || t->err.code)
		s->error = t->wanted_error ? take_ptr(&t->wanted_error) : xstrdup(t->err.text);
	s->stopped_ns = t->stop_ns;
	s->state = WIRE_ENDED;
	t->live = false;
}

static void show_end(struct target *t, const struct fileset_end *w, int64_t dropped, int result)
{
	struct wire_target *s = t->seen;

	target_publish_files(t, dropped);
	s->files = xrealloc(s->files, s->n_files + w->n_files + 1, sizeof(*s->files));
	for (size_t i = 0; i < w->n_files; i++)
		s->files[s->n_files++] = w->files[i];
	take_losses(t, w->packets_lost);
	target_show_end(t, result ? WIRE_END_ERROR : t->end);
}

static void wait_for_jobs(struct target *t)
{
	pthread_mutex_lock(t->env.lock);
	while (t->jobs > 1)		/* the other one is ours */
		pthread_cond_wait(t->env.changed, t->env.lock);
	pthread_mutex_unlock(t->env.lock);
}

/* What was captured, and is not in the files. */
static void note_losses(struct target *t, int64_t packets_lost)
{
	cleanup_free char *lost = xasprintf("%lld packets could not be written",
					    (long long)packets_lost);
	cleanup_free char *removed = xasprintf("%lld older files were removed: %lld are kept",
					       (long long)t->removed,
					       (long long)t->env.arm->keep_files);

	if (packets_lost)
		target_note(t, lost);
	if (t->removed)
		target_note(t, removed);
}

void target_finish(void *job)
{
	struct target *t = job;
	struct fileset *files;
	struct fileset_end w = { .start_ns = t->seen->started_ns, .end_ns = t->stop_ns };
	int64_t dropped;
	int r;

	wait_for_jobs(t);
	dropped = target_count_drops(t);
	sniff_close(t->sniff);
	t->sniff = NULL;
	r = fileset_finish(t->files, &w, &t->err);
	note_losses(t, w.packets_lost);
	pthread_mutex_lock(t->env.lock);
	show_end(t, &w, dropped, r);
	fileset_removed(t->files, &t->removed_packets, &t->removed_bytes);
	files = take_ptr(&t->files);
	pthread_mutex_unlock(t->env.lock);
	/* where tasks come and go for hours an ended target keeps little */
	fileset_free(files);
	free(w.files);
	pthread_mutex_lock(t->env.lock);
	t->jobs--;
	pthread_cond_broadcast(t->env.changed);
	pthread_mutex_unlock(t->env.lock);
}
