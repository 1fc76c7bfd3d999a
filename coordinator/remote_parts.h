/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_parts.h - what the ssh layer's own files share; of no use to others
 */
#ifndef REMOTE_PARTS_H
#define REMOTE_PARTS_H

#include <libssh/libssh.h>
#include <pthread.h>

#include "remote.h"
#include "remote_config.h"

#define REMOTE_HOPS_MAX 8

/* What another thread wants of the pump: a channel of one of these kinds. */
enum remote_want { REMOTE_EXEC, REMOTE_UNIX, REMOTE_TCP };

/* How a command ended; shared by the pump and who waits. Guarded by the remote's lock. */
struct remote_exit {
	struct remote *remote;
	struct remote_line *line;	/* NULL: over */
	int status;			/* -1: not known yet */
	bool abandoned;			/* nobody waits for it any more: the channel may go */
	int refs;
};

struct remote_request {
	struct remote_request *next;
	enum remote_want want;
	const char *text;		/* command, path, host; borrowed while the caller waits */
	uint16_t port;
	struct remote_line *line;	/* made by the pump */
	struct remote_exit *end;	/* of a command, or NULL */
	int from, to, errs;		/* the pump's ends of the local descriptors; to may be from */
	int64_t until_ns;		/* monotonic */
	bool done;
	int rc;
	struct err err;
};

struct remote {
	ssh_session session;		/* the pump's own, once it runs */
	char *name, *user;
	struct remote *jump;		/* opened for this one, and closed with it; or NULL */
	pid_t proxy;			/* of a ProxyCommand; 0: none */
	pthread_t thread;
	bool running;
	int wake_fd;			/* eventfd */

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct remote_request *queue;
	bool ending, dead;
	struct err why;			/* of the death */

	struct remote_line *lines;	/* the pump's own */
	int64_t heard_ns, asked_ns;	/* the pump's own: last byte, last keepalive */
};

/* remote_pump.c: the thread; arg is its struct remote. */
void *remote_pump_main(void *arg);
void remote_wake(struct remote *r);

/* remote_login.c: on a session that nobody else uses yet; patience and cancel as remote.h says. */
struct remote_login {
	ssh_session session;
	const struct remote_config *config;
	const struct remote_place *place;
	const char *name;
	int64_t until_ns;
};
/* REMOTE_E_AGAIN: the host hung up before it said who it is: too many at once, perhaps. */
#define REMOTE_E_AGAIN 1
int remote_handshake(const struct remote_login *l, struct err *err);
int remote_check_key(const struct remote_login *l, struct err *err);
int remote_authenticate(const struct remote_login *l, struct err *err);
/* Waits for the session's socket; 0, -ETIMEDOUT past until_ns, -ECANCELED. */
int remote_patience(const struct remote_login *l);

/* remote_connect.c: a connected socket to host:port. */
int remote_connect_tcp(const char *host, uint16_t port, volatile bool *cancel, struct err *err);
/* A shell's command with a socket as stdin and stdout. */
int remote_connect_proxy(const char *command, pid_t *pid, struct err *err);
/* At most REMOTE_HANDSHAKES_MAX at once of one host and port. -ECANCELED. */
int remote_gate_enter(const char *host, uint16_t port, volatile bool *cancel);
void remote_gate_leave(const char *host, uint16_t port);

#endif
