/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.c - listening sockets of our own making
 */
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

/* A socket file that nobody accepts on is a leftover. */
static bool is_alive(const struct sockaddr_un *a)
{
	cleanup_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && connect(fd, (const struct sockaddr *)(const void *)a, sizeof(*a)) == 0;
}

int listen_unix(const char *path, int *out, struct err *err)
{
	cleanup_close int fd = -1;
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	mode_t mask;
	int r;

	if (strlen(path) >= sizeof(a.sun_path))
		return err_set(err, -ENAMETOOLONG, "the socket's path is too long: %s", path);
	strcpy(a.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a unix socket");
	if (is_alive(&a))
		return err_set(err, -EADDRINUSE, "another agent serves %s", path);
	unlink(path);
	/* no moment in which others could connect: the file is made with the mode */
	mask = umask(0177);
	r = bind(fd, (struct sockaddr *)&a, sizeof(a)) || listen(fd, BACKLOG) ? -errno : 0;
	umask(mask);
	errno = -r;
	if (r)
		return err_errno(err, "cannot listen on %s", path);
	*out = take_fd(&fd);
	return 0;
}

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static socklen_t parse(const char *text, uint16_t port, union address *a)
{
	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, text, &a->v4.sin_addr) == 1) {
		a->v4.sin_family = AF_INET;
		a->v4.sin_port = htons(port);
		return sizeof(a->v4);
	}
	if (inet_pton(AF_INET6, text, &a->v6.sin6_addr) == 1) {
		a->v6.sin6_family = AF_INET6;
		a->v6.sin6_port = htons(port);
		return sizeof(a->v6);
	}
	return 0;
}

static bool is_wildcard(const union address *a)
{
	if (a->any.sa_family == AF_INET)
		return a->v4.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
}

int listen_tcp(const char *address, uint16_t port, int *out, struct err *err)
{
	cleanup_close int fd = -1;
	const int one = 1;
	union address a;
	socklen_t n = parse(address, port, &a);

	if (!n || is_wildcard(&a))
		return err_set(err, -EINVAL,
			       "will not listen on '%s': one address of this node is needed",
			       address);
	fd = socket(a.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
	    bind(fd, &a.any, n) || listen(fd, BACKLOG))
		return err_errno(err, "cannot listen on %s port %u", address, port);
	*out = take_fd(&fd);
	return 0;
}

static bool within(const uint8_t *a, const uint8_t *net, unsigned bits)
{
	unsigned bytes = bits / 8, rest = bits % 8;

	if (memcmp(a, net, bytes))
		return false;
	return !rest || (a[bytes] ^ net[bytes]) >> (8 - rest) == 0;
}

/* The bytes of an address; their number, 0: another family. */
static unsigned bytes_of(const struct sockaddr *a, uint8_t *out)
{
	if (!a)
		return 0;
	if (a->sa_family == AF_INET) {
		memcpy(out, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
		return 4;
	}
	if (a->sa_family != AF_INET6)
		return 0;
	memcpy(out, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, 16);
	return 16;
}

char *listen_find_address(const char *cidr)
{
	cleanup_free char *net = xstrdup(cidr);
	char *slash = strchr(net, '/'), text[INET6_ADDRSTRLEN], *found = NULL;
	uint8_t want[16], have[16];
	struct ifaddrs *all;
	union address a;
	unsigned length, bits;

	if (!slash)
		return NULL;
	*slash = '\0';
	bits = (unsigned)strtoul(slash + 1, NULL, 10);
	if (!parse(net, 0, &a) || getifaddrs(&all))
		return NULL;
	length = bytes_of(&a.any, want);
	for (struct ifaddrs *i = all; i && !found && bits <= 8 * length; i = i->ifa_next)
		if (bytes_of(i->ifa_addr, have) == length && within(have, want, bits))
			found = xstrdup(inet_ntop(a.any.sa_family, have, text, sizeof(text)));
	freeifaddrs(all);
	return found;
}
