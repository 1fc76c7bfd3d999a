/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_connect.c - the socket that an ssh session stands on, and how many may be begun at once
 */
#include "remote_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS 200		/* between looks at cancel */
#define KEEPALIVES 3

static void keep_alive(int fd)
{
	const int on = 1, idle = REMOTE_KEEPALIVE_S, count = KEEPALIVES;
	const unsigned int silent_ms = REMOTE_KEEPALIVE_S * KEEPALIVES * 1000;

	/* what the kernel does not know it goes without */
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
	setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &silent_ms, sizeof(silent_ms));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

static int wait_connected(int fd, int64_t until_ns, volatile bool *cancel)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int error = 0;
	socklen_t len = sizeof(error);

	while (poll(&p, 1, STEP_MS) <= 0) {
		if (cancel && *cancel)
			return -ECANCELED;
		if (clock_mono_ns() > until_ns)
			return -ETIMEDOUT;
	}
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

/* The descriptor, or -errno. */
static int connect_one(const struct addrinfo *a, int64_t until_ns, volatile bool *cancel)
{
	cleanup_close int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return -errno;
	rc = connect(fd, a->ai_addr, a->ai_addrlen) < 0 ? -errno : 0;
	if (rc == -EINPROGRESS)
		rc = wait_connected(fd, until_ns, cancel);
	if (rc < 0)
		return rc;
	keep_alive(fd);
	return take_fd(&fd);
}

int remote_connect_tcp(const char *host, uint16_t port, volatile bool *cancel, struct err *err)
{
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	int64_t until = clock_mono_ns() + REMOTE_CONNECT_MS * NS_PER_MS;
	struct addrinfo *list = NULL;
	int rc = -EHOSTUNREACH, found;
	char service[8];

	snprintf(service, sizeof(service), "%u", port);
	found = getaddrinfo(host, service, &hints, &list);
	if (found != 0)
		return err_set(err, -EHOSTUNREACH, "cannot find '%s': %s", host,
			       gai_strerror(found));
	for (struct addrinfo *a = list; a && rc < 0 && rc != -ECANCELED; a = a->ai_next)
		rc = connect_one(a, until, cancel);
	freeaddrinfo(list);
	if (rc == -ETIMEDOUT)
		return err_set(err, rc, "no answer from %s port %u within %d s", host, port,
			       REMOTE_CONNECT_MS / 1000);
	if (rc < 0)
		return err_set(err, rc, "cannot connect to %s port %u: %s", host, port,
			       strerror(-rc));
	return rc;
}

int remote_connect_proxy(const char *command, pid_t *pid, struct err *err)
{
	char *argv[] = { (char *)"sh", (char *)"-c", NULL, NULL };
	cleanup_free char *line = xasprintf("exec %s", command);
	cleanup_close int ours = -1, theirs = -1;
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	sigset_t none;
	int fds[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
		return err_errno(err, "cannot make a socket for ProxyCommand");
	ours = fds[0];
	theirs = fds[1];
	argv[2] = line;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	/* a group of its own: ^C on the terminal is ours to act upon */
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, theirs, 0);
	posix_spawn_file_actions_adddup2(&actions, theirs, 1);
	rc = posix_spawn(pid, "/bin/sh", &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	if (rc != 0)
		return err_set(err, -rc, "cannot run ProxyCommand: %s", strerror(rc));
	return take_fd(&ours);
}

/* ---- the gate: sshd drops who comes while too many are not logged in yet (MaxStartups 10:30:100) ---- */

struct gate {
	struct gate *next;
	char *host;
	uint16_t port;
	int inside;
};

static pthread_mutex_t gates_lock = PTHREAD_MUTEX_INITIALIZER;
static struct gate *gates;

static struct gate *find_gate(const char *host, uint16_t port)
{
	struct gate *g = gates;

	while (g && (g->port != port || strcmp(g->host, host)))
		g = g->next;
	if (!g) {
		g = xcalloc(1, sizeof(*g));
		g->host = xstrdup(host);
		g->port = port;
		g->next = gates;
		gates = g;
	}
	return g;
}

int remote_gate_enter(const char *host, uint16_t port, volatile bool *cancel)
{
	bool in = false;

	while (!in) {
		struct gate *g;

		if (cancel && *cancel)
			return -ECANCELED;
		pthread_mutex_lock(&gates_lock);
		g = find_gate(host, port);
		in = g->inside < REMOTE_HANDSHAKES_MAX;
		g->inside += in;
		pthread_mutex_unlock(&gates_lock);
		if (!in)
			clock_sleep_ms(20);
	}
	return 0;
}

/* The last one out takes the gate along: nothing is kept of hosts that nobody talks to. */
void remote_gate_leave(const char *host, uint16_t port)
{
	struct gate **at = &gates, *g;

	pthread_mutex_lock(&gates_lock);
	g = find_gate(host, port);
	if (--g->inside == 0) {
		while (*at != g)
			at = &(*at)->next;
		*at = g->next;
		free(g->host);
		free(g);
	}
	pthread_mutex_unlock(&gates_lock);
}
