// SPDX-License-Identifier: Apache-2.0
/*
 * workload - what the tasks of the lab's services run; one static binary, no library, no name service
 *
 *   workload serve PORT
 *       answers each request GET /N with one line: its host name, $TASK, and N. Swallows UDP on the same port.
 *   workload client SERVICE PORT RATE [COUNT]
 *       sends GET /<own host name>-<n>, n = 1, 2, …, RATE a second, to the tasks of SERVICE in turn;
 *       after COUNT it only sleeps. Appends "<n> <address> <answer>" to /log.
 *   workload send HOST PORT FROM TO
 *       sends GET /FROM … GET /TO to HOST (all its addresses in turn) and prints the answers; 1 when one is missing
 *   workload flood ADDRESS PORT COUNT SIZE [PPS]
 *       sends COUNT UDP packets of SIZE bytes, each beginning with its number and a space
 *   workload sleep
 *
 * Names are asked of Docker's resolver, 127.0.0.11: glibc's resolver does not work in a static binary.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ADDRESSES 64
#define SECOND    1000000000L

struct peers {
	struct in_addr address[ADDRESSES];
	int count;
};

static char hostname[256];

static void die_at_once(int sig)
{
	(void)sig;
	_exit(0);
}

static void sleep_until(struct timespec *when, long ns)
{
	when->tv_nsec += ns % SECOND;
	when->tv_sec += ns / SECOND + when->tv_nsec / SECOND;
	when->tv_nsec %= SECOND;
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, when, NULL) == EINTR)
		;
}

static void set_timeout(int fd, int seconds)
{
	struct timeval t = { .tv_sec = seconds };

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof(t));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof(t));
}

static struct sockaddr_in at(struct in_addr address, const char *port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = address, .sin_port = htons(atoi(port)) };
}

/* ---- names */

static size_t write_question(uint8_t *out, const char *name)
{
	static const uint8_t head[12] = { 0x53, 0x43, 1, 0, 0, 1 }, tail[5] = { 0, 0, 1, 0, 1 };
	uint8_t *p = out + sizeof(head);
	size_t len;

	memcpy(out, head, sizeof(head));
	for (; *name; name += len + (name[len] == '.')) {
		len = strcspn(name, ".");
		if (!len || len > 63)
			errx(2, "not a name: %s", name);
		*p++ = len;
		p = mempcpy(p, name, len);
	}
	return (uint8_t *)mempcpy(p, tail, sizeof(tail)) - out;
}

static size_t skip_name(const uint8_t *msg, size_t len, size_t at)
{
	while (at < len && msg[at]) {
		if (msg[at] >= 0xc0)
			return at + 2;
		at += msg[at] + 1;
	}
	return at + 1;
}

static void read_answer(const uint8_t *msg, size_t len, struct peers *peers)
{
	int answers = len < 12 ? 0 : msg[6] << 8 | msg[7];
	size_t at = skip_name(msg, len, 12) + 4;

	peers->count = 0;
	while (answers-- && peers->count < ADDRESSES) {
		at = skip_name(msg, len, at) + 10;
		if (at + 4 > len)
			break;
		if (msg[at - 9] == 1 && msg[at - 1] == 4)
			memcpy(&peers->address[peers->count++], msg + at, 4);
		at += msg[at - 2] << 8 | msg[at - 1];
	}
}

/* An address stands for itself. */
static void resolve(const char *name, struct peers *peers)
{
	struct sockaddr_in server = at((struct in_addr){ htonl(0x7f00000b) }, "53");
	uint8_t msg[4096];
	ssize_t len;
	int fd;

	peers->count = inet_aton(name, &peers->address[0]);
	if (peers->count || strlen(name) > 255)
		return;
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	set_timeout(fd, 2);
	len = write_question(msg, name);
	sendto(fd, msg, len, 0, (struct sockaddr *)&server, sizeof(server));
	len = recv(fd, msg, sizeof(msg), 0);
	close(fd);
	if (len > 0)
		read_answer(msg, len, peers);
}

/* ---- server */

static void *answer(void *arg)
{
	char request[4096], body[5000], reply[6000], *path, *end;
	const char *task = getenv("TASK");
	int fd = (int)(intptr_t)arg, len = 0, n;

	set_timeout(fd, 5);
	do {
		n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		len += n > 0 ? n : 0;
		request[len] = 0;
	} while (n > 0 && !strstr(request, "\r\n\r\n") && len < (int)sizeof(request) - 1);
	path = strstr(request, " /");
	end = path ? strchr(path + 1, ' ') : NULL;
	if (end) {
		*end = 0;
		n = snprintf(body, sizeof(body), "%s %s %s\n", hostname, task ? task : "-", path + 2);
		n = snprintf(reply, sizeof(reply),
			     "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n"
			     "Connection: close\r\n\r\n%s", n, body);
		send(fd, reply, n, MSG_NOSIGNAL);
	}
	shutdown(fd, SHUT_WR);
	close(fd);
	return NULL;
}

static void *swallow(void *arg)
{
	char packet[1];

	for (;;)
		recv((int)(intptr_t)arg, packet, sizeof(packet), 0);
	return NULL;
}

static int listen_on(int type, const char *port)
{
	struct sockaddr_in self = at((struct in_addr){ INADDR_ANY }, port);
	int fd = socket(AF_INET, type, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) || (type == SOCK_STREAM && listen(fd, 1024)))
		err(1, "port %s", port);
	return fd;
}

static void in_thread(void *(*f)(void *), int fd)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, f, (void *)(intptr_t)fd))
		close(fd);
	else
		pthread_detach(thread);
}

static int serve(char **arg)
{
	int server = listen_on(SOCK_STREAM, arg[0]), fd;

	in_thread(swallow, listen_on(SOCK_DGRAM, arg[0]));
	for (;;) {
		fd = accept4(server, NULL, NULL, SOCK_CLOEXEC);
		if (fd >= 0)
			in_thread(answer, fd);
	}
	return 0;
}

/* ---- client */

/* Fills answer with the body's line, or with what went wrong. */
static int request(struct in_addr address, const char *port, const char *path, char *answer, size_t size)
{
	struct sockaddr_in peer = at(address, port);
	int fd = socket(AF_INET, SOCK_STREAM, 0), len = 0, n = -1;
	char text[6000], *body;

	set_timeout(fd, 2);
	if (!connect(fd, (struct sockaddr *)&peer, sizeof(peer))) {
		n = snprintf(text, sizeof(text), "GET /%s HTTP/1.1\r\nHost: %s:%s\r\nConnection: close\r\n\r\n", path,
			     inet_ntoa(address), port);
		n = send(fd, text, n, MSG_NOSIGNAL);
	}
	while (n > 0 && len < (int)sizeof(text) - 1) {
		n = recv(fd, text + len, sizeof(text) - 1 - len, 0);
		len += n > 0 ? n : 0;
	}
	text[len] = 0;
	body = n < 0 ? NULL : strstr(text, "\r\n\r\n");
	snprintf(answer, size, "%.*s", body ? (int)strcspn(body + 4, "\n") : 128,
		 body ? body + 4 : n < 0 ? strerror(errno) : "no answer");
	close(fd);
	return body ? 0 : -1;
}

static int sleep_on(char **arg)
{
	(void)arg;
	for (;;)
		pause();
	return 0;
}

static int client(char **arg)
{
	long count = arg[3] ? atol(arg[3]) : -1, rate = atol(arg[2]), n, asked = -1;
	int log = open("/log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	struct peers peers = { .count = 0 };
	struct timespec tick;
	char name[300], path[300], answer[600];

	if (rate < 1)
		errx(2, "not a rate: %s", arg[2]);
	snprintf(name, sizeof(name), "tasks.%s", arg[0]);
	clock_gettime(CLOCK_MONOTONIC, &tick);
	for (n = 1; count < 0 || n <= count; n += peers.count > 0) {
		if (tick.tv_sec != asked)
			resolve(name, &peers);
		asked = tick.tv_sec;
		if (peers.count) {
			snprintf(path, sizeof(path), "%s-%ld", hostname, n);
			request(peers.address[n % peers.count], arg[1], path, answer, sizeof(answer));
			dprintf(log, "%ld %s %s\n", n, inet_ntoa(peers.address[n % peers.count]), answer);
		}
		sleep_until(&tick, SECOND / rate);
	}
	return sleep_on(NULL);
}

static int send_numbered(char **arg)
{
	long n = atol(arg[2]), last = atol(arg[3]);
	struct peers peers;
	char path[32], answer[600];
	int bad = 0;

	resolve(arg[0], &peers);
	if (!peers.count)
		errx(1, "%s has no address", arg[0]);
	for (; n <= last; n++) {
		snprintf(path, sizeof(path), "%ld", n);
		bad |= request(peers.address[n % peers.count], arg[1], path, answer, sizeof(answer));
		puts(answer);
	}
	return !!bad;
}

static int flood(char **arg)
{
	long count = atol(arg[2]), size = atol(arg[3]), pps = arg[4] ? atol(arg[4]) : 0, n;
	struct timespec tick;
	struct sockaddr_in peer;
	char packet[65507] = "", number[24];
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	peer = at((struct in_addr){ 0 }, arg[1]);
	if (!inet_aton(arg[0], &peer.sin_addr) || size < 20 || size > (long)sizeof(packet))
		errx(2, "flood wants an address and a size from 20 to %zu", sizeof(packet));
	clock_gettime(CLOCK_MONOTONIC, &tick);
	for (n = 1; n <= count; n++) {
		memcpy(packet, number, snprintf(number, sizeof(number), "%ld ", n));
		if (sendto(fd, packet, size, 0, (struct sockaddr *)&peer, sizeof(peer)) != size)
			err(1, "packet %ld", n);
		if (pps)
			sleep_until(&tick, SECOND / pps);
	}
	return 0;
}

static const struct mode {
	const char *name;
	int least, most;
	int (*run)(char **arg);
} modes[] = {
	{ "serve", 1, 1, serve },
	{ "client", 3, 4, client },
	{ "send", 4, 4, send_numbered },
	{ "flood", 4, 5, flood },
	{ "sleep", 0, 0, sleep_on },
};

int main(int argc, char **argv)
{
	size_t i;

	signal(SIGTERM, die_at_once);
	signal(SIGINT, die_at_once);
	gethostname(hostname, sizeof(hostname) - 1);
	for (i = 0; i < sizeof(modes) / sizeof(modes[0]); i++)
		if (argc > 1 && !strcmp(argv[1], modes[i].name) && argc - 2 >= modes[i].least && argc - 2 <= modes[i].most)
			return modes[i].run(argv + 2);
	fputs("usage: workload serve PORT | client SERVICE PORT RATE [COUNT] | send HOST PORT FROM TO |\n"
	      "                flood ADDRESS PORT COUNT SIZE [PPS] | sleep\n", stderr);
	return 2;
}
