/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_channel.c - one channel of an ssh session: how it opens, how its command ends
 *
 * Opening goes in steps, since the session does not block; the request that wanted it waits in another
 * thread and lends its descriptors, which are the channel's from success on.
 */
#include "remote_channel.h"

#include <errno.h>
#include <string.h>

/* ---- the end of things ---- */

static void end_unref(struct remote_exit *end)
{
	if (end && --end->refs == 0)
		free(end);
}

void remote_channel_answer(struct remote *r, struct remote_line *l, int rc)
{
	struct remote_request *q = l->request;

	if (!q)
		return;
	l->request = NULL;
	pthread_mutex_lock(&r->lock);
	q->rc = rc;
	q->done = true;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void close_local(struct remote_line *l)
{
	if (l->sock >= 0) {
		util_close(l->sock);
	} else {
		util_close(l->from);
		util_close(l->out.fd);
	}
	util_close(l->errs.fd);
	l->sock = l->from = l->out.fd = l->errs.fd = -1;
}

void remote_channel_drop(struct remote *r, struct remote_line *l)
{
	struct remote_line **at;

	for (at = &r->lines; *at != l; at = &(*at)->next)
		;
	*at = l->next;
	close_local(l);
	pthread_mutex_lock(&r->lock);
	if (l->end) {
		l->end->line = NULL;
		end_unref(l->end);
	}
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
	if (l->channel) {
		ssh_remove_channel_callbacks(l->channel, &l->callbacks);
		ssh_channel_free(l->channel);
	}
	free(l);
}

static void set_status(struct remote_line *l, int status)
{
	struct remote *r;

	if (!l->end)
		return;
	r = l->end->remote;
	pthread_mutex_lock(&r->lock);
	l->end->status = status;
	pthread_cond_broadcast(&r->changed);
	pthread_mutex_unlock(&r->lock);
}

static void on_exit_status(ssh_session s, ssh_channel c, int status, void *arg)
{
	set_status(arg, status & 0xff);
}

static void on_exit_signal(ssh_session s, ssh_channel c, const char *name, int core,
			   const char *message, const char *lang, void *arg)
{
	static const struct {
		const char *name;
		int number;
	} known[] = { { "HUP", 1 }, { "INT", 2 }, { "QUIT", 3 }, { "ABRT", 6 }, { "KILL", 9 },
		      { "SEGV", 11 }, { "PIPE", 13 }, { "ALRM", 14 }, { "TERM", 15 } };
	int number = 0;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++)
		if (!strcmp(known[i].name, name))
			number = known[i].number;
	set_status(arg, 128 + number);
}

/* ---- opening ---- */

static int try_open(struct remote_line *l, const struct remote_request *q)
{
	int rc;

	if (!l->opened) {
		if (q->want == REMOTE_EXEC)
			rc = ssh_channel_open_session(l->channel);
		else if (q->want == REMOTE_UNIX)
			rc = ssh_channel_open_forward_unix(l->channel, q->text, "localhost", 0);
		else
			rc = ssh_channel_open_forward(l->channel, q->text, q->port, "localhost", 0);
		if (rc != SSH_OK)
			return rc;
		l->opened = true;
	}
	return q->want == REMOTE_EXEC ? ssh_channel_request_exec(l->channel, q->text) : SSH_OK;
}

/* "Channel opening failure: channel 43 error (2) Connection refused": RFC 4254, 5.1 */
static int open_failure(struct remote *r, struct remote_line *l)
{
	struct remote_request *q = l->request;
	const char *text = ssh_get_error(r->session), *number = strstr(text, "error (");
	unsigned long reason = number ? strtoul(number + strlen("error ("), NULL, 10) : 0;

	if (reason == 1)
		return err_set(&q->err, -EACCES, "%s forbids it", r->name);
	if (reason == 2)
		return err_set(&q->err, -ECONNREFUSED, "%s cannot connect to %s", r->name, q->text);
	if (l->opened)
		return err_set(&q->err, -EACCES, "%s runs no commands for us", r->name);
	return err_set(&q->err, -EAGAIN, "%s opens no more channels", r->name);
}

/* True: the line is gone. */
bool remote_channel_go_on(struct remote *r, struct remote_line *l)
{
	struct remote_request *q = l->request;
	int rc = try_open(l, q);

	if (rc == SSH_OK) {
		l->from = q->from;
		l->out.fd = q->to;
		l->out.is_socket = q->to == q->from;
		l->sock = l->out.is_socket ? q->from : -1;
		l->errs.fd = q->errs;
		q->from = q->to = q->errs = -1;
		remote_channel_answer(r, l, 0);
		return false;
	}
	if (rc == SSH_AGAIN && clock_mono_ns() < q->until_ns)
		return false;
	rc = rc == SSH_AGAIN ? err_set(&q->err, -ETIMEDOUT, "%s does not answer", r->name)
			     : open_failure(r, l);
	remote_channel_answer(r, l, rc);
	remote_channel_drop(r, l);
	return true;
}

void remote_channel_begin(struct remote *r, struct remote_request *q)
{
	struct remote_line *l = xcalloc(1, sizeof(*l));

	l->request = q;
	l->sock = l->from = l->out.fd = l->errs.fd = -1;
	l->channel = ssh_channel_new(r->session);
	l->next = r->lines;
	r->lines = l;
	if (!l->channel) {
		remote_channel_answer(r, l, err_set(&q->err, -ENOMEM, "no channel for %s", r->name));
		remote_channel_drop(r, l);
		return;
	}
	l->callbacks = (struct ssh_channel_callbacks_struct){
		.userdata = l, .channel_exit_status_function = on_exit_status,
		.channel_exit_signal_function = on_exit_signal,
	};
	ssh_callbacks_init(&l->callbacks);
	ssh_set_channel_callbacks(l->channel, &l->callbacks);
	if (q->end) {
		pthread_mutex_lock(&r->lock);
		l->end = q->end;
		l->end->refs++;
		l->end->line = l;
		pthread_mutex_unlock(&r->lock);
	}
}
