/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_do.c - a whole command over ssh: input in, output out, its status
 */
#include "remote.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define CHUNK (64 << 10)

static void feed(struct remote_process *p, const struct remote_job *job, size_t *sent)
{
	ssize_t n = 0;

	if (*sent < job->input_len) {
		n = write(p->in, (const char *)job->input + *sent, job->input_len - *sent);
		if (n > 0)
			*sent += (size_t)n;
	}
	/* who does not read all of it may have its reasons: its status tells */
	if (*sent == job->input_len || (n < 0 && errno != EAGAIN && errno != EINTR))
		p->in = util_close(p->in);
}

/* 0, or -EFBIG */
static int drain(int *fd, struct buf *out)
{
	char data[CHUNK];
	ssize_t n = read(*fd, data, sizeof(data));

	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		*fd = util_close(*fd);
	return n > 0 && out ? buf_add(out, data, (size_t)n) : 0;
}

static int carry(struct remote_process *p, const struct remote_job *job, int64_t until_ns)
{
	size_t sent = 0;
	int rc = 0;

	if (p->in >= 0)
		fcntl(p->in, F_SETFL, fcntl(p->in, F_GETFL) | O_NONBLOCK);
	while (rc == 0 && (p->in >= 0 || p->out >= 0 || p->err >= 0)) {
		struct pollfd list[] = { { .fd = p->in, .events = POLLOUT },
					 { .fd = p->out, .events = POLLIN },
					 { .fd = p->err, .events = POLLIN } };
		int64_t left_ms = (until_ns - clock_mono_ns()) / NS_PER_MS;

		if (left_ms <= 0 || poll(list, ARRAY_SIZE(list), (int)left_ms) == 0)
			return -ETIMEDOUT;
		if (list[0].revents)
			feed(p, job, &sent);
		if (list[1].revents)
			rc = drain(&p->out, job->out);
		if (list[2].revents && rc == 0)
			rc = drain(&p->err, job->errs);
		if (p->out < 0 && p->err < 0)
			p->in = util_close(p->in);
	}
	return rc;
}

int remote_do(struct remote *r, struct remote_job *job, struct err *err)
{
	int64_t until = clock_mono_ns() + job->timeout_ms * NS_PER_MS;
	struct remote_process p;
	int rc = remote_start(r, job->command, &p, err);

	if (rc < 0)
		return rc;
	rc = carry(&p, job, until);
	if (rc == 0) {
		int64_t left_ms = (until - clock_mono_ns()) / NS_PER_MS;

		job->status = remote_wait(&p, left_ms > 0 ? (int)left_ms : 0);
		rc = job->status < 0 ? job->status : 0;
	}
	remote_process_release(&p);
	if (rc == -ETIMEDOUT)
		return err_set(err, rc, "%s does not end a command within %d s", remote_name(r),
			       job->timeout_ms / 1000);
	if (rc == -EFBIG)
		return err_set(err, rc, "%s says too much", remote_name(r));
	return rc < 0 ? err_set(err, rc, "lost %s while a command ran", remote_name(r)) : 0;
}

char *remote_quote(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789_./:=@,+-";
	size_t n = strlen(word), quotes = 0;
	char *out, *at;

	if (n && strspn(word, plain) == n)
		return xstrdup(word);
	for (size_t i = 0; i < n; i++)
		quotes += word[i] == '\'';
	out = at = xmalloc(n + 3 * quotes + 3);
	*at++ = '\'';
	for (size_t i = 0; i < n; i++) {
		if (word[i] == '\'')
			at = stpcpy(at, "'\\''");
		else
			*at++ = word[i];
	}
	*at++ = '\'';
	*at = '\0';
	return out;
}
