/* SPDX-License-Identifier: Apache-2.0
 *
 * http_dial.c - connections that somebody else made, given to curl
 *
 * curl is told so by CURL_SOCKOPT_ALREADY_CONNECTED. libcurl 7.88, Debian 12's, believes it and
 * calls connect() all the same, whose EISCONN is then the call's end (mended in 8.0). So connect()
 * is ours, in the whole program: for a socket that was just handed over and has its peer it
 * answers 0; everything else is the kernel's.
 *
 * The same libcurl takes a connection whose peer has no name for one whose name is still being looked
 * up, and never uses it again: a socket pair's, which each ssh channel is, would be dialed for every call,
 * and a clock's probe would measure the dialing. So getpeername() is ours as well: such a peer gets a name.
 */
#include "http_transfer.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static const char tunnel_name[] = "tunnel";

static __thread int handed_over = -1;

static bool has_peer(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getpeername(fd, (struct sockaddr *)&sa, &len) == 0;
}

int connect(int fd, const struct sockaddr *to, socklen_t len)
{
	bool ours = fd >= 0 && fd == handed_over;

	if (ours)
		handed_over = -1;
	if (ours && has_peer(fd))
		return 0;
	return (int)syscall(SYS_connect, fd, to, len);
}

int getpeername(int fd, struct sockaddr *of, socklen_t *len)
{
	const socklen_t room = *len, named = offsetof(struct sockaddr_un, sun_path) + sizeof(tunnel_name);
	int rc = (int)syscall(SYS_getpeername, fd, of, len);

	if (rc != 0 || *len != offsetof(struct sockaddr_un, sun_path) || of->sa_family != AF_UNIX ||
	    room < named)
		return rc;
	memcpy((char *)of + offsetof(struct sockaddr_un, sun_path), tunnel_name, sizeof(tunnel_name));
	*len = named;
	return 0;
}

curl_socket_t http_on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *to)
{
	struct http *h = arg;
	int fd;

	err_reset(&h->dial_err);
	fd = h->dialer.dial(h->dialer.arg, &h->dial_err);
	h->dialed = fd < 0 ? fd : 0;
	handed_over = fd < 0 ? -1 : fd;
	return fd < 0 ? CURL_SOCKET_BAD : fd;
}

int http_on_opened(void *arg, curl_socket_t fd, curlsocktype purpose)
{
	return CURL_SOCKOPT_ALREADY_CONNECTED;
}
