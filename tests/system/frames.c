/* SPDX-License-Identifier: Apache-2.0
 *
 * frames.c - numbered packets for tests of the capture engine; judge.c counts them
 *
 *   frames send INTERFACE COUNT [size=60] [pps=0] [first=1] [port=5000] [tag=TPID:TCI]... [push=VID]
 *       raw Ethernet frames with IPv4 and UDP in them, to a station that nobody is: no answers, and taps see them
 *       on the way out. tag: in the frame, outermost first, hex. push: by a BPF program behind the taps' back, so that
 *       the tag lies beside the packet (needs Linux 6.6; status 77 without)
 *   frames tun NAME TYPE
 *       a persistent tun device that says it is of hardware type TYPE
 *   frames inject COUNT NAME...
 *       per device COUNT packets that come in by it, numbered 1 and up, then as many datagrams that go out
 *   frames netns DIR NAME COUNT
 *       COUNT network namespaces with loopback up, bound to DIR/1-NAME001 and so on
 *   frames engine SOCKET
 *       what an agent asks of Docker's API when it starts, and 404 to all else; until it is ended
 *
 * Each packet carries MARK and its number (64 bits, network order) in its UDP payload.
 */
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define MARK "SCAPSEQ:"
#define MARK_LEN 8
#define TAGS_MAX 3
#define BATCH 32
#define FRAME_MAX (65536 + 64)
#define HEADERS (20 + 8)		/* IPv4, UDP */
#define SKIPPED 77
#define TCX_EGRESS 47			/* enum bpf_attach_type of Linux 6.6 */

struct plan {
	unsigned ifindex;
	uint64_t count, first, pps;
	size_t size;
	uint16_t port, push;
	uint16_t tags[TAGS_MAX][2];	/* TPID, TCI */
	size_t n_tags;
};

static uint64_t number_of(const char *text)
{
	char *end;
	uint64_t n;

	errno = 0;
	n = strtoull(text, &end, 0);
	if (errno || !*text || *end)
		errx(2, "not a number: '%s'", text);
	return n;
}

/* ---- packets ---- */

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static unsigned checksum(const uint8_t *p, size_t n)
{
	unsigned sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (unsigned)(p[i] << 8 | p[i + 1]);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum & 0xffff;
}

/* An IPv4 packet of len bytes; UDP without a checksum. */
static void build_ip(uint8_t *p, size_t len, unsigned port, uint64_t number)
{
	static const uint8_t head[20] = { 0x45, [8] = 64, 17, 0, 0, 198, 18, 0, 1, 198, 18, 0, 2 };
	const uint64_t wire = htobe64(number);

	memset(p, 'x', len);
	memcpy(p, head, sizeof(head));
	put16(p + 2, (unsigned)len);
	put16(p + 4, (unsigned)number);
	put16(p + 10, checksum(p, sizeof(head)));
	put16(p + 20, 5999);
	put16(p + 22, port);
	put16(p + 24, (unsigned)len - 20);
	put16(p + 26, 0);
	memcpy(p + HEADERS, MARK, MARK_LEN);
	memcpy(p + HEADERS + MARK_LEN, &wire, sizeof(wire));
}

static size_t build_frame(uint8_t *f, const struct plan *p, uint64_t number)
{
	static const uint8_t stations[12] = { 2, 0, 0, 0, 0, 0x99, 2, 0, 0, 0, 0, 0x11 };
	uint8_t *at = f + sizeof(stations);

	memcpy(f, stations, sizeof(stations));
	for (size_t i = 0; i < p->n_tags; i++, at += 4) {
		put16(at, p->tags[i][0]);
		put16(at + 2, p->tags[i][1]);
	}
	put16(at, 0x0800);
	build_ip(at + 2, p->size - 14, p->port, number);
	return p->size + 4 * p->n_tags;
}

/* ---- send ---- */

/* skb_vlan_push on the way out; lasts as long as the process. */
static void push_tag(const struct plan *p)
{
	const struct bpf_insn code[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 2, .imm = htons(0x8100) },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 3, .imm = p->push },
		{ .code = BPF_JMP | BPF_CALL, .imm = BPF_FUNC_skb_vlan_push },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = 0, .imm = -1 },	/* TCX_NEXT */
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_SCHED_CLS, .insns = (uintptr_t)code,
		.insn_cnt = sizeof(code) / sizeof(code[0]), .license = (uintptr_t)"GPL",
	};
	union bpf_attr link = { .link_create = { .target_ifindex = p->ifindex, .attach_type = TCX_EGRESS } };
	int prog = (int)syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof(load));

	link.link_create.prog_fd = (uint32_t)prog;
	if (prog < 0 || syscall(SYS_bpf, BPF_LINK_CREATE, &link, sizeof(link)) < 0) {
		warn("this kernel has no way to push a tag");
		exit(SKIPPED);
	}
}

static void take_option(struct plan *p, const char *text)
{
	char *end;

	if (!strncmp(text, "size=", 5)) {
		p->size = number_of(text + 5);
	} else if (!strncmp(text, "pps=", 4)) {
		p->pps = number_of(text + 4);
	} else if (!strncmp(text, "first=", 6)) {
		p->first = number_of(text + 6);
	} else if (!strncmp(text, "port=", 5)) {
		p->port = (uint16_t)number_of(text + 5);
	} else if (!strncmp(text, "push=", 5)) {
		p->push = (uint16_t)number_of(text + 5);
	} else if (!strncmp(text, "tag=", 4) && p->n_tags < TAGS_MAX) {
		p->tags[p->n_tags][0] = (uint16_t)strtoul(text + 4, &end, 16);
		p->tags[p->n_tags++][1] = (uint16_t)strtoul(end + 1, NULL, 16);
	} else {
		errx(2, "unknown option %s", text);
	}
	if (p->size < 14 + HEADERS + MARK_LEN + 8 || p->size > FRAME_MAX - 16)
		errx(2, "not a frame's size: %zu", p->size);
}

static void send_batch(int s, struct mmsghdr *m, unsigned n)
{
	while (n) {
		int done = sendmmsg(s, m, n, 0);

		if (done < 0 && errno != ENOBUFS && errno != EINTR)
			err(1, "sendmmsg");
		m += done > 0 ? done : 0;
		n -= done > 0 ? (unsigned)done : 0;
	}
}

static void wait_turn(const struct plan *p, const struct timespec *start, uint64_t sent)
{
	struct timespec when = *start;

	if (!p->pps)
		return;
	when.tv_sec += (time_t)(sent / p->pps);
	when.tv_nsec += (long)(sent % p->pps * 1000000000ULL / p->pps);
	if (when.tv_nsec >= 1000000000L) {
		when.tv_nsec -= 1000000000L;
		when.tv_sec++;
	}
	clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, NULL);
}

static int command_send(char **arg)
{
	struct plan p = { .first = 1, .size = 60, .port = 5000 };
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	uint8_t *memory = malloc(BATCH * FRAME_MAX);
	struct mmsghdr m[BATCH] = { 0 };
	struct iovec v[BATCH];
	struct timespec start;
	unsigned batch = BATCH;
	int s = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	p.ifindex = if_nametoindex(arg[0]);
	p.count = number_of(arg[1]);
	for (arg += 2; *arg; arg++)
		take_option(&p, *arg);
	to.sll_ifindex = (int)p.ifindex;
	if (!memory || s < 0 || !p.ifindex || bind(s, (struct sockaddr *)&to, sizeof(to)))
		err(1, "cannot send on this interface");
	if (p.push)
		push_tag(&p);
	if (p.pps)
		batch = p.pps < 2000 ? 1 : p.pps < 1000 * BATCH ? (unsigned)(p.pps / 1000) : BATCH;
	for (size_t i = 0; i < BATCH; i++) {
		v[i].iov_base = memory + i * FRAME_MAX;
		m[i].msg_hdr.msg_iov = &v[i];
		m[i].msg_hdr.msg_iovlen = 1;
	}
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (uint64_t sent = 0; sent < p.count;) {
		unsigned n = p.count - sent < batch ? (unsigned)(p.count - sent) : batch;

		wait_turn(&p, &start, sent);
		for (unsigned i = 0; i < n; i++)
			v[i].iov_len = build_frame(v[i].iov_base, &p, p.first + sent + i);
		send_batch(s, m, n);
		sent += n;
	}
	free(memory);
	return 0;
}

/* ---- tun ---- */

static int tun_open(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &r))
		err(1, "tun device %s", name);
	return fd;
}

static int command_tun(char **arg)
{
	int fd = tun_open(arg[0]);

	if (ioctl(fd, TUNSETLINK, number_of(arg[1])) || ioctl(fd, TUNSETPERSIST, 1))
		err(1, "tun device %s of type %s", arg[0], arg[1]);
	return 0;
}

static void wait_running(int s, const char *name)
{
	struct ifreq r = { 0 };

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	for (int i = 0; i < 300 && !(r.ifr_flags & IFF_RUNNING); i++) {
		usleep(10000);
		if (ioctl(s, SIOCGIFFLAGS, &r))
			err(1, "%s", name);
	}
	usleep(50000);	/* its queue is made after the flag is set */
}

static void inject(int fd, const char *name, uint64_t count)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(5000) };
	uint8_t packet[HEADERS + MARK_LEN + 8 + 64];
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	wait_running(s, name);
	for (uint64_t i = 1; i <= count; i++) {
		build_ip(packet, sizeof(packet), 5000, i);
		if (write(fd, packet, sizeof(packet)) != (ssize_t)sizeof(packet))
			err(1, "write to %s", name);
	}
	inet_pton(AF_INET, "198.18.0.2", &to.sin_addr);
	if (setsockopt(s, SOL_SOCKET, SO_BINDTODEVICE, name, (socklen_t)strlen(name)))
		err(1, "bind to %s", name);
	for (uint64_t i = count + 1; i <= 2 * count; i++) {
		build_ip(packet, sizeof(packet), 5000, i);
		if (sendto(s, packet + HEADERS, sizeof(packet) - HEADERS, 0, (struct sockaddr *)&to,
			   sizeof(to)) < 0)
			err(1, "send on %s", name);
	}
	close(s);
}

static int command_inject(char **arg)
{
	uint64_t count = number_of(*arg++);
	int fds[64], n = 0;

	for (; arg[n]; n++)
		fds[n] = n < 64 ? tun_open(arg[n]) : -1;
	for (int i = 0; i < n; i++)
		inject(fds[i], arg[i], count);
	return 0;
}

/* ---- namespaces ---- */

static void make_netns(const char *path)
{
	struct ifreq r = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600), s;

	if (fd < 0 || unshare(CLONE_NEWNET) || mount("/proc/self/ns/net", path, NULL, MS_BIND, NULL))
		err(1, "%s", path);
	close(fd);
	s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (ioctl(s, SIOCSIFFLAGS, &r))
		err(1, "loopback");
	close(s);
}

static int command_netns(char **arg)
{
	char path[512];
	uint64_t n = number_of(arg[2]);

	for (uint64_t i = 1; i <= n; i++) {
		snprintf(path, sizeof(path), "%s/1-%s%03u", arg[0], arg[1], (unsigned)i);
		make_netns(path);
	}
	return 0;
}

/* ---- an engine's API ---- */

#define INFO "{\"Name\":\"node1\",\"ServerVersion\":\"none\",\"Swarm\":{\"NodeID\":\"engine-test\",\"NodeAddr\":\"127.0.0.1\"}}"
#define ANSWER "HTTP/1.1 %s\r\nContent-Type: application/json\r\nApi-Version: 1.41\r\n" \
	"Content-Length: %zu\r\nConnection: close\r\n\r\n%s"

static void answer(int fd)
{
	char request[4096] = "";
	size_t len = 0;
	ssize_t n;
	bool info;

	do {
		n = recv(fd, request + len, sizeof(request) - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		request[len] = '\0';
	} while (n > 0 && !strstr(request, "\r\n\r\n"));
	info = strstr(request, "/info ") || strstr(request, "/_ping ");
	dprintf(fd, ANSWER, info ? "200 OK" : "404 Not Found", info ? strlen(INFO) : 2, info ? INFO : "{}");
	close(fd);
}

static int command_engine(char **arg)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	signal(SIGPIPE, SIG_IGN);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", arg[0]);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) || listen(s, 64))
		err(1, "%s", arg[0]);
	for (;;) {
		int fd = accept(s, NULL, NULL);

		if (fd >= 0)
			answer(fd);
	}
}

static const struct command {
	const char *name;
	int least;
	int (*run)(char **arg);
} commands[] = {
	{ "send", 2, command_send }, { "tun", 2, command_tun }, { "inject", 2, command_inject },
	{ "netns", 3, command_netns }, { "engine", 1, command_engine },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (argc > 1 && !strcmp(argv[1], commands[i].name) && argc - 2 >= commands[i].least)
			return commands[i].run(argv + 2);
	errx(2, "usage: frames send|tun|inject|netns|engine ...: see frames.c");
}
