/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_channel.h - one channel of an ssh session, from its opening to its end; the pump's own
 *
 * All of it is called by the pump's thread. What the waiting thread sees (a request's answer, a
 * command's exit) is written under the remote's lock.
 */
#ifndef REMOTE_CHANNEL_H
#define REMOTE_CHANNEL_H

#include <libssh/callbacks.h>

#include "remote_parts.h"

#define REMOTE_CHUNK (64u << 10)

/* One direction home: what was read and not taken yet. */
struct remote_flow {
	char data[REMOTE_CHUNK];
	size_t at, len;
	int fd;			/* -1: closed */
	bool is_socket;		/* shut down, not closed, at the end */
};

struct remote_line {
	struct remote_line *next;
	ssh_channel channel;
	struct ssh_channel_callbacks_struct callbacks;
	struct remote_request *request;	/* while it opens */
	struct remote_exit *end;
	bool opened, asked;	/* asked: the command was sent */
	int sock;		/* both directions in one: closed with the line; else -1 */
	int from;		/* -1: its end was passed on */
	struct remote_flow out, errs;
};

/* A channel for q begins to open. It is in r->lines, unless q is answered already: it can't be made. */
void remote_channel_begin(struct remote *r, struct remote_request *q);
/* One step of the opening; q is answered when it ends. True: it failed, and the line is gone. */
bool remote_channel_go_on(struct remote *r, struct remote_line *l);
/* Answers the request that l opens for, if there is one. */
void remote_channel_answer(struct remote *r, struct remote_line *l, int rc);
/* The channel and its local ends are closed, l is freed; who waits for its command is told. */
void remote_channel_drop(struct remote *r, struct remote_line *l);

#endif
