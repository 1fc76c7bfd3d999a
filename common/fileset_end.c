/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_end.c - the files of one target: rotation, and the end
 *
 * A file that is rotated away becomes an entry of `old`, and a job of another thread: it ends
 * the file and tells of it. When its place in the ring is needed, the entry is marked: a whole
 * file is removed by another job, one that is still being ended by that job itself, so that
 * nobody hears of a removal before the file. The entry goes with its file.
 */
#include "fileset_parts.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

char *fileset_file_name(const struct fileset *f, const struct fileset_group *g)
{
	return segment_file_name(f->plan.target, g->number, g->suffix, f->plan.arm->format);
}

/* Drops stand in the first group's files. */
static struct segment_end end_of(struct fileset *f, struct fileset_group *g, int64_t start_ns,
				 int64_t end_ns)
{
	struct segment_end e = { .start_ns = start_ns, .end_ns = end_ns, .dropped = -1 };

	if (g->suffix || f->dropped < 0)
		return e;
	e.dropped = f->dropped > f->dropped_told ? f->dropped - f->dropped_told : 0;
	f->dropped_told = f->dropped;
	return e;
}

/*
 * Frees s. *out is what there is of it, its name NULL when nothing; 0 or -errno: then packets were
 * lost, *lost of them.
 */
static int end_segment(struct segment *s, const struct segment_end *end, struct wire_file *out,
		       int64_t *lost, struct err *err)
{
	int64_t packets = segment_packets(s);
	int r = segment_commit(s, end, out, err);

	*lost = 0;
	if (!r) {
		segment_free(s);
		return 0;
	}
	if (segment_rescue(s, out, NULL))
		*out = (struct wire_file){ 0 };
	*lost = packets - out->packets;
	return r;
}

/* Before it goes. */
static void count_old(struct fileset *f, const struct segment *s)
{
	f->old_bytes += (int64_t)segment_size(s);
	f->old_truncated += segment_truncated(s);
}

/* ---- rotation ---- */

void fileset_old_free(struct fileset_old *o)
{
	segment_free(o->segment);
	free(o->name);
	free(o->suffix);
	free(o);
}

static void forget(struct fileset_old *o)
{
	struct fileset *f = o->f;
	struct fileset_old **at = &f->old;

	pthread_mutex_lock(&f->lock);
	while (*at != o)
		at = &(*at)->next;
	*at = o->next;
	atomic_fetch_sub(&f->n_old, 1);
	pthread_mutex_unlock(&f->lock);
	fileset_old_free(o);
}

/* The file is no more, and so is its entry. */
static void let_go(struct fileset_old *o)
{
	struct fileset *f = o->f;

	pthread_mutex_lock(&f->lock);
	f->removed_packets += o->packets;
	f->removed_bytes += o->bytes;
	pthread_mutex_unlock(&f->lock);
	forget(o);
}

void fileset_removed(struct fileset *f, int64_t *packets, int64_t *bytes)
{
	pthread_mutex_lock(&f->lock);
	*packets = f->removed_packets;
	*bytes = f->removed_bytes;
	pthread_mutex_unlock(&f->lock);
}

static void job_done(struct fileset *f)
{
	pthread_mutex_lock(&f->lock);
	f->jobs--;
	pthread_cond_broadcast(&f->done);
	pthread_mutex_unlock(&f->lock);
}

static void remove_file(struct fileset_old *o)
{
	const struct fileset_plan *p = &o->f->plan;

	unlinkat(p->dirfd, o->name, 0);
	if (p->room.give)
		p->room.give(p->room.arg, o->bytes);
	if (p->removed)
		p->removed(p->arg, o->name);
	let_go(o);
}

static void remove_job(void *job)
{
	struct fileset_old *o = job;
	struct fileset *f = o->f;

	remove_file(o);
	job_done(f);
}

static bool is_unwanted(struct fileset_old *o)
{
	bool unwanted;

	pthread_mutex_lock(&o->f->lock);
	unwanted = o->unwanted;
	pthread_mutex_unlock(&o->f->lock);
	return unwanted;
}

static void drop(struct fileset_old *o)
{
	segment_discard(o->segment);
	o->segment = NULL;
	let_go(o);
}

/* From now on the file is as it is, and removed by another job; true: nobody waited for that. */
static bool settle(struct fileset_old *o)
{
	bool unwanted;

	pthread_mutex_lock(&o->f->lock);
	o->segment = NULL;
	unwanted = o->unwanted;
	pthread_mutex_unlock(&o->f->lock);
	return !unwanted;
}

static void tell_failure(struct fileset *f, const struct err *err, int64_t lost)
{
	pthread_mutex_lock(&f->lock);
	f->packets_lost += lost;
	pthread_mutex_unlock(&f->lock);
	if (f->plan.failed)
		f->plan.failed(f->plan.arg, err, lost);
}

static void end_old(struct fileset_old *o)
{
	struct fileset *f = o->f;
	struct wire_file file = { 0 };
	struct err err = ERR_INIT;
	int64_t lost;
	int r = end_segment(o->segment, &o->end, &file, &lost, &err);
	bool is_there = file.name;

	if (is_there) {
		o->packets = file.packets;
		o->bytes = file.bytes;
		file.segment = o->number;
		file.suffix = take_ptr(&o->suffix);
		f->plan.ended(f->plan.arg, &file);
	}
	if (r)
		tell_failure(f, &err, lost);
	if (!settle(o) && is_there)
		remove_file(o);
	else if (!is_there)
		forget(o);
}

static void end_job(void *job)
{
	struct fileset_old *o = job;
	struct fileset *f = o->f;

	if (is_unwanted(o))
		drop(o);
	else
		end_old(o);
	job_done(f);
}

static void defer(struct fileset *f, void (*fn)(void *job), void *job)
{
	pthread_mutex_lock(&f->lock);
	f->jobs++;
	pthread_mutex_unlock(&f->lock);
	if (f->plan.defer)
		f->plan.defer(f->plan.arg, fn, job);
	else
		fn(job);
}

void fileset_rotate(struct fileset *f, struct fileset_group *g)
{
	struct fileset_old *o = xcalloc(1, sizeof(*o)), **at = &f->old;

	o->f = f;
	o->group = (size_t)(g - f->groups);
	o->number = g->number;
	o->suffix = xstrdup_null(g->suffix);
	o->name = fileset_file_name(f, g);
	o->segment = g->segment;
	o->end = end_of(f, g, g->start_ns, clock_wall_ns());
	o->packets = segment_packets(g->segment);
	o->bytes = (int64_t)segment_size(g->segment);
	count_old(f, g->segment);
	g->segment = NULL;
	g->number++;

	pthread_mutex_lock(&f->lock);
	while (*at)
		at = &(*at)->next;
	*at = o;
	atomic_fetch_add(&f->n_old, 1);
	pthread_mutex_unlock(&f->lock);
	defer(f, end_job, o);
}

bool fileset_may_rotate(const struct fileset *f, const struct fileset_group *g)
{
	return atomic_load_explicit(&f->n_old, memory_order_relaxed) + f->n_groups <
		       WIRE_FILES_MAX &&
	       g->number < FILESET_NUMBER_MAX;
}

/* The oldest one that is still wanted; NULL: no more than `keep` are. The lock is held. */
static struct fileset_old *surplus(const struct fileset *f, size_t group, int64_t keep)
{
	struct fileset_old *oldest = NULL;
	int64_t n = 0;

	for (struct fileset_old *o = f->old; o; o = o->next) {
		if (o->group != group || o->unwanted)
			continue;
		oldest = oldest ? oldest : o;
		n++;
	}
	return n > keep ? oldest : NULL;
}

void fileset_make_place(struct fileset *f, const struct fileset_group *g)
{
	int64_t keep = f->plan.arm->keep_files;
	struct fileset_old *o = NULL;

	do {
		bool whole = false;

		pthread_mutex_lock(&f->lock);
		o = keep ? surplus(f, (size_t)(g - f->groups), keep - 1) : NULL;
		if (o) {
			o->unwanted = true;
			whole = !o->segment;
		}
		pthread_mutex_unlock(&f->lock);
		if (whole)
			defer(f, remove_job, o);
	} while (o);
}

void fileset_wait(struct fileset *f)
{
	pthread_mutex_lock(&f->lock);
	while (f->jobs)
		pthread_cond_wait(&f->done, &f->lock);
	pthread_mutex_unlock(&f->lock);
}

static void free_list(struct fileset_old *o)
{
	while (o) {
		struct fileset_old *next = o->next;

		fileset_old_free(o);
		o = next;
	}
}

void fileset_forget_old(struct fileset *f)
{
	free_list(f->old);
	free_list(f->former);
	f->old = f->former = NULL;
}

/* ---- the end ---- */

static int end_group(struct fileset *f, struct fileset_group *g, struct fileset_end *end,
		     struct err *err)
{
	const struct segment_end e = end_of(f, g, g->number ? g->start_ns : end->start_ns,
					    end->end_ns);
	struct wire_file *out = &end->files[end->n_files];
	int64_t lost;
	int r;

	count_old(f, g->segment);
	r = end_segment(g->segment, &e, out, &lost, err);
	g->segment = NULL;
	end->packets_lost += lost;
	if (!out->name)
		return r;
	out->segment = g->number;
	out->suffix = xstrdup_null(g->suffix);
	end->n_files++;
	return r;
}

int fileset_finish(struct fileset *f, struct fileset_end *end, struct err *err)
{
	int r = 0;

	fileset_wait(f);
	end->files = xcalloc(f->n_groups + 1, sizeof(*end->files));
	end->n_files = 0;
	end->packets_lost = f->packets_lost;
	for (size_t i = 0; i < f->n_groups; i++) {
		int one = f->groups[i].segment ? end_group(f, &f->groups[i], end, err) : 0;

		r = r ? r : one;
	}
	return r;
}

void fileset_discard(struct fileset *f)
{
	for (size_t i = 0; f && i < f->n_groups; i++) {
		segment_discard(f->groups[i].segment);
		f->groups[i].segment = NULL;
	}
	fileset_free(f);
}
