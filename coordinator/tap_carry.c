/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_carry.c - between a container attached through the Engine and three plain sockets
 */
#include "tap_carry.h"
#include "helper_raw.h"
#include "tap_attach.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 65536
#define STEP_MS 1000
#define ORDER_STEP_MS 50
#define CLOSE_STEP_MS 20

struct carry {
	int conn;
	int out, err, in;		/* the thread's ends; -1: over */
	struct carry_fds outer;		/* the caller's ends, until taken */
	void (*order)(void *arg);
	void *arg;
	int order_ms;
	int64_t order_ns;		/* when stdin's end is passed on; monotonic, 0: it has not ended */
	struct buf early;		/* what came with the answer's head */
	struct tap_frames frames;
	atomic_bool broken, over;
	pthread_t thread;
	bool threaded;
};

/* ---- the thread ---- */

static void end_stdin(struct carry *c)
{
	c->in = util_close(c->in);
	c->order_ns = clock_mono_ns() + c->order_ms * NS_PER_MS;
}

static void pass_on_end(struct carry *c)
{
	if (!c->order_ns || clock_mono_ns() < c->order_ns)
		return;
	c->order_ns = 0;
	shutdown(c->conn, SHUT_WR);
	if (c->order)
		c->order(c->arg);
}

/* Heartbeats are small, and one that finds no room is followed by another. */
static void carry_stdin(struct carry *c)
{
	char piece[4096];
	ssize_t n = recv(c->in, piece, sizeof(piece), MSG_DONTWAIT);

	if (n > 0)
		(void)!send(c->conn, piece, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		end_stdin(c);
}

/* Until fd takes bytes; stdin is carried meanwhile. */
static void wait_for_reader(struct carry *c, int fd)
{
	struct pollfd p[] = {
		{ .fd = fd, .events = POLLOUT },
		{ .fd = c->in, .events = POLLIN },
	};

	if (poll(p, ARRAY_SIZE(p), STEP_MS) > 0 && p[1].revents)
		carry_stdin(c);
}

static int sink(void *arg, enum tap_pipe pipe, const void *from, size_t n)
{
	struct carry *c = arg;
	int *fd = pipe == TAP_STDOUT ? &c->out : &c->err;
	const char *p = from;

	while (n && *fd >= 0 && !atomic_load(&c->broken)) {
		ssize_t w = send(*fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (w >= 0) {
			p += w;
			n -= (size_t)w;
		} else if (errno == EAGAIN) {
			wait_for_reader(c, *fd);
		} else if (errno != EINTR) {
			*fd = util_close(*fd);	/* nobody wants it: the rest is passed over */
		}
	}
	return 0;
}

static bool carry_output(struct carry *c, char *piece)
{
	ssize_t n = recv(c->conn, piece, PIECE, MSG_DONTWAIT);
	struct err why = ERR_INIT;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	if (n <= 0)
		return false;
	if (!tap_frames_feed(&c->frames, piece, (size_t)n, sink, c, &why))
		return true;
	sink(c, TAP_STDERR, why.text, strlen(why.text));
	return false;
}

static void *carry_main(void *arg)
{
	struct carry *c = arg;
	char *piece = xmalloc(PIECE);
	bool going = !tap_frames_feed(&c->frames, c->early.data, c->early.len, sink, c, NULL);

	while (going && !atomic_load(&c->broken)) {
		struct pollfd p[] = {
			{ .fd = c->conn, .events = POLLIN },
			{ .fd = c->in, .events = POLLIN },
		};

		int n = poll(p, ARRAY_SIZE(p), c->order_ns ? ORDER_STEP_MS : STEP_MS);

		if (n > 0 && p[1].revents)
			carry_stdin(c);
		pass_on_end(c);
		if (n > 0 && p[0].revents)
			going = carry_output(c, piece);
	}
	free(piece);
	c->out = util_close(c->out);
	c->err = util_close(c->err);
	c->in = util_close(c->in);
	atomic_store(&c->over, true);
	return NULL;
}

/* ---- attaching ---- */

static int attach(struct carry *c, const struct carry_plan *p, struct err *err)
{
	const struct raw x = { .fd = c->conn, .cancel = p->cancel,
			       .until_ns = clock_mono_ns() + CARRY_ATTACH_MS * NS_PER_MS };
	cleanup_free char *request =
		xasprintf("POST /v%s/containers/%s/attach?stream=1&stdin=1&stdout=1&stderr=1 "
			  "HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n"
			  "Content-Length: 0\r\n\r\n", p->version, p->container);
	cleanup_buf struct buf b = BUF_INIT(2 * TAP_HEAD_MAX);
	struct tap_head h;
	int r = raw_put(&x, request, strlen(request), err);

	if (!r)
		r = raw_get_head(&x, &b, &h, err);
	if (r)
		return r;
	if (h.status != 101 && h.status != 200)
		return err_set(err, -EIO, "Docker does not attach us to the helper: status %d",
			       h.status);
	buf_add(&c->early, b.data + h.size, b.len - h.size);
	return 0;
}

static int make_pair(int *mine, int *theirs, struct err *err)
{
	const int size = 1 << 20;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
		return err_errno(err, "cannot make a socket");
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	*mine = fds[0];
	*theirs = fds[1];
	return 0;
}

static int begin(struct carry *c, const struct carry_plan *p, struct err *err)
{
	int r = attach(c, p, err);

	if (!r)
		r = make_pair(&c->out, &c->outer.out, err);
	if (!r)
		r = make_pair(&c->err, &c->outer.err, err);
	if (!r)
		r = make_pair(&c->in, &c->outer.in, err);
	if (!r && pthread_create(&c->thread, NULL, carry_main, c))
		r = err_set(err, -EAGAIN, "cannot start a thread");
	c->threaded = !r;
	return r;
}

int carry_open(struct carry **out, const struct carry_plan *p, struct err *err)
{
	int conn = p->dialer->dial(p->dialer->arg, err), r;
	struct carry *c;

	if (conn < 0)
		return conn;
	c = xcalloc(1, sizeof(*c));
	*c = (struct carry){ .conn = conn, .out = -1, .err = -1, .in = -1, .order = p->order,
			     .arg = p->arg, .order_ms = p->order_ms, .outer = { -1, -1, -1 },
			     .early = BUF_INIT(2 * TAP_HEAD_MAX) };
	r = begin(c, p, err);
	if (r)
		carry_close(c, 0);
	else
		*out = c;
	return r;
}

void carry_take(struct carry *c, struct carry_fds *out)
{
	*out = c->outer;
	c->outer = (struct carry_fds){ -1, -1, -1 };
}

void carry_close(struct carry *c, int timeout_ms)
{
	int64_t until = clock_mono_ns() + timeout_ms * NS_PER_MS;

	if (!c)
		return;
	while (c->threaded && !atomic_load(&c->over) && clock_mono_ns() < until)
		clock_sleep_ms(CLOSE_STEP_MS);
	atomic_store(&c->broken, true);
	shutdown(c->conn, SHUT_RDWR);
	if (c->threaded) {
		pthread_join(c->thread, NULL);
	} else {
		util_close(c->out);
		util_close(c->err);
		util_close(c->in);
	}
	util_close(c->outer.out);
	util_close(c->outer.err);
	util_close(c->outer.in);
	util_close(c->conn);
	buf_release(&c->early);
	free(c);
}
