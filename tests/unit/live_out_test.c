/* SPDX-License-Identifier: Apache-2.0
 *
 * live_out_test.c - pipes, sockets and files whose readers are slow, stand still, or have gone; and the
 * pipe between two threads
 */
#include "../../coordinator/live_out.h"
#include "../../coordinator/live_pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY (3u << 20)

static uint8_t *numbers(void)
{
	uint8_t *p = xmalloc(MANY);

	for (size_t i = 0; i < MANY; i++)
		p[i] = (uint8_t)(i * 2654435761u >> 24);
	return p;
}

struct reader {
	pthread_t thread;
	int fd;
	uint8_t *got;
	size_t n;
};

static void *read_slowly(void *arg)
{
	struct reader *r = arg;
	ssize_t n;

	while ((n = read(r->fd, r->got + r->n, 10007)) > 0)
		r->n += (size_t)n;
	return NULL;
}

static void all_bytes_through(int read_end, int write_end)
{
	cleanup_free uint8_t *sent = numbers(), *got = xmalloc(MANY + 10007);
	struct reader r = { .fd = read_end, .got = got };
	volatile bool give_up = false;

	assert_int_equal(pthread_create(&r.thread, NULL, read_slowly, &r), 0);
	assert_int_equal(live_out(write_end, sent, MANY, &give_up), 0);
	close(write_end);
	pthread_join(r.thread, NULL);
	close(read_end);
	assert_int_equal(r.n, MANY);
	assert_memory_equal(got, sent, MANY);
}

static void everything_arrives(void **state)
{
	int p[2];

	assert_int_equal(pipe2(p, O_CLOEXEC), 0);
	all_bytes_through(p[0], p[1]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p), 0);
	all_bytes_through(p[0], p[1]);
}

static void a_file_too(void **state)
{
	cleanup_free uint8_t *sent = numbers(), *got = xmalloc(MANY);
	cleanup_close int fd = memfd_create("test", MFD_CLOEXEC);
	volatile bool give_up = false;

	assert_int_equal(live_out(fd, sent, MANY, &give_up), 0);
	assert_int_equal(pread(fd, got, MANY, 0), MANY);
	assert_memory_equal(got, sent, MANY);
	assert_false(live_out_is_closed(fd));
}

static void the_reader_has_gone(void **state)
{
	volatile bool give_up = false;
	int p[2];

	for (int kind = 0; kind < 2; kind++) {
		int r = kind ? pipe2(p, O_CLOEXEC)
			     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p);

		assert_int_equal(r, 0);
		assert_false(live_out_is_closed(p[1]));
		close(p[0]);
		assert_true(live_out_is_closed(p[1]));
		assert_int_equal(live_out(p[1], "x", 1, &give_up), -EPIPE);
		close(p[1]);
	}
}

static void *give_up_soon(void *arg)
{
	volatile bool *give_up = arg;

	clock_sleep_ms(50);
	__atomic_store_n(give_up, true, __ATOMIC_RELAXED);
	return NULL;
}

/* Its flags are as they were: others may share it. */
static void the_reader_stands_still(void **state)
{
	cleanup_free uint8_t *sent = numbers();
	int p[2];

	for (int kind = 0; kind < 2; kind++) {
		int r = kind ? pipe2(p, O_CLOEXEC)
			     : socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, p);
		volatile bool give_up = false;
		pthread_t t;

		assert_int_equal(r, 0);
		assert_int_equal(pthread_create(&t, NULL, give_up_soon, (void *)&give_up), 0);
		assert_int_equal(live_out(p[1], sent, MANY, &give_up), -ECANCELED);
		pthread_join(t, NULL);
		assert_int_equal(fcntl(p[1], F_GETFL) & O_NONBLOCK, 0);
		close(p[0]);
		close(p[1]);
	}
}

/* ---- between two threads ---- */

struct writer {
	pthread_t thread;
	struct live_pipe *pipe;
	const uint8_t *data;
	int r;
};

static void *write_all(void *arg)
{
	struct writer *w = arg;

	w->r = live_pipe_put(w->pipe, w->data, MANY);
	live_pipe_end(w->pipe);
	return NULL;
}

static void bytes_in_order(void **state)
{
	cleanup_free uint8_t *sent = numbers(), *got = xmalloc(MANY);
	cleanup_close int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct writer w = { .pipe = live_pipe_new(bell), .data = sent };
	struct pollfd p = { .fd = bell, .events = POLLIN };
	size_t n = 0;
	uint64_t count;
	ssize_t r;

	assert_int_equal(live_pipe_read(w.pipe, got, MANY), -EAGAIN);
	assert_int_equal(pthread_create(&w.thread, NULL, write_all, &w), 0);
	while ((r = live_pipe_read(w.pipe, got + n, 9999)) != 0) {
		if (r > 0) {
			n += (size_t)r;
			continue;
		}
		assert_int_equal(r, -EAGAIN);
		assert_int_equal(poll(&p, 1, 60000), 1);
		assert_int_equal(read(bell, &count, sizeof(count)), sizeof(count));
	}
	pthread_join(w.thread, NULL);
	assert_int_equal(w.r, 0);
	assert_int_equal(n, MANY);
	assert_memory_equal(got, sent, MANY);
	live_pipe_free(w.pipe);
}

static void a_closed_one_holds_nobody(void **state)
{
	cleanup_free uint8_t *sent = numbers(), *got = xmalloc(MANY);
	cleanup_close int bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct writer w = { .pipe = live_pipe_new(bell), .data = sent };

	assert_int_equal(pthread_create(&w.thread, NULL, write_all, &w), 0);
	/* it is full, and somebody waits */
	while (live_pipe_read(w.pipe, got, 1) != 1)
		clock_sleep_ms(1);
	live_pipe_close(w.pipe);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.r, -EPIPE);
	assert_int_equal(live_pipe_read(w.pipe, got, 1), 0);
	live_pipe_free(w.pipe);
}

static int ignore_sigpipe(void **state)
{
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_arrives),
		cmocka_unit_test(a_file_too),
		cmocka_unit_test(the_reader_has_gone),
		cmocka_unit_test(the_reader_stands_still),
		cmocka_unit_test(bytes_in_order),
		cmocka_unit_test(a_closed_one_holds_nobody),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
