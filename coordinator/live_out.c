/* SPDX-License-Identifier: Apache-2.0
 *
 * live_out.c - to a viewer that may be slow, stand still, or have gone
 *
 * A pipe of which poll(2) says that it is writable has room for PIPE_BUF bytes, so a write of as many
 * does not wait; a socket is asked not to. So we can give up on a viewer that stands still.
 */
#include "live_out.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOK_MS 100

bool live_out_is_closed(int fd)
{
	struct pollfd p = { .fd = fd };

	return poll(&p, 1, 0) > 0 && p.revents & (POLLERR | POLLHUP | POLLNVAL);
}

static ssize_t put(int fd, mode_t mode, const void *p, size_t n)
{
	if (S_ISSOCK(mode))
		return send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	return write(fd, p, S_ISREG(mode) || n < PIPE_BUF ? n : PIPE_BUF);
}

int live_out(int fd, const void *data, size_t n, volatile bool *give_up)
{
	const uint8_t *from = data;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	while (n) {
		struct pollfd p = { .fd = fd, .events = POLLOUT };
		ssize_t w;

		if (__atomic_load_n(give_up, __ATOMIC_RELAXED))
			return -ECANCELED;
		if (poll(&p, 1, LOOK_MS) <= 0)
			continue;
		if (p.revents & POLLERR)
			return -EPIPE;
		w = put(fd, st.st_mode, from, n);
		if (w < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		from += w > 0 ? w : 0;
		n -= w > 0 ? (size_t)w : 0;
	}
	return 0;
}
