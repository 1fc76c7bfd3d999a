/* SPDX-License-Identifier: Apache-2.0
 *
 * fake_http.h - servers for tests: libmicrohttpd, and one that sends fixed bytes
 *
 * Everything is static: a test is one file. Each server listens on 127.0.0.1 or on a unix
 * socket in a fresh directory, and is gone after fake_stop.
 */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util.h"

struct fake {
	struct MHD_Daemon *daemon;
	int listener;
	char dir[32], path[64];		/* of a unix socket, else "" */
	uint16_t port;
	/* of fake_start_raw */
	pthread_t thread;
	const char *text, *endless;
};

static inline int fake_listen_tcp(struct fake *f)
{
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);

	f->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(f->listener, 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&sa, len), 0);
	assert_return_code(listen(f->listener, 8), 0);
	assert_return_code(getsockname(f->listener, (struct sockaddr *)&sa, &len), 0);
	f->port = ntohs(sa.sin_port);
	return f->listener;
}

static inline int fake_listen_tcp6(struct fake *f)
{
	struct sockaddr_in6 sa = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	socklen_t len = sizeof(sa);

	f->listener = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(f->listener, 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&sa, len), 0);
	assert_return_code(listen(f->listener, 8), 0);
	assert_return_code(getsockname(f->listener, (struct sockaddr *)&sa, &len), 0);
	f->port = ntohs(sa.sin6_port);
	return f->listener;
}

static inline int fake_listen_unix(struct fake *f)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	snprintf(f->dir, sizeof(f->dir), "/tmp/swarmcap-test-XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	snprintf(f->path, sizeof(f->path), "%s/socket", f->dir);
	memcpy(sa.sun_path, f->path, sizeof(f->path));
	f->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(f->listener, 0);
	assert_return_code(bind(f->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_return_code(listen(f->listener, 8), 0);
	return f->listener;
}

#define FAKE_FLAGS (MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_POLL)

static inline void fake_start_unix(struct fake *f, MHD_AccessHandlerCallback handler, void *arg)
{
	*f = (struct fake){ 0 };
	f->daemon = MHD_start_daemon(FAKE_FLAGS, 0, NULL, NULL, handler, arg,
				     MHD_OPTION_LISTEN_SOCKET, fake_listen_unix(f), MHD_OPTION_END);
	assert_non_null(f->daemon);
}

static inline void *fake_raw_main(void *arg)
{
	struct fake *f = arg;
	char request[4096];
	int fd = accept(f->listener, NULL, NULL);

	if (fd < 0)
		return NULL;
	if (read(fd, request, sizeof(request)) > 0)
		send(fd, f->text, strlen(f->text), MSG_NOSIGNAL);
	while (f->endless && send(fd, f->endless, strlen(f->endless), MSG_NOSIGNAL) > 0)
		;
	close(fd);
	return NULL;
}

/* Answers one connection with text, then with endless (or NULL) over and over. */
static inline void fake_start_raw(struct fake *f, const char *text, const char *endless)
{
	*f = (struct fake){ .text = text, .endless = endless };
	fake_listen_tcp(f);
	assert_int_equal(pthread_create(&f->thread, NULL, fake_raw_main, f), 0);
}

static inline void fake_stop(struct fake *f)
{
	if (f->text) {
		shutdown(f->listener, SHUT_RDWR);
		pthread_join(f->thread, NULL);
		close(f->listener);
	} else {
		MHD_stop_daemon(f->daemon);
	}
	if (f->path[0])
		unlink(f->path);
	if (f->dir[0])
		rmdir(f->dir);
}

/* Answers text; headers come in pairs, NULL at the end. */
static inline enum MHD_Result fake_answer(struct MHD_Connection *c, unsigned int status,
					  const char *text, size_t n, const char *const *headers)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(n, (void *)text,
								 MHD_RESPMEM_MUST_COPY);
	enum MHD_Result rc;

	for (; headers && headers[0]; headers += 2)
		MHD_add_response_header(r, headers[0], headers[1]);
	rc = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return rc;
}

#endif
