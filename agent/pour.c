/* SPDX-License-Identifier: Apache-2.0
 *
 * pour.c - the namespace that we run in, as one pcapng stream on stdout
 *
 * One thread. What may end the capture (signals, stdin) hangs on one epoll descriptor, which wakes
 * the rounds of the capture engine and the waiting for a slow reader alike.
 */
#include "pour.h"
#include "log.h"
#include "sniff.h"
#include "version.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#define HEADER_MAX (1u << 20)	/* section and interfaces, or statistics */
#define FILL_MAX (256u << 10)	/* packets of a round before they are written */
#define ROOM_MAX (FILL_MAX + WIRE_SNAPLEN_MAX + 256)
#define STATS_COMMENT "drops: of all interfaces together, packets that the kernel could not hand over"
#define RING_BYTES (8u << 20)
#define RETIRE_MS 60		/* who reads us wants to see it soon */
#define LOOK_MS 1000		/* between two looks whether the network is still there */
#define LATER_MS 5

struct pour {
	const struct options *o;
	struct program *program;
	struct sniff *sniff;
	uint64_t *received;		/* per interface that the stream knows */
	size_t declared;
	bool has_network;		/* there was more than loopback */
	int64_t looked_ns;
	int epoll, signals;
	int64_t beat_ns;		/* when stdin was last heard; monotonic */
	int64_t give_up_ns;		/* of writing, once it is over; 0: not over */
	const char *why;		/* it is over */
	int64_t start_ns;
	uint8_t *packets;		/* ROOM_MAX bytes, not yet written */
	size_t fill;
};

/* ---- what ends it ---- */

static bool is_over(struct pour *p)
{
	return p->give_up_ns != 0;
}

static void end(struct pour *p, const char *why)
{
	if (is_over(p))
		return;
	p->give_up_ns = clock_mono_ns() + POUR_GRACE_MS * NS_PER_MS;
	p->why = why;
}

static void hear_stdin(struct pour *p)
{
	char beats[4096];
	ssize_t n = read(STDIN_FILENO, beats, sizeof(beats));

	if (n > 0)
		p->beat_ns = clock_mono_ns();
	else if (n == 0 || (errno != EINTR && errno != EAGAIN))
		end(p, "told");
}

/* Looks, without waiting, at what may end the capture. */
static void listen_up(struct pour *p)
{
	struct epoll_event events[2];
	int n = epoll_wait(p->epoll, events, (int)ARRAY_SIZE(events), 0);

	for (int i = 0; i < n && !is_over(p); i++) {
		if (events[i].data.fd == STDIN_FILENO)
			hear_stdin(p);
		else
			end(p, "signal");
	}
	if (!is_over(p) && clock_mono_ns() - p->beat_ns >= p->o->beat_s * NS_PER_S) {
		log_warn("nothing on stdin for %d s: the capture ends", (int)p->o->beat_s);
		end(p, "lease");
	}
}

static int watch(struct pour *p, int fd, struct err *err)
{
	struct epoll_event e = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &e) == 0)
		return 0;
	if (errno == EPERM)
		return err_set(err, -EINVAL,
			       "stdin is a file: the capture ends when a pipe or socket there does");
	return err_errno(err, "cannot watch stdin and signals");
}

static int open_watch(struct pour *p, struct err *err)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (p->epoll < 0 || p->signals < 0)
		return err_errno(err, "cannot watch stdin and signals");
	p->beat_ns = clock_mono_ns();
	r = watch(p, p->signals, err);
	return r ? r : watch(p, STDIN_FILENO, err);
}

/* ---- what goes out ---- */

/* Waits until stdout takes something, at most until the next look at what may end it. */
static void wait_for_reader(struct pour *p)
{
	struct pollfd fds[] = {
		{ .fd = STDOUT_FILENO, .events = POLLOUT },
		/* once it is over, the same word would wake us again and again */
		{ .fd = is_over(p) ? -1 : p->epoll, .events = POLLIN },
	};

	poll(fds, ARRAY_SIZE(fds), POUR_FLUSH_MS);
	if (!is_over(p))
		listen_up(p);
}

static int put(struct pour *p, const void *from, size_t n, struct err *err)
{
	const uint8_t *data = from;

	while (n) {
		ssize_t w = write(STDOUT_FILENO, data, n);

		if (w > 0) {
			data += w;
			n -= (size_t)w;
			continue;
		}
		if (w < 0 && errno != EAGAIN && errno != EINTR)
			return err_errno(err, "cannot write to stdout");
		wait_for_reader(p);
		if (is_over(p) && clock_mono_ns() >= p->give_up_ns)
			return err_set(err, -ETIMEDOUT, "nobody reads stdout: the rest is lost");
	}
	return 0;
}

static int flush(struct pour *p, struct err *err)
{
	size_t n = p->fill;

	p->fill = 0;
	return put(p, p->packets, n, err);
}

/* Ends before a packet whose interface must come first: declare. */
static bool take(void *arg, const struct pcapng_packet *packets, size_t n, size_t *taken)
{
	struct pour *p = arg;
	size_t i = 0;

	for (; i < n && p->fill < FILL_MAX && packets[i].interface < p->declared; i++) {
		p->fill += pcapng_put_packet(p->packets + p->fill, &packets[i]);
		p->received[packets[i].interface]++;
	}
	*taken = i;
	return i == n && p->fill < FILL_MAX;
}

static void put_interface(struct buf *b, const struct pour *p, const struct iface *i)
{
	struct pcapng_interface out = {
		.name = i->name, .filter = p->o->filter, .link_type = i->link_type,
		.snaplen = p->o->snaplen, .has_mac = i->has_mac,
	};

	memcpy(out.mac, i->mac, sizeof(out.mac));
	pcapng_put_interface(b, &out);
}

/* The interfaces that the stream does not know yet, behind what was taken so far. */
static int declare(struct pour *p, struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(HEADER_MAX);
	size_t n;
	const struct iface *v = sniff_interfaces(p->sniff, &n);

	if (n == p->declared)
		return 0;
	p->received = xrealloc(p->received, n, sizeof(*p->received));
	for (; p->declared < n; p->declared++) {
		put_interface(&b, p, &v[p->declared]);
		p->received[p->declared] = 0;
		p->has_network |= !v[p->declared].loopback;
	}
	return put(p, b.data, b.len, err);
}

static int begin(struct pour *p, struct err *err)
{
	struct utsname u;
	struct pcapng_section s = {
		.os = uname(&u) ? NULL : u.release,
		.application = "swarmcap-agent " SWARMCAP_VERSION,
	};
	cleanup_buf struct buf b = BUF_INIT(HEADER_MAX);
	int r;

	p->start_ns = clock_wall_ns();
	pcapng_put_section(&b, &s);
	r = put(p, b.data, b.len, err);
	if (!r)
		r = declare(p, err);
	if (!r)
		dprintf(STDERR_FILENO, "swarmcap: time %lld\nlistening on %zu interface%s\n",
			(long long)clock_wall_ns(), p->declared, p->declared == 1 ? "" : "s");
	return r;
}

static int finish(struct pour *p, struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(HEADER_MAX);
	int64_t now = clock_wall_ns();
	struct sniff_counts c;

	sniff_counts(p->sniff, &c);
	for (size_t i = 0; i < p->declared; i++) {
		struct pcapng_stats s = { .interface = (uint32_t)i, .ts_ns = now,
					  .start_ns = p->start_ns, .end_ns = now,
					  .comment = i ? NULL : STATS_COMMENT };

		s.received = (int64_t)(p->received[i] + (i ? 0 : c.dropped));
		s.dropped = i ? -1 : (int64_t)c.dropped;
		pcapng_put_stats(&b, &s);
	}
	return put(p, b.data, b.len, err);
}

/* ---- the capture ---- */

/* What was taken goes out, and then the interfaces of what comes next. */
static int pass_on(struct pour *p, struct err *err)
{
	int r = flush(p, err);

	return r ? r : declare(p, err);
}

/* The task's network goes with its container, while loopback stays as long as we do. */
static void look_for_network(struct pour *p)
{
	cleanup_iface_list struct iface_list all = IFACE_LIST_INIT;
	bool there = false;

	if (!p->has_network || clock_mono_ns() - p->looked_ns < LOOK_MS * NS_PER_MS)
		return;
	p->looked_ns = clock_mono_ns();
	if (iface_list(&all, NULL))
		return;
	for (size_t i = 0; i < all.n; i++)
		there |= !all.v[i].loopback;
	if (!there)
		end(p, "ended");
}

static int rounds(struct pour *p, struct err *err)
{
	int r = 0;

	while (r >= 0 && !is_over(p)) {
		struct pollfd fds[] = {
			{ .fd = sniff_fd(p->sniff), .events = POLLIN },
			{ .fd = p->epoll, .events = POLLIN },
		};
		struct sniff_taken taken;

		if (r != SNIFF_E_SINK)
			poll(fds, ARRAY_SIZE(fds), POUR_FLUSH_MS);
		if (sniff_check(p->sniff))
			end(p, "ended");
		r = sniff_take(p->sniff, take, p, &taken, err);
		if (r >= 0 && pass_on(p, err))
			r = err->code;
		listen_up(p);
		look_for_network(p);
	}
	return r < 0 ? r : 0;
}

static int drain(struct pour *p, struct err *err)
{
	int64_t stop_ns = clock_wall_ns();
	int r, written = 0;

	sniff_halt(p->sniff);
	sniff_settle();
	dprintf(STDERR_FILENO, "swarmcap: stop %lld\n", (long long)stop_ns);
	do {
		r = sniff_drain(p->sniff, take, p, err);
		if (r == SNIFF_E_LATER)
			clock_sleep_ms(LATER_MS);
		if (r >= 0)
			written = pass_on(p, err);
	} while (r > 0 && !written && clock_mono_ns() < p->give_up_ns);
	return r < 0 ? r : written;
}

/* Interfaces' names are at most 15 bytes of whatever the container's root likes. */
static void tell(void *arg, const char *text)
{
	cleanup_buf struct buf b = BUF_INIT(8192);

	buf_add_safe(&b, text);
	dprintf(STDERR_FILENO, "swarmcap: note %s\n", b.data);
}

static int run(struct pour *p, struct err *err)
{
	struct sniff_options s = {
		.interface = p->o->interface, .filter = p->o->filter, .snaplen = p->o->snaplen,
		.ring_bytes = RING_BYTES, .retire_ms = RETIRE_MS, .note = tell,
	};
	int r = open_watch(p, err);

	if (!r)
		r = program_new(&p->program, p->o->filter, p->o->snaplen, err);
	s.program = p->program;
	if (!r)
		r = sniff_open(&p->sniff, &s, err);
	if (!r)
		r = sniff_bind(p->sniff, err);
	if (!r)
		r = begin(p, err);
	if (!r)
		r = rounds(p, err);
	if (!r)
		r = drain(p, err);
	if (!r)
		r = finish(p, err);
	if (!r)
		dprintf(STDERR_FILENO, "swarmcap: end %s 0\n", p->why);
	return r;
}

int pour(const struct options *o, struct err *err)
{
	struct pour p = { .o = o, .epoll = -1, .signals = -1 };
	int flags = fcntl(STDOUT_FILENO, F_GETFL), r;

	if (isatty(STDOUT_FILENO))
		return err_set(err, -EINVAL, "sniff writes packets: stdout must not be a terminal");
	if (flags < 0 || fcntl(STDOUT_FILENO, F_SETFL, flags | O_NONBLOCK))
		return err_errno(err, "cannot prepare stdout");
	p.packets = xmalloc(ROOM_MAX);
	r = run(&p, err);
	/* the description may be shared with whoever started us */
	fcntl(STDOUT_FILENO, F_SETFL, flags);
	sniff_close(p.sniff);
	program_free(p.program);
	free(p.received);
	util_close(p.signals);
	util_close(p.epoll);
	free(p.packets);
	return r;
}
