/* SPDX-License-Identifier: Apache-2.0
 *
 * flood.c - UDP packets out of a network namespace, a known number of them
 *
 *	flood NAMESPACE-FILE COUNT RATE FRAME ADDRESS...
 *
 * COUNT packets in all, RATE a second in all (0: as fast as they go), FRAME bytes each with their
 * Ethernet header, to the addresses in turn. Prints "SENT SECONDS". What a pause of the machine has
 * delayed is not made up for by a burst, so the rate is never above what was asked for. Ends after
 * TIME_MAX seconds, whatever was sent by then.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64		/* messages of one call */
#define ADDRESSES 128
#define HEADERS 42		/* Ethernet, IPv4, UDP */
#define FRAME_MAX 1514
#define TIME_MAX 30
#define TICK_NS 1000000L
#define LATE_NS (4 * TICK_NS)	/* a pause longer than this is left out */
#define SECOND 1000000000LL

static struct sockaddr_in addresses[ADDRESSES];
static struct mmsghdr messages[BATCH];
static char payload[FRAME_MAX];

static long number(const char *text, long min, long max)
{
	char *end;
	long n = strtol(text, &end, 10);

	if (end == text || *end || n < min || n > max)
		errx(2, "not a number from %ld to %ld: %s", min, max, text);
	return n;
}

static long long now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * SECOND + t.tv_nsec;
}

static int open_inside(const char *file)
{
	int ns = open(file, O_RDONLY | O_CLOEXEC), fd;

	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		err(1, "%s", file);
	close(ns);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		err(1, "socket");
	return fd;
}

static void read_addresses(char **text, int n)
{
	for (int i = 0; i < n; i++) {
		addresses[i].sin_family = AF_INET;
		addresses[i].sin_port = htons(9);
		if (inet_pton(AF_INET, text[i], &addresses[i].sin_addr) != 1)
			errx(2, "not an address: %s", text[i]);
	}
}

/* Sends n packets, the first of them to the address whose turn it is. */
static void send_batch(int fd, long sent, int n, int n_addresses)
{
	int done = 0, r;

	for (int i = 0; i < n; i++)
		messages[i].msg_hdr.msg_name = &addresses[(sent + i) % n_addresses];
	while (done < n) {
		r = sendmmsg(fd, messages + done, (unsigned)(n - done), 0);
		if (r < 0 && errno != EINTR && errno != ENOBUFS && errno != EAGAIN)
			err(1, "packet %ld", sent + done);
		done += r > 0 ? r : 0;
	}
}

static long run(int fd, long count, long rate, int n_addresses, long long end)
{
	const struct timespec tick = { 0, TICK_NS };
	long long start = now(), t;
	long sent = 0, due, paced = 0;	/* paced: sent since start */

	while (sent < count && (t = now()) < end) {
		due = rate ? (long)((t - start) * rate / SECOND) - paced : BATCH;
		if (rate && due > LATE_NS * rate / SECOND + BATCH) {
			start = t - TICK_NS;
			paced = 0;
			continue;
		}
		if (due <= 0) {
			nanosleep(&tick, NULL);
			continue;
		}
		due = due > BATCH ? BATCH : due;
		due = due > count - sent ? count - sent : due;
		send_batch(fd, sent, (int)due, n_addresses);
		sent += due;
		paced += due;
	}
	return sent;
}

int main(int argc, char **argv)
{
	static struct iovec piece;
	long count, rate, frame, sent;
	long long start;
	int fd;

	if (argc < 6 || argc - 5 > ADDRESSES)
		errx(2, "usage: flood NAMESPACE-FILE COUNT RATE FRAME ADDRESS...");
	count = number(argv[2], 1, 100000000);
	rate = number(argv[3], 0, 10000000);
	frame = number(argv[4], 60, FRAME_MAX);
	read_addresses(argv + 5, argc - 5);
	fd = open_inside(argv[1]);
	piece = (struct iovec){ payload, (size_t)frame - HEADERS };
	for (int i = 0; i < BATCH; i++)
		messages[i].msg_hdr = (struct msghdr){
			.msg_namelen = sizeof(addresses[0]), .msg_iov = &piece, .msg_iovlen = 1,
		};
	start = now();
	sent = run(fd, count, rate, argc - 5, start + TIME_MAX * SECOND);
	printf("%ld %.6f\n", sent, (double)(now() - start) / (double)SECOND);
	return 0;
}
