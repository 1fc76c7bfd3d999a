/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_line.c - sockets and commands on the far side, asked of the pump
 */
#include "remote_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define REQUEST_MS 10000
#define PIPE_SIZE (1 << 20)

/* Hands q to the pump and waits. The local descriptors are the pump's on success, else closed here. */
static int request(struct remote *r, struct remote_request *q, struct err *err)
{
	struct remote_request **end;

	q->until_ns = clock_mono_ns() + REQUEST_MS * NS_PER_MS;
	pthread_mutex_lock(&r->lock);
	if (r->dead) {
		q->done = true;
		q->rc = err_set(&q->err, -EPIPE, "%s", r->why.text);
	} else {
		for (end = &r->queue; *end; end = &(*end)->next)
			;
		*end = q;
		remote_wake(r);
	}
	while (!q->done)
		pthread_cond_wait(&r->changed, &r->lock);
	pthread_mutex_unlock(&r->lock);
	if (q->to != q->from)
		util_close(q->to);
	util_close(q->from);
	util_close(q->errs);
	return q->rc < 0 ? err_set(err, q->rc, "%s", q->err.text) : 0;
}

static int open_socket(struct remote *r, struct remote_request *q, struct err *err)
{
	cleanup_close int ours = -1;
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, "cannot make a socket");
	ours = fds[0];
	q->from = q->to = fds[1];
	q->errs = -1;
	fcntl(fds[1], F_SETFL, O_NONBLOCK | O_RDWR);
	rc = request(r, q, err);
	return rc < 0 ? rc : take_fd(&ours);
}

int remote_dial_unix(struct remote *r, const char *path, struct err *err)
{
	struct remote_request q = { .want = REMOTE_UNIX, .text = path };

	return open_socket(r, &q, err);
}

int remote_dial_tcp(struct remote *r, const char *host, uint16_t port, struct err *err)
{
	struct remote_request q = { .want = REMOTE_TCP, .text = host, .port = port };

	return open_socket(r, &q, err);
}

int remote_start_socket(struct remote *r, const char *command, struct err *err)
{
	struct remote_request q = { .want = REMOTE_EXEC, .text = command };

	return open_socket(r, &q, err);
}

/* A pipe: *ours is the end that is read (home) or written; the pump's end does not block. */
static int make_pipe(int *ours, int *theirs, bool home, struct err *err)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	*ours = fds[home ? 0 : 1];
	*theirs = fds[home ? 1 : 0];
	fcntl(*theirs, F_SETFL, fcntl(*theirs, F_GETFL) | O_NONBLOCK);
	fcntl(*theirs, F_SETPIPE_SZ, PIPE_SIZE);	/* as large as we may */
	return 0;
}

int remote_start(struct remote *r, const char *command, struct remote_process *p, struct err *err)
{
	struct remote_request q = { .want = REMOTE_EXEC, .text = command, .from = -1, .to = -1,
				    .errs = -1 };
	int rc;

	*p = (struct remote_process)REMOTE_PROCESS_NULL;
	p->end = xcalloc(1, sizeof(*p->end));
	*p->end = (struct remote_exit){ .remote = r, .status = -1, .refs = 1 };
	q.end = p->end;
	rc = make_pipe(&p->in, &q.from, false, err);
	if (rc == 0)
		rc = make_pipe(&p->out, &q.to, true, err);
	if (rc == 0)
		rc = make_pipe(&p->err, &q.errs, true, err);
	if (rc == 0)
		rc = request(r, &q, err);
	if (rc < 0)
		remote_process_release(p);
	return rc;
}

int remote_wait(struct remote_process *p, int timeout_ms)
{
	struct remote *r = p->end->remote;
	struct timespec until;
	int rc = 0, status;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	until.tv_nsec += timeout_ms % 1000 * NS_PER_MS;
	if (until.tv_nsec >= NS_PER_S) {
		until.tv_sec++;
		until.tv_nsec -= NS_PER_S;
	}
	pthread_mutex_lock(&r->lock);
	while (p->end->status < 0 && p->end->line && rc == 0)
		rc = pthread_cond_timedwait(&r->changed, &r->lock, &until);
	status = p->end->status >= 0 ? p->end->status : p->end->line ? -ETIMEDOUT : -EPIPE;
	pthread_mutex_unlock(&r->lock);
	return status;
}

void remote_process_release(struct remote_process *p)
{
	struct remote *r = p->end ? p->end->remote : NULL;

	p->in = util_close(p->in);
	p->out = util_close(p->out);
	p->err = util_close(p->err);
	if (!r)
		return;
	pthread_mutex_lock(&r->lock);
	p->end->abandoned = true;
	if (--p->end->refs == 0)
		free(p->end);
	p->end = NULL;
	pthread_mutex_unlock(&r->lock);
	remote_wake(r);
}
