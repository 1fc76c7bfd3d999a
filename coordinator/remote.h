/* SPDX-License-Identifier: Apache-2.0
 *
 * remote.h - one machine over ssh: commands, and sockets on its far side (libssh)
 *
 * A libssh session may be used by one thread only. So each remote has a thread of its own, the
 * pump, that owns the session and moves bytes between its channels and socket pairs; everyone else
 * has plain descriptors, and any thread may ask for more of them. When the session dies, all of its
 * descriptors come to their end.
 *
 *	remote_open(&r, &place, err)		connected, host key checked, logged in
 *	fd = remote_dial_unix(r, path, err)	a socket there (direct-streamlocal)
 *	fd = remote_dial_tcp(r, host, port, err)	direct-tcpip
 *	remote_start(r, command, &p, err)	a command, its stdin, stdout and stderr
 *	remote_close(r)
 *
 * The host's key is checked against ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts (or the files
 * that ssh's configuration names) before anything secret is said: unknown or changed is refused,
 * with what to do. accept_new writes down an unknown one, never a changed one. ssh's
 * configuration is read by `ssh -G` where OpenSSH's client is installed, else by libssh:
 * HostName, User, Port, IdentityFile, CertificateFile, IdentitiesOnly, IdentityAgent, ProxyJump (each
 * hop a session of ours, checked as strictly), ProxyCommand. No question is asked unless stdin
 * and stderr are a terminal.
 */
#ifndef REMOTE_H
#define REMOTE_H

#include "buf.h"
#include "err.h"

#define REMOTE_CONNECT_MS 5000		/* TCP */
#define REMOTE_LOGIN_MS 10000		/* from connected to logged in, without questions */
#define REMOTE_KEEPALIVE_S 5		/* three unanswered: the session is dead */
#define REMOTE_HANDSHAKES_MAX 8		/* at once to one host and port: sshd's MaxStartups is 10 */
#define REMOTE_TRIES 4			/* of a handshake that the host drops before its banner */

struct remote;

struct remote_place {
	const char *host;		/* a name of ssh's configuration, or an address */
	const char *user;		/* NULL: the configuration's, else default_user, else ours */
	const char *default_user;	/* may be NULL */
	uint16_t port;			/* 0: the configuration's, else 22 */
	struct remote *via;		/* through this one instead of by ourselves; it must outlive */
	bool accept_new;		/* --ssh-accept-new */
	volatile bool *cancel;		/* or NULL; true: the opening ends with -ECANCELED in a second */
};

/*
 * -ECONNREFUSED, -ETIMEDOUT, -EHOSTUNREACH, -ENETUNREACH; -EKEYREJECTED: the host's key; -EACCES: it does
 * not let us in; -ECONNRESET: it hung up; -EPROTO: anything else that ssh says. Strings are copied.
 */
int remote_open(struct remote **out, const struct remote_place *at, struct err *err);
void remote_close(struct remote *r);		/* NULL is fine */
const char *remote_name(const struct remote *r);	/* "admin@10.0.0.1", "admin@10.0.0.1:2222" */
const char *remote_user(const struct remote *r);
bool remote_alive(struct remote *r);

/*
 * A connected stream socket, or -errno: -ECONNREFUSED nobody listens, -EACCES the server forbids
 * forwarding or the socket is not ours, -ENOENT no such socket (as far as the server tells), -EPIPE
 * the session is dead. Within 10 s.
 */
int remote_dial_unix(struct remote *r, const char *path, struct err *err);
int remote_dial_tcp(struct remote *r, const char *host, uint16_t port, struct err *err);

/* A command by the far login shell. The three are stream sockets or pipes, closed by the caller. */
struct remote_process {
	int in, out, err;		/* -1: closed */
	struct remote_exit *end;	/* private */
};
#define REMOTE_PROCESS_NULL { -1, -1, -1, NULL }

int remote_start(struct remote *r, const char *command, struct remote_process *p, struct err *err);
/* stdin and stdout as one stream socket, stderr dropped: for HTTP over `docker system dial-stdio`. */
int remote_start_socket(struct remote *r, const char *command, struct err *err);
/*
 * Its exit status, 128 + n when a signal ended it; -ETIMEDOUT when it runs on; -EPIPE when the session
 * died first. To be called before the release, if at all.
 */
int remote_wait(struct remote_process *p, int timeout_ms);
/* Closes what is open of it; the far side sees the end of its stdin, and sshd hangs up. */
void remote_process_release(struct remote_process *p);

/*
 * A whole command: input (may be NULL, 0) to its stdin, its output up to the ceilings of out and errs
 * (either may be NULL). *status as of remote_wait. 0, -ETIMEDOUT, -EPIPE, -EFBIG.
 */
struct remote_job {
	const char *command;
	const void *input;
	size_t input_len;
	struct buf *out, *errs;
	int timeout_ms;
	int status;
};
int remote_do(struct remote *r, struct remote_job *job, struct err *err);
/* One word for a POSIX shell, in single quotes where needed. Free it. */
char *remote_quote(const char *word);

/* For the known_hosts and ssh's configuration: parsing `ssh -G`; pure, fuzzed. */

#endif
