/* SPDX-License-Identifier: Apache-2.0
 *
 * feed.c - a live capture's packets on their way to the one who looks on
 *
 * The reader takes `back` when its own buffer, `front`, is used up: they are swapped. It is woken by
 * an eventfd, so that one poll(2) hears of bytes and of a viewer that hangs up. `connection` is a
 * duplicate: the server may close its own descriptor at any time.
 */
#include "feed.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define ROOM (FEED_BYTES + FEED_RESERVE)

struct part {
	uint8_t *data;			/* ROOM bytes */
	size_t len;
};

struct feed {
	pthread_mutex_t lock;
	struct part back;		/* under lock */
	uint32_t n_interfaces;		/* under lock */
	bool ended, opened;		/* under lock */
	int bell;
	int connection;			/* under lock; -1: no viewer */
	/* the viewer's */
	struct part front;
	size_t at;
};

/* The lock is held. What b has, if it is no more than the reserve's ceiling lets in. */
static bool add(struct feed *f, const struct buf *b)
{
	if (ROOM - f->back.len < b->len)
		return false;
	memcpy(f->back.data + f->back.len, b->data, b->len);
	f->back.len += b->len;
	return true;
}

/* The lock is not held. */
static void ring_bell(struct feed *f)
{
	const uint64_t one = 1;

	if (write(f->bell, &one, sizeof(one)) < 0)
		errno = 0;		/* full: it is awake already */
}

struct feed *feed_new(const struct pcapng_section *s, const struct pcapng_name *names,
		      size_t n_names)
{
	cleanup_buf struct buf b = BUF_INIT(FEED_RESERVE), more = BUF_INIT(FEED_BYTES);
	struct feed *f = xcalloc(1, sizeof(*f));

	pthread_mutex_init(&f->lock, NULL);
	f->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	f->connection = -1;
	f->back.data = xmalloc(ROOM);
	f->front.data = xmalloc(ROOM);
	pcapng_put_section(&b, s);
	add(f, &b);
	if (pcapng_put_names(&more, names, n_names) == 0)
		add(f, &more);
	return f;
}

void feed_free(struct feed *f)
{
	if (!f)
		return;
	util_close(f->bell);
	util_close(f->connection);
	free(f->back.data);
	free(f->front.data);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* ---- the capture's side ---- */

void feed_names(struct feed *f, const struct pcapng_name *names, size_t n)
{
	cleanup_buf struct buf b = BUF_INIT(FEED_RESERVE);

	if (pcapng_put_names(&b, names, n))
		return;
	pthread_mutex_lock(&f->lock);
	if (!f->ended)
		add(f, &b);
	pthread_mutex_unlock(&f->lock);
	ring_bell(f);
}

uint32_t feed_declare(struct feed *f, const struct pcapng_interface *i)
{
	cleanup_buf struct buf b = BUF_INIT(FEED_RESERVE);
	uint32_t number = FEED_NO_INTERFACE;

	pcapng_put_interface(&b, i);
	pthread_mutex_lock(&f->lock);
	if (!f->ended && f->n_interfaces < PCAPNG_INTERFACES_MAX && add(f, &b))
		number = f->n_interfaces++;
	pthread_mutex_unlock(&f->lock);
	ring_bell(f);
	return number;
}

size_t feed_put(struct feed *f, const struct pcapng_packet *p, size_t n)
{
	bool was_empty;
	size_t i = 0;

	pthread_mutex_lock(&f->lock);
	was_empty = !f->back.len;
	for (; i < n && !f->ended; i++) {
		if (f->back.len + pcapng_packet_size(p[i].caplen, p[i].flags) > FEED_BYTES)
			break;
		f->back.len += pcapng_put_packet(f->back.data + f->back.len, &p[i]);
	}
	pthread_mutex_unlock(&f->lock);
	if (was_empty && i)
		ring_bell(f);
	return i;
}

void feed_stats(struct feed *f, const struct pcapng_stats *s)
{
	cleanup_buf struct buf b = BUF_INIT(FEED_RESERVE);

	pcapng_put_stats(&b, s);
	pthread_mutex_lock(&f->lock);
	if (!f->ended)
		add(f, &b);
	pthread_mutex_unlock(&f->lock);
	ring_bell(f);
}

void feed_end(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->ended = true;
	pthread_mutex_unlock(&f->lock);
	ring_bell(f);
}

/* ---- the viewer's side ---- */

int feed_open(struct feed *f, int connection, struct err *err)
{
	int r = 0;

	pthread_mutex_lock(&f->lock);
	if (f->opened) {
		r = err_set(err, -EBUSY, "the live capture has its viewer already");
	} else {
		f->connection = fcntl(connection, F_DUPFD_CLOEXEC, 0);
		f->opened = f->connection >= 0;
		if (!f->opened)
			r = err_errno(err, "cannot watch the viewer");
	}
	pthread_mutex_unlock(&f->lock);
	return r;
}

/* The front is used up: what has come meanwhile. *ended: and nothing more will. */
static void swap(struct feed *f, bool *ended)
{
	struct part used = f->front;

	used.len = 0;
	pthread_mutex_lock(&f->lock);
	f->front = f->back;
	f->back = used;
	*ended = f->ended;
	pthread_mutex_unlock(&f->lock);
	f->at = 0;
}

/* Until the bell rings. False: the viewer hung up. */
static bool wait_for_bell(struct feed *f)
{
	struct pollfd fds[] = {
		{ .fd = f->bell, .events = POLLIN },
		{ .fd = f->connection, .events = POLLRDHUP },
	};
	uint64_t n;

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0 && errno == EINTR)
		continue;
	if (fds[0].revents && read(f->bell, &n, sizeof(n)) < 0)
		errno = 0;
	return !fds[1].revents;
}

ssize_t feed_read(struct feed *f, void *p, size_t max)
{
	bool ended = false;
	size_t n;

	while (f->at == f->front.len) {
		swap(f, &ended);
		if (f->front.len)
			break;
		if (ended)
			return 0;
		if (!wait_for_bell(f))
			return -ECONNRESET;
	}
	n = f->front.len - f->at < max ? f->front.len - f->at : max;
	memcpy(p, f->front.data + f->at, n);
	f->at += n;
	return (ssize_t)n;
}

void feed_close(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	f->connection = util_close(f->connection);
	f->ended = true;
	pthread_mutex_unlock(&f->lock);
}

void feed_cut_off(struct feed *f)
{
	pthread_mutex_lock(&f->lock);
	if (f->connection >= 0)
		shutdown(f->connection, SHUT_RDWR);
	pthread_mutex_unlock(&f->lock);
}
