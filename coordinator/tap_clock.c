/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_clock.c - a node's clock over ssh: a shell there tells the time, line by line
 *
 * One channel for all probes, so that none pays for the channel's opening. What the shell needs
 * to start `date` counts as way; the error is honest about it, since it is half of the whole.
 */
#include "tap_clock.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PROBES_MAX 32
#define ANSWER_MS 3000
/* Behind a cut cable its stdin never ends: where there is a `timeout`, it does. */
#define LOOP "sh -c 't=; command -v timeout >/dev/null 2>&1 && t=\"timeout 60\"; " \
	     "exec $t sh -c \"while read x; do date +%s%N; done\"'"

/* One line into text; 0 or -errno. */
static int read_line(int fd, char *text, size_t size)
{
	int64_t until = clock_mono_ns() + ANSWER_MS * NS_PER_MS;
	size_t n = 0;

	while (clock_mono_ns() < until && n + 1 < size) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		ssize_t got;

		if (poll(&p, 1, 100) <= 0)
			continue;
		got = read(fd, text + n, 1);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got <= 0)
			return -EPIPE;
		if (text[n] == '\n') {
			text[n] = '\0';
			return 0;
		}
		n++;
	}
	return -ETIMEDOUT;
}

/* Seconds and nine digits; busybox's date says "%N" or nothing. */
static int64_t parse(const char *text)
{
	int64_t v = 0;
	size_t n = strspn(text, "0123456789");

	if (text[n] || n < 19 || n > 20)
		return 0;
	for (; *text; text++)
		if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *text - '0', &v))
			return 0;
	return v <= WIRE_TIME_MAX ? v : 0;
}

static int probe(struct remote_process *p, struct link_probe *out)
{
	char text[64] = "";
	int rc;

	out->sent_ns = clock_wall_ns();
	rc = util_write_full(p->in, "t\n", 2);
	if (!rc)
		rc = read_line(p->out, text, sizeof(text));
	out->received_ns = clock_wall_ns();
	out->agent_ns = rc ? 0 : parse(text);
	if (!rc && !out->agent_ns)
		rc = -ENOTSUP;
	return rc;
}

int tap_clock(struct remote *r, int probes, struct link_clock *out, struct err *err)
{
	struct link_probe list[PROBES_MAX] = { { 0 } };
	struct remote_process p = REMOTE_PROCESS_NULL;
	int n = 0, rc = remote_start(r, LOOP, &p, err);

	*out = (struct link_clock){ 0 };
	if (rc)
		return rc;
	while (n < probes && n < PROBES_MAX && !rc) {
		rc = probe(&p, &list[n]);
		n += rc == 0;
	}
	remote_process_release(&p);
	link_clock_estimate(list, (size_t)n, out);
	if (out->probes)
		return 0;
	return err_set(err, rc ? rc : -EPROTO, "%s does not tell the time", remote_name(r));
}
