/* SPDX-License-Identifier: Apache-2.0
 *
 * live_pipe.c - from the thread that hears a node to the one that merges
 */
#include "live_pipe.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

struct live_pipe {
	pthread_mutex_t lock;
	pthread_cond_t room;
	int bell;
	uint8_t *data;			/* a ring of LIVE_PIPE_BYTES */
	size_t at, n;
	bool ended, closed;
};

struct live_pipe *live_pipe_new(int bell)
{
	struct live_pipe *p = xcalloc(1, sizeof(*p));

	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->room, NULL);
	p->bell = bell;
	p->data = xmalloc(LIVE_PIPE_BYTES);
	return p;
}

void live_pipe_free(struct live_pipe *p)
{
	if (!p)
		return;
	pthread_cond_destroy(&p->room);
	pthread_mutex_destroy(&p->lock);
	free(p->data);
	free(p);
}

static void ring_bell(struct live_pipe *p)
{
	const uint64_t one = 1;

	if (write(p->bell, &one, sizeof(one)) < 0)
		errno = 0;		/* full: it is awake already */
}

/* The lock is held. */
static size_t copy_in(struct live_pipe *p, const uint8_t *from, size_t n)
{
	const size_t end = (p->at + p->n) % LIVE_PIPE_BYTES;
	const size_t room = LIVE_PIPE_BYTES - p->n, straight = LIVE_PIPE_BYTES - end;

	n = n < room ? n : room;
	n = n < straight ? n : straight;
	memcpy(p->data + end, from, n);
	p->n += n;
	return n;
}

int live_pipe_put(struct live_pipe *p, const void *data, size_t n)
{
	const uint8_t *from = data;
	bool closed;

	pthread_mutex_lock(&p->lock);
	while (n && !p->closed) {
		size_t put = copy_in(p, from, n);

		from += put;
		n -= put;
		if (put)
			ring_bell(p);
		else
			pthread_cond_wait(&p->room, &p->lock);
	}
	closed = p->closed;
	pthread_mutex_unlock(&p->lock);
	return closed ? -EPIPE : 0;
}

void live_pipe_end(struct live_pipe *p)
{
	pthread_mutex_lock(&p->lock);
	p->ended = true;
	pthread_mutex_unlock(&p->lock);
	ring_bell(p);
}

ssize_t live_pipe_read(void *arg, void *data, size_t n)
{
	struct live_pipe *p = arg;
	ssize_t got;

	pthread_mutex_lock(&p->lock);
	n = n < p->n ? n : p->n;
	n = n < LIVE_PIPE_BYTES - p->at ? n : LIVE_PIPE_BYTES - p->at;
	memcpy(data, p->data + p->at, n);
	p->at = (p->at + n) % LIVE_PIPE_BYTES;
	p->n -= n;
	got = n || p->ended || p->closed ? (ssize_t)n : -EAGAIN;
	pthread_cond_signal(&p->room);
	pthread_mutex_unlock(&p->lock);
	return got;
}

void live_pipe_close(struct live_pipe *p)
{
	pthread_mutex_lock(&p->lock);
	p->closed = true;
	p->n = 0;
	pthread_cond_broadcast(&p->room);
	pthread_mutex_unlock(&p->lock);
	ring_bell(p);
}
