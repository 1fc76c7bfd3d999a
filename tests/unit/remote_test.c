/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_test.c - commands and sockets over a real sshd
 */
#include "sshd.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sys/un.h>

#include "../../coordinator/remote.h"

static struct sshd server;
static struct remote *remote;

static int setup(void **state)
{
	struct err err = ERR_INIT;

	sshd_setup();
	sshd_start(&server, "");
	sshd_trust(&server);
	if (remote_open(&remote, &(struct remote_place){ .host = "127.0.0.1", .port = server.port },
			&err) < 0)
		fail_msg("%s", err.text);
	return 0;
}

static int teardown(void **state)
{
	remote_close(remote);
	sshd_stop(&server);
	sshd_cleanup();
	return 0;
}

static void test_a_command_with_input_output_and_status(void **state)
{
	cleanup_buf struct buf out = BUF_INIT(1024), errs = BUF_INIT(1024);
	struct remote_job job = {
		.command = "tr a-z A-Z; echo talk >&2; exit 7", .input = "hello", .input_len = 5,
		.out = &out, .errs = &errs, .timeout_ms = 10000,
	};
	struct err err = ERR_INIT;

	assert_int_equal(remote_do(remote, &job, &err), 0);
	assert_int_equal(job.status, 7);
	assert_string_equal(out.data, "HELLO");
	assert_string_equal(errs.data, "talk\n");
	assert_true(remote_alive(remote));
}

static void test_a_command_that_a_signal_ends(void **state)
{
	struct remote_job job = { .command = "kill -TERM $$", .timeout_ms = 10000 };

	assert_int_equal(remote_do(remote, &job, NULL), 0);
	assert_int_equal(job.status, 128 + SIGTERM);
}

static void test_a_command_that_does_not_end(void **state)
{
	struct remote_job job = { .command = "sleep 30", .timeout_ms = 300 };
	struct err err = ERR_INIT;

	assert_int_equal(remote_do(remote, &job, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "does not end"));
}

static void test_too_much_output(void **state)
{
	cleanup_buf struct buf out = BUF_INIT(1000);
	struct remote_job job = { .command = "head -c 100000 /dev/zero", .out = &out,
				  .timeout_ms = 10000 };

	assert_int_equal(remote_do(remote, &job, NULL), -EFBIG);
}

/* 64 MiB there and back; sha256sum on both sides judges. */
static void test_many_bytes_both_ways(void **state)
{
	cleanup_free char *path = xasprintf("%s/big", server.dir);
	struct remote_process p;
	struct err err = ERR_INIT;
	char line[128] = "", data[65536];
	FILE *sum, *file;
	ssize_t n;
	pid_t feeder;

	sh("head -c 67108864 /dev/urandom >%s", path);
	assert_int_equal(remote_start(remote, "cat", &p, &err), 0);
	feeder = fork();
	if (feeder == 0) {
		file = fopen(path, "re");
		while (file && (n = (ssize_t)fread(data, 1, sizeof(data), file)) > 0)
			if (util_write_full(p.in, data, (size_t)n) < 0)
				_exit(1);
		_exit(0);
	}
	p.in = util_close(p.in);
	snprintf(line, sizeof(line), "sha256sum | cut -d' ' -f1 >%s/back", server.dir);
	sum = popen(line, "w");
	assert_non_null(sum);
	while ((n = read(p.out, data, sizeof(data))) > 0)
		assert_int_equal(fwrite(data, 1, (size_t)n, sum), n);
	pclose(sum);
	assert_int_equal(remote_wait(&p, 10000), 0);
	remote_process_release(&p);
	waitpid(feeder, NULL, 0);
	sh("[ \"$(sha256sum <%s | cut -d' ' -f1)\" = \"$(cat %s/back)\" ]", path, server.dir);
}

/* Who does not read is waited for, and others are served meanwhile. */
static void test_a_slow_reader_holds_nobody_up(void **state)
{
	struct remote_process slow;
	size_t total = 0;
	char data[65536];
	ssize_t n;

	assert_int_equal(remote_start(remote, "head -c 20000000 /dev/zero", &slow, NULL), 0);
	for (int i = 0; i < 5; i++) {
		cleanup_buf struct buf out = BUF_INIT(100);
		struct remote_job job = { .command = "echo there", .out = &out, .timeout_ms = 10000 };

		assert_int_equal(remote_do(remote, &job, NULL), 0);
		assert_string_equal(out.data, "there\n");
	}
	while ((n = read(slow.out, data, sizeof(data))) > 0)
		total += (size_t)n;
	assert_int_equal(total, 20000000);
	assert_int_equal(remote_wait(&slow, 10000), 0);
	remote_process_release(&slow);
}

/* Closing its stdin ends it; and releasing it while it runs lets the channel go. */
static void test_the_end_of_stdin_is_seen(void **state)
{
	struct remote_process p;

	assert_int_equal(remote_start(remote, "cat >/dev/null; exit 3", &p, NULL), 0);
	assert_int_equal(remote_wait(&p, 200), -ETIMEDOUT);
	p.in = util_close(p.in);
	assert_int_equal(remote_wait(&p, 10000), 3);
	remote_process_release(&p);
	assert_int_equal(remote_start(remote, "cat", &p, NULL), 0);
	remote_process_release(&p);
	assert_true(remote_alive(remote));
}

static int listen_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_return_code(listen(fd, 4), 0);
	return fd;
}

/* What is said on one end comes out of the other, and so do both half-closes. */
static void talk_through(int ours, int listener)
{
	int theirs = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	char data[8] = "";

	assert_return_code(theirs, 0);
	assert_int_equal(write(ours, "ping", 4), 4);
	assert_int_equal(util_read_full(theirs, data, 4), 0);
	assert_string_equal(data, "ping");
	shutdown(ours, SHUT_WR);
	assert_int_equal(read(theirs, data, sizeof(data)), 0);
	assert_int_equal(write(theirs, "pong", 4), 4);
	close(theirs);
	assert_int_equal(util_read_full(ours, data, 4), 0);
	assert_string_equal(data, "pong");
	assert_int_equal(read(ours, data, sizeof(data)), 0);
	close(ours);
}

static void test_sockets_on_the_far_side(void **state)
{
	cleanup_free char *path = xasprintf("%s/sock", server.dir);
	cleanup_close int at_unix = listen_unix(path);
	struct sockaddr_in sa = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sa);
	cleanup_close int at_tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int fd = remote_dial_unix(remote, path, NULL);

	assert_return_code(fd, 0);
	talk_through(fd, at_unix);

	assert_return_code(bind(at_tcp, (struct sockaddr *)&sa, len), 0);
	assert_return_code(listen(at_tcp, 4), 0);
	assert_return_code(getsockname(at_tcp, (struct sockaddr *)&sa, &len), 0);
	fd = remote_dial_tcp(remote, "127.0.0.1", ntohs(sa.sin_port), NULL);
	assert_return_code(fd, 0);
	talk_through(fd, at_tcp);
}

static void test_sockets_that_are_not_there(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(remote_dial_tcp(remote, "127.0.0.1", 1, &err), -ECONNREFUSED);
	assert_non_null(strstr(err.text, "cannot connect to 127.0.0.1"));
	assert_true(remote_dial_unix(remote, "/no/such/socket", NULL) < 0);
	assert_true(remote_alive(remote));
}

static void test_a_command_as_a_socket(void **state)
{
	int fd = remote_start_socket(remote, "cat", NULL);
	char data[8] = "";

	assert_return_code(fd, 0);
	assert_int_equal(write(fd, "ping", 4), 4);
	assert_int_equal(util_read_full(fd, data, 4), 0);
	assert_string_equal(data, "ping");
	shutdown(fd, SHUT_WR);
	assert_int_equal(read(fd, data, sizeof(data)), 0);
	close(fd);
}

static void *many_commands(void *arg)
{
	for (int i = 0; i < 8; i++) {
		cleanup_free char *command = xasprintf("echo %d-%d", *(int *)arg, i);
		cleanup_free char *wanted = xasprintf("%d-%d\n", *(int *)arg, i);
		cleanup_buf struct buf out = BUF_INIT(100);
		struct remote_job job = { .command = command, .out = &out, .timeout_ms = 20000 };

		if (remote_do(remote, &job, NULL) < 0 || strcmp(out.data, wanted))
			return (void *)"bad";
	}
	return NULL;
}

static void test_threads_share_a_session(void **state)
{
	pthread_t threads[4];
	int numbers[4];
	void *bad;

	for (int i = 0; i < 4; i++) {
		numbers[i] = i;
		assert_int_equal(pthread_create(&threads[i], NULL, many_commands, &numbers[i]), 0);
	}
	for (int i = 0; i < 4; i++) {
		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
}

static void test_words_for_a_shell(void **state)
{
	static const char *const words[] = { "plain", "", "a b", "it's", "$(id)", "-x", "a\nb",
					     "`ls`;&|<>*?\"\\" };

	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		cleanup_free char *word = remote_quote(words[i]);
		cleanup_free char *command = xasprintf("printf %%s %s", word);
		cleanup_buf struct buf out = BUF_INIT(100);
		struct remote_job job = { .command = command, .out = &out, .timeout_ms = 10000 };

		if (words[i][0] == '-')
			continue;
		assert_int_equal(remote_do(remote, &job, NULL), 0);
		assert_string_equal(out.data, words[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_command_with_input_output_and_status),
		cmocka_unit_test(test_a_command_that_a_signal_ends),
		cmocka_unit_test(test_a_command_that_does_not_end),
		cmocka_unit_test(test_too_much_output),
		cmocka_unit_test(test_many_bytes_both_ways),
		cmocka_unit_test(test_a_slow_reader_holds_nobody_up),
		cmocka_unit_test(test_the_end_of_stdin_is_seen),
		cmocka_unit_test(test_sockets_on_the_far_side),
		cmocka_unit_test(test_sockets_that_are_not_there),
		cmocka_unit_test(test_a_command_as_a_socket),
		cmocka_unit_test(test_threads_share_a_session),
		cmocka_unit_test(test_words_for_a_shell),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
