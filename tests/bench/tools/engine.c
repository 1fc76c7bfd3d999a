/* SPDX-License-Identifier: Apache-2.0
 *
 * engine.c - as much of Docker's API as an agent asks for before it captures in bare namespaces
 *
 *	engine SOCKET
 *
 * A node without a Swarm and without containers. The stream of events stays open and silent.
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define INFO "{\"Name\":\"bench\",\"ServerVersion\":\"none\",\"Swarm\":{\"NodeID\":\"bench\",\"NodeAddr\":\"127.0.0.1\"}}"

static int listen_at(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(sa.sun_path))
		errx(2, "the path is too long: %s", path);
	strcpy(sa.sun_path, path);
	unlink(path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) || listen(fd, 64))
		err(1, "%s", path);
	return fd;
}

static void say(int fd, const char *body)
{
	dprintf(fd, "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n"
		    "Content-Length: %zu\r\nConnection: close\r\n\r\n%s", strlen(body), body);
	shutdown(fd, SHUT_WR);
}

static void answer(int fd)
{
	char text[8192] = "";
	size_t len = 0;
	ssize_t n;

	while (!strstr(text, "\r\n\r\n") && len < sizeof(text) - 1) {
		n = read(fd, text + len, sizeof(text) - 1 - len);
		if (n <= 0)
			break;
		len += (size_t)n;
		text[len] = '\0';
	}
	text[strcspn(text, "\r")] = '\0';
	if (strstr(text, "/events")) {	/* kept open */
		dprintf(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
		return;
	}
	say(fd, strstr(text, "/info") ? INFO : strstr(text, "/_ping") ? "OK" : "[]");
	close(fd);
}

int main(int argc, char **argv)
{
	int listener;

	if (argc != 2)
		errx(2, "usage: engine SOCKET");
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_IGN);
	listener = listen_at(argv[1]);
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0)
			answer(fd);
	}
}
