/* SPDX-License-Identifier: Apache-2.0
 *
 * readahead.c - regular files that are read in turns, each one piece ahead, by a thread of its own
 *
 * A file has one piece in the air: ASKED until somebody begins to read it, READING, READY. The queue has a file
 * once at most; one whose piece was taken meanwhile is passed over. Pieces come from the pool and go there by
 * the caller's thread alone.
 */
#include "readahead.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#define THREAD_FROM 4u		/* files: with fewer, each piece would need a call to wake */
#define WAKE_MOST 64u

enum state { ASKED, READING, READY };

struct readahead_file {
	struct readahead *r;
	int fd;
	off_t at, end;			/* of what is not asked for yet; -1: the file's */
	struct instream_piece *piece;	/* NULL: nothing is asked for */
	size_t size;			/* that are wanted in it */
	enum state state;
	bool is_queued;
	ssize_t got;
};

struct readahead {
	struct instream_pool *pool;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t work, ready;
	struct readahead_file **queue;	/* a ring */
	size_t first, queued, n;
	size_t wake;			/* at so many in the queue */
	bool runs, sleeps, waits, stop;
};

static ssize_t read_piece(const struct readahead_file *f)
{
	ssize_t got;

	do
		got = pread(f->fd, f->piece->data + INSTREAM_LEAD, f->size, f->at);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* ---- the thread */

/* NULL: stop. The lock is held. */
static struct readahead_file *next_file(struct readahead *r)
{
	struct readahead_file *f;

	while (!r->queued && !r->stop) {
		r->sleeps = true;
		pthread_cond_wait(&r->work, &r->lock);
		r->sleeps = false;
	}
	if (r->stop)
		return NULL;
	f = r->queue[r->first];
	r->first = (r->first + 1) % r->n;
	r->queued--;
	f->is_queued = false;
	return f;
}

static void *run(void *arg)
{
	struct readahead *r = arg;
	struct readahead_file *f;

	prctl(PR_SET_NAME, "readahead");
	pthread_mutex_lock(&r->lock);
	while ((f = next_file(r))) {
		ssize_t got;

		if (!f->piece || f->state != ASKED)
			continue;
		f->state = READING;
		pthread_mutex_unlock(&r->lock);
		got = read_piece(f);
		pthread_mutex_lock(&r->lock);
		f->got = got;
		f->state = READY;
		if (r->waits)
			pthread_cond_signal(&r->ready);
	}
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

static bool start(struct readahead *r)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc == 0;
}

struct readahead *readahead_new(struct instream_pool *pool, size_t files)
{
	struct readahead *r = xcalloc(1, sizeof(*r));

	r->pool = pool;
	r->n = files + 1;
	r->queue = xcalloc(r->n, sizeof(struct readahead_file *));
	r->wake = files / 2 < WAKE_MOST ? files / 2 : WAKE_MOST;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->work, NULL);
	pthread_cond_init(&r->ready, NULL);
	/* without it, whoever needs a piece reads it */
	r->runs = files >= THREAD_FROM && start(r);
	return r;
}

void readahead_free(struct readahead *r)
{
	if (!r)
		return;
	if (r->runs) {
		pthread_mutex_lock(&r->lock);
		r->stop = true;
		pthread_cond_signal(&r->work);
		pthread_mutex_unlock(&r->lock);
		pthread_join(r->thread, NULL);
	}
	pthread_cond_destroy(&r->ready);
	pthread_cond_destroy(&r->work);
	pthread_mutex_destroy(&r->lock);
	free(r->queue);
	free(r);
}

/* ---- the caller's side */

/* The lock is held. */
static void enqueue(struct readahead_file *f)
{
	struct readahead *r = f->r;

	if (!r->runs || f->is_queued)
		return;
	f->is_queued = true;
	r->queue[(r->first + r->queued++) % r->n] = f;
	if (r->sleeps && r->queued >= r->wake)
		pthread_cond_signal(&r->work);
}

static void ask(struct readahead_file *f)
{
	size_t size = f->r->pool->size - INSTREAM_LEAD;

	if (f->end >= 0 && (uint64_t)(f->end - f->at) < size)
		size = (size_t)(f->end - f->at);
	f->size = size;
	f->piece = instream_pool_take(f->r->pool, f->r->pool->size);
	f->state = ASKED;
	enqueue(f);
}

/* The piece that was asked for, read. The lock is held, but not all the time. */
static void finish(struct readahead_file *f)
{
	struct readahead *r = f->r;

	if (f->state == ASKED) {
		f->state = READING;
		pthread_mutex_unlock(&r->lock);
		f->got = read_piece(f);
		pthread_mutex_lock(&r->lock);
		f->state = READY;
	}
	r->waits = true;
	while (f->state != READY)
		pthread_cond_wait(&r->ready, &r->lock);
	r->waits = false;
}

struct readahead_file *readahead_open(struct readahead *r, int fd, off_t begin, off_t size)
{
	struct readahead_file *f = xcalloc(1, sizeof(*f));

	*f = (struct readahead_file){
		.r = r, .fd = fd, .at = begin, .end = size < 0 ? -1 : begin + size,
	};
	pthread_mutex_lock(&r->lock);
	ask(f);
	pthread_mutex_unlock(&r->lock);
	return f;
}

ssize_t readahead_next(struct readahead_file *f, struct instream_piece **piece)
{
	struct readahead *r = f->r;
	ssize_t got;

	*piece = NULL;
	pthread_mutex_lock(&r->lock);
	finish(f);
	got = f->got;
	if (got > 0) {
		*piece = f->piece;
		f->at += got;
		ask(f);
	}
	pthread_mutex_unlock(&r->lock);
	return got;
}

/* What the queue still has of it is taken out, which is seldom: a merge that was given up. */
static void dequeue(struct readahead_file *f)
{
	struct readahead *r = f->r;
	size_t kept = 0;

	for (size_t i = 0; i < r->queued; i++) {
		struct readahead_file *other = r->queue[(r->first + i) % r->n];

		if (other != f)
			r->queue[(r->first + kept++) % r->n] = other;
	}
	r->queued = kept;
}

void readahead_close(struct readahead_file *f)
{
	struct readahead *r;

	if (!f)
		return;
	r = f->r;
	pthread_mutex_lock(&r->lock);
	if (f->state == READING)
		finish(f);
	if (f->is_queued)
		dequeue(f);
	pthread_mutex_unlock(&r->lock);
	instream_pool_drop(r->pool, f->piece);
	free(f);
}
