/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - an HTTP server that is steady enough to measure by: one thread, connections stay open
 *
 *	http PORT BYTES
 *
 * Each request, whatever it asks for, is answered by a body of BYTES. A request is taken to come in one
 * piece, as wrk's do.
 */
#include <arpa/inet.h>
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define BODY_MAX 60000
#define EVENTS 64

static char reply[BODY_MAX + 256];
static size_t reply_len;

static void make_reply(long bytes)
{
	if (bytes < 0 || bytes > BODY_MAX)
		errx(2, "not from 0 to %d bytes", BODY_MAX);
	reply_len = (size_t)snprintf(reply, 256, "HTTP/1.1 200 OK\r\nContent-Length: %ld\r\n\r\n", bytes);
	memset(reply + reply_len, 'x', (size_t)bytes);
	reply_len += (size_t)bytes;
}

static int listen_on(int port)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 1024))
		err(1, "port %d", port);
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e))
		err(1, "epoll");
}

static void answer(int fd)
{
	char request[8192];

	if (read(fd, request, sizeof(request)) <= 0 ||
	    send(fd, reply, reply_len, MSG_NOSIGNAL) != (ssize_t)reply_len)
		close(fd);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];
	int listener, epoll, n;

	if (argc != 3)
		errx(2, "usage: http PORT BYTES");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	make_reply(atol(argv[2]));
	listener = listen_on(atoi(argv[1]));
	epoll = epoll_create1(EPOLL_CLOEXEC);
	watch(epoll, listener);
	for (;;) {
		n = epoll_wait(epoll, events, EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;

			if (fd != listener)
				answer(fd);
			else if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
				watch(epoll, fd);
		}
	}
}
