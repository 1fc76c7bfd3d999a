/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_files.c - the files of one tapped target, as the report shows them
 *
 * Rotated files are ended by a thread for each, so that the stream goes on meanwhile.
 */
#include "tap_parts.h"

#include <string.h>

#include "tap_talk.h"

void tap_run_add_file(void *arg, struct wire_file *f)
{
	struct tap_run *r = arg;
	struct wire_target *s = r->t->seen;

	pthread_mutex_lock(&r->t->tap->lock);
	s->files = xrealloc(s->files, s->n_files + 1, sizeof(*s->files));
	s->files[s->n_files++] = *f;
	pthread_mutex_unlock(&r->t->tap->lock);
}

static void remove_file(void *arg, const char *name)
{
	struct tap_run *r = arg;
	struct wire_target *s = r->t->seen;
	size_t i = 0;

	pthread_mutex_lock(&r->t->tap->lock);
	while (i < s->n_files && strcmp(s->files[i].name, name))
		i++;
	if (i < s->n_files) {
		free(s->files[i].name);
		free(s->files[i].suffix);
		s->n_files--;
		memmove(&s->files[i], &s->files[i + 1], (s->n_files - i) * sizeof(*s->files));
	}
	pthread_mutex_unlock(&r->t->tap->lock);
}

static void note_failure(void *arg, const struct err *err, int64_t packets_lost)
{
	struct tap_run *r = arg;
	cleanup_free char *text = xasprintf("%lld packets are lost: %s", (long long)packets_lost,
					    err->text);

	tap_note(r->t, text);
}

struct work {
	void (*fn)(void *job);
	void *job;
};

static void *work_main(void *arg)
{
	struct work w = *(struct work *)arg;

	free(arg);
	w.fn(w.job);
	return NULL;
}

static void defer(void *arg, void (*fn)(void *job), void *job)
{
	struct work *w = xcalloc(1, sizeof(*w));
	pthread_t thread;

	*w = (struct work){ fn, job };
	if (pthread_create(&thread, NULL, work_main, w))
		work_main(w);
	else
		pthread_detach(thread);
}

void tap_run_make_files(struct tap_run *r, bool classic)
{
	const struct tap *tap = r->t->tap;
	const char *version = r->feed.heard->version ? r->feed.heard->version : tap->at.version;
	cleanup_free char *comment = version ? xasprintf("captured by %s", version) : NULL;
	cleanup_free char *os = xasprintf("host %s", tap->at.node_name);
	const struct fileset_plan p = {
		.dirfd = tap->dirfd, .target = r->t->number, .arm = &tap->arm,
		.wanted = r->t->wanted, .node_name = tap->at.node_name, .os = os,
		.comment = comment, .defer = defer, .ended = tap_run_add_file,
		.removed = remove_file, .failed = note_failure, .arg = r,
	};

	r->classic = classic;
	r->file = fileset_new(&p);
}
