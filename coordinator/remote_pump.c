/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_pump.c - the one thread that uses an ssh session
 *
 * A line is a channel and the local descriptors that it feeds. The pump polls the session's socket, a
 * wake-up descriptor and the lines' local ends, and never blocks anywhere else. Back-pressure goes
 * both ways: what the local end does not take stays in the channel, whose window then closes; and
 * nothing is read from the local end while the far window is shut.
 *
 * libssh buffers: data of one channel may come while another is read. So every round goes over all
 * lines until none moves, and only then waits.
 */
#include "remote_channel.h"

#include <errno.h>
#include <libssh/server.h>	/* ssh_send_keepalive */
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINES_MAX 256
#define KEEPALIVE_NS (REMOTE_KEEPALIVE_S * NS_PER_S)
#define DEAD_NS (3 * KEEPALIVE_NS)
#define TICK_MS 500

void remote_wake(struct remote *r)
{
	const uint64_t one = 1;

	if (write(r->wake_fd, &one, sizeof(one)) < 0)
		return;		/* it is full: awake already */
}

/* ---- opening ---- */

static void take_requests(struct remote *r)
{
	struct remote_request *q;

	for (;;) {
		pthread_mutex_lock(&r->lock);
		q = r->queue;
		if (q)
			r->queue = q->next;
		pthread_mutex_unlock(&r->lock);
		if (!q)
			return;
		remote_channel_begin(r, q);
	}
}

/* ---- moving bytes ---- */

static void close_flow(struct remote_flow *f)
{
	if (f->is_socket)
		shutdown(f->fd, SHUT_WR);
	else
		util_close(f->fd);
	f->fd = -1;
}

/* 1: moved something; 0; -1: nobody reads any more */
static int flush_flow(struct remote_flow *f)
{
	ssize_t n;

	if (f->at == f->len)
		return 0;
	n = f->is_socket ? send(f->fd, f->data + f->at, f->len - f->at, MSG_NOSIGNAL)
			 : write(f->fd, f->data + f->at, f->len - f->at);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	f->at += (size_t)n;
	return 1;
}

static int read_flow(struct remote_line *l, struct remote_flow *f, int is_stderr)
{
	int n;

	if (f->fd < 0)
		return 0;
	if (f->at < f->len)
		return flush_flow(f);
	n = ssh_channel_read_nonblocking(l->channel, f->data, sizeof(f->data), is_stderr);
	if (n > 0) {
		f->at = 0;
		f->len = (size_t)n;
		return flush_flow(f) < 0 ? -1 : 1;
	}
	if ((n == 0 && !ssh_channel_is_eof(l->channel)) || n == SSH_AGAIN)
		return 0;
	close_flow(f);
	return 1;
}

static int send_local(struct remote_line *l)
{
	static _Thread_local char data[REMOTE_CHUNK / 2];
	uint32_t window = ssh_channel_window_size(l->channel);
	size_t room = window < sizeof(data) ? window : sizeof(data);
	ssize_t n;

	if (l->from < 0 || room == 0)
		return 0;
	n = read(l->from, data, room);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -1;
	if (n == 0) {
		ssh_channel_send_eof(l->channel);
		if (l->sock < 0)
			util_close(l->from);
		l->from = -1;
		return 1;
	}
	return ssh_channel_write(l->channel, data, (uint32_t)n) == n ? 1 : -1;
}

/* Both directions of a socket are shut: nobody is left at its other end. */
static bool hung_up(int sock)
{
	struct pollfd p = { .fd = sock };

	return sock >= 0 && poll(&p, 1, 0) > 0 && p.revents & POLLHUP;
}

/* Stderr that nobody wants fills the window all the same: it is read and thrown away. */
static int read_errors(struct remote_line *l)
{
	int rc = l->errs.fd >= 0 ? read_flow(l, &l->errs, 1) : 0;

	if (rc < 0)
		close_flow(&l->errs);
	if (l->errs.fd < 0)
		ssh_channel_read_nonblocking(l->channel, l->errs.data, sizeof(l->errs.data), 1);
	return rc != 0;
}

/* A command is over when its channel is closed: its exit status comes after its last output. */
static bool is_over(const struct remote_line *l)
{
	bool abandoned = false;

	if (l->end) {
		pthread_mutex_lock(&l->end->remote->lock);
		abandoned = l->end->abandoned;
		pthread_mutex_unlock(&l->end->remote->lock);
	}
	return abandoned || hung_up(l->sock) || (l->out.fd < 0 && l->errs.fd < 0 &&
			     (ssh_channel_is_closed(l->channel) || (!l->end && l->from < 0)));
}

/* True: something moved. *gone: the line is no more. */
static bool serve_line(struct remote *r, struct remote_line *l, bool *gone)
{
	int sent, out, errs;

	*gone = false;
	if (l->request) {
		*gone = remote_channel_go_on(r, l);
		return *gone || !l->request;
	}
	sent = send_local(l);
	out = read_flow(l, &l->out, 0);
	errs = read_errors(l);
	if (sent < 0 || out < 0 || is_over(l)) {
		*gone = true;
		remote_channel_drop(r, l);
		return true;
	}
	return sent || out || errs;
}

static void serve(struct remote *r)
{
	bool moved;

	do {
		moved = false;
		for (struct remote_line *l = r->lines, *next; l; l = next) {
			bool gone;

			next = l->next;
			moved |= serve_line(r, l, &gone);
		}
	} while (moved && ssh_is_connected(r->session));
}

/* ---- waiting ---- */

static void add_poll(struct pollfd *list, size_t *n, int fd, short events)
{
	if (fd >= 0)
		list[(*n)++] = (struct pollfd){ .fd = fd, .events = events };
}

static void wait(struct remote *r)
{
	struct pollfd list[3 * LINES_MAX + 2];
	int flags = ssh_get_poll_flags(r->session);
	uint64_t count;
	size_t n = 0;

	add_poll(list, &n, r->wake_fd, POLLIN);
	add_poll(list, &n, ssh_get_fd(r->session),
		 (short)(POLLIN | (flags & SSH_WRITE_PENDING ? POLLOUT : 0)));
	for (struct remote_line *l = r->lines; l && n + 3 < ARRAY_SIZE(list); l = l->next) {
		if (l->request)
			continue;
		if (ssh_channel_window_size(l->channel) > 0)
			add_poll(list, &n, l->from, POLLIN);
		/* one that is only closed would wake us for ever: writing to it tells */
		if (l->out.at < l->out.len)
			add_poll(list, &n, l->out.fd, POLLOUT);
		if (l->errs.at < l->errs.len)
			add_poll(list, &n, l->errs.fd, POLLOUT);
	}
	poll(list, n, TICK_MS);
	if (list[0].revents && read(r->wake_fd, &count, sizeof(count)) < 0)
		return;
	if (list[1].revents & (POLLIN | POLLHUP | POLLERR))
		r->heard_ns = clock_mono_ns();
}

/* False: three keepalives went unanswered. */
static bool keep_alive(struct remote *r)
{
	int64_t now = clock_mono_ns();

	if (now - r->heard_ns > DEAD_NS)
		return false;
	if (now - r->heard_ns < KEEPALIVE_NS || now - r->asked_ns < KEEPALIVE_NS)
		return true;
	r->asked_ns = now;
	/* the first call sends, one that finds an old answer still out does not */
	ssh_send_keepalive(r->session);
	return true;
}

/* Before any line ends by it: who sees the end may ask. */
static void mark_dead(struct remote *r, const char *why)
{
	pthread_mutex_lock(&r->lock);
	r->dead = true;
	err_set(&r->why, -EPIPE, "the ssh session to %s is dead: %s", r->name, why);
	pthread_mutex_unlock(&r->lock);
}

static void die(struct remote *r, const char *why)
{
	mark_dead(r, why);
	while (r->lines) {
		if (r->lines->request)
			err_set(&r->lines->request->err, -EPIPE, "%s", r->why.text);
		remote_channel_answer(r, r->lines, -EPIPE);
		remote_channel_drop(r, r->lines);
	}
	pthread_mutex_lock(&r->lock);
	for (; r->queue; r->queue = r->queue->next) {
		err_set(&r->queue->err, -EPIPE, "%s", r->why.text);
		r->queue->rc = -EPIPE;
		r->queue->done = true;
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

void *remote_pump_main(void *arg)
{
	struct remote *r = arg;
	ssh_event event = ssh_event_new();
	bool ending = false, silent = false, alive = true;

	r->heard_ns = clock_mono_ns();
	ssh_set_blocking(r->session, 0);
	ssh_event_add_session(event, r->session);
	while (alive && !silent && !ending) {
		take_requests(r);
		serve(r);
		wait(r);
		alive = ssh_event_dopoll(event, 0) != SSH_ERROR && ssh_is_connected(r->session);
		silent = !keep_alive(r);
		pthread_mutex_lock(&r->lock);
		ending = r->ending;
		pthread_mutex_unlock(&r->lock);
	}
	if (!alive) {
		mark_dead(r, "the connection was lost");
		serve(r);	/* what came before the end */
	}
	die(r, ending ? "it was closed" : silent ? "no answer" : "the connection was lost");
	ssh_event_remove_session(event, r->session);
	ssh_event_free(event);
	return NULL;
}
