/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.c - when does somebody begin to capture in these network namespaces?
 *
 *	watch [-p MILLISECONDS] NAME=NAMESPACE-FILE...
 *
 * Reads /proc/net/packet of each namespace every millisecond (or so often) and counts the packet sockets that
 * receive (column "R"): libpcap's sockets exist before they do. For each change one line on
 * stdout, "NAME NANOSECONDS COUNT" by the wall clock; "ready" once all namespaces are watched.
 * Ends by SIGTERM. The same judge for both ways.
 */
#include <err.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPACES 128

struct space {
	const char *name;
	int fd, count;
};

/* The opened file stays with the namespace it was opened in. */
static int open_table(const char *file)
{
	int ns = open(file, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		err(1, "%s", file);
	close(ns);
	fd = open("/proc/thread-self/net/packet", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "/proc/thread-self/net/packet");
	return fd;
}

/* sk RefCnt Type Proto Iface R ... below a line of headings */
static int count_running(int fd)
{
	char text[16384], *line = text, *rest;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	int count = 0, running;

	text[n < 0 ? 0 : n] = '\0';
	strsep(&line, "\n");
	while ((rest = strsep(&line, "\n")))
		if (sscanf(rest, "%*s %*d %*d %*x %*d %d", &running) == 1 && running)
			count++;
	return count;
}

static void look(struct space *s)
{
	int count = count_running(s->fd);
	struct timespec now;

	if (count == s->count)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	s->count = count;
	printf("%s %lld %d\n", s->name, (long long)now.tv_sec * 1000000000 + now.tv_nsec, count);
}

int main(int argc, char **argv)
{
	static struct space spaces[SPACES];
	struct timespec pause = { 0, 1000000 };
	int n;

	if (argc > 2 && !strcmp(argv[1], "-p")) {
		pause.tv_nsec *= atoi(argv[2]) % 1000;
		argv += 2;
		argc -= 2;
	}
	n = argc - 1;
	if (n < 1 || n > SPACES)
		errx(2, "usage: watch [-p MILLISECONDS] NAME=NAMESPACE-FILE... (at most %d)", SPACES);
	for (int i = 0; i < n; i++) {
		char *file = strchr(argv[i + 1], '=');

		if (!file)
			errx(2, "not NAME=NAMESPACE-FILE: %s", argv[i + 1]);
		*file++ = '\0';
		spaces[i].name = argv[i + 1];
		spaces[i].fd = open_table(file);
		spaces[i].count = count_running(spaces[i].fd);
	}
	setlinebuf(stdout);
	puts("ready");
	for (;;) {
		for (int i = 0; i < n; i++)
			look(&spaces[i]);
		nanosleep(&pause, NULL);
	}
}
