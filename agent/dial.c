/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.c - stdin and stdout as a connection to an agent's socket
 */
#include "dial.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK (256 << 10)

static int open_socket(const char *path, struct err *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(err, -ENAMETOOLONG, "too long a path of a socket: '%s'", path);
	memcpy(a.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof(a)) < 0)
		return err_errno(err, "cannot connect to %s", path);
	return take_fd(&fd);
}

/* One read's worth. 1; 0: from is at its end; -errno: to is gone. */
static int carry(int from, int to, char *data)
{
	ssize_t n = read(from, data, CHUNK);

	if (n < 0)
		return errno == EINTR ? 1 : -errno;
	return n == 0 ? 0 : util_write_full(to, data, (size_t)n) < 0 ? -EPIPE : 1;
}

int dial(const char *path, struct err *err)
{
	cleanup_free char *data = xmalloc(CHUNK);
	cleanup_close int fd = open_socket(path, err);
	struct pollfd list[2] = { { .fd = STDIN_FILENO, .events = POLLIN },
				  { .fd = fd, .events = POLLIN } };
	int rc = 1;

	if (fd < 0)
		return fd;
	while (rc > 0 && poll(list, 2, -1) >= 0) {
		if (list[0].revents && carry(STDIN_FILENO, fd, data) <= 0) {
			shutdown(fd, SHUT_WR);
			list[0].fd = -1;
		}
		if (list[1].revents)
			rc = carry(fd, STDOUT_FILENO, data);
	}
	return 0;
}
