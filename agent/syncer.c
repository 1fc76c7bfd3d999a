/* SPDX-License-Identifier: Apache-2.0
 *
 * syncer.c - files that grow are brought to the disk, many together
 */
#include "syncer.h"

#include <fcntl.h>
#include <pthread.h>
#include <unistd.h>

struct syncer {
	struct crew *crew;
	pthread_mutex_t lock;
	struct sync_job *first, **end;	/* under the lock */
	bool running;			/* somebody takes them */
};

struct syncer *syncer_new(struct crew *c)
{
	struct syncer *s = xcalloc(1, sizeof(*s));

	s->crew = c;
	s->end = &s->first;
	pthread_mutex_init(&s->lock, NULL);
	return s;
}

void syncer_free(struct syncer *s)
{
	if (!s)
		return;
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* All that wait. NULL: there are none, and the next one must be told of. */
static struct sync_job *take_all(struct syncer *s)
{
	struct sync_job *all;

	pthread_mutex_lock(&s->lock);
	all = s->first;
	s->first = NULL;
	s->end = &s->first;
	s->running = all;
	pthread_mutex_unlock(&s->lock);
	return all;
}

/* What fails here fails again when it is synced. */
static void write_back(const struct sync_job *j)
{
	for (size_t i = 0; i < j->n_fds; i++)
		(void)sync_file_range(j->fds[i], 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void sync_one(struct sync_job *j)
{
	bool good = true;

	for (size_t i = 0; i < j->n_fds; i++) {
		good &= fdatasync(j->fds[i]) == 0;
		util_close(j->fds[i]);
	}
	util_freep(&j->fds);
	j->done(j->arg, good);
}

static void sync_all(void *job)
{
	struct syncer *s = job;
	struct sync_job *all, *next;

	while ((all = take_all(s))) {
		for (struct sync_job *j = all; j; j = j->next)
			write_back(j);
		for (struct sync_job *j = all; j; j = next) {
			next = j->next;
			sync_one(j);
		}
	}
}

void syncer_add(struct syncer *s, struct sync_job *j)
{
	bool running;

	j->next = NULL;
	pthread_mutex_lock(&s->lock);
	*s->end = j;
	s->end = &j->next;
	running = s->running;
	s->running = true;
	pthread_mutex_unlock(&s->lock);
	if (!running)
		crew_run(s->crew, sync_all, s);
}
