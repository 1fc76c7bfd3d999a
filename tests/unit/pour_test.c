/* SPDX-License-Identifier: Apache-2.0
 *
 * pour_test.c - the namespace as a stream on stdout: known numbers of packets, judged by tshark
 */
#include "agent_world.h"
#include "judge.h"
#include "../../agent/pour.h"

#include <poll.h>
#include <signal.h>

static bool root;

/* pour in a process of its own, as in its container. */
struct child {
	pid_t pid;
	int in, out, errs;
};

static _Noreturn void be_child(const struct options *o, int in, int out, int errs)
{
	struct err err = ERR_INIT;
	sigset_t set;
	int r;

	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(errs, STDERR_FILENO);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	r = pour(o, &err);
	if (r)
		dprintf(STDERR_FILENO, "%s\n", err.text);
	_exit(r ? 1 : 0);
}

static struct child start(const struct options *o)
{
	int in[2], out[2], errs[2];
	struct child c;

	assert_return_code(pipe2(in, O_CLOEXEC), errno);
	assert_return_code(pipe2(out, O_CLOEXEC), errno);
	assert_return_code(pipe2(errs, O_CLOEXEC), errno);
	c = (struct child){ .in = in[1], .out = out[0], .errs = errs[0], .pid = fork() };
	assert_return_code(c.pid, errno);
	if (c.pid == 0) {
		/* its own hold on the other ends would keep them open */
		close(in[1]);
		close(out[0]);
		be_child(o, in[0], out[1], errs[1]);
	}
	close(in[0]);
	close(out[1]);
	close(errs[1]);
	return c;
}

/* What has come until text did, at most 5 s. */
static void wait_for(int fd, struct buf *b, const char *text)
{
	int64_t end = clock_mono_ns() + 5 * NS_PER_S;

	while (!memmem(b->data, b->len, text, strlen(text))) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		char bytes[65536];
		ssize_t n;

		if (clock_mono_ns() > end)
			fail_msg("no '%s' in: %s", text, b->data);
		if (poll(&p, 1, 100) < 1)
			continue;
		n = read(fd, bytes, sizeof(bytes));
		if (n <= 0)
			fail_msg("ended without '%s': %s", text, b->data);
		buf_add(b, bytes, (size_t)n);
	}
}

static void read_all(int fd, struct buf *b)
{
	char bytes[65536];
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		assert_int_equal(buf_add(b, bytes, (size_t)n), 0);
}

/* Closes what is open of it; its exit status. */
static int end(struct child *c, struct buf *talk)
{
	int status;

	c->in = util_close(c->in);
	read_all(c->errs, talk);
	assert_int_equal(waitpid(c->pid, &status, 0), c->pid);
	util_close(c->out);
	util_close(c->errs);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static const struct options defaults = { .snaplen = 262144, .beat_s = 60 };

static void test_every_packet_until_stdin_ends(void **state)
{
	cleanup_buf struct buf packets = BUF_INIT(64 << 20), talk = BUF_INIT(1 << 20);
	int64_t closed;
	struct child c;

	WORLD_SKIP(root);
	c = start(&defaults);
	wait_for(c.errs, &talk, "listening on 1 interface\n");
	world_send(500);
	closed = clock_mono_ns();
	c.in = util_close(c.in);
	read_all(c.out, &packets);
	assert_true(clock_mono_ns() - closed < 2 * NS_PER_S);
	assert_int_equal(end(&c, &talk), 0);
	judge_save("x.pcapng", &packets);
	judge_says("tshark -r x.pcapng -Y 'udp.port == 4242' | wc -l", "500");
	judge_says("tshark -r x.pcapng | wc -l", "500");
	judge_says("tshark -r x.pcapng -T fields -e frame.interface_name | sort | uniq -c",
		   "500 lo");
	judge_says("capinfos x.pcapng", "Number of stat entries = 1");
	judge_says("capinfos x.pcapng", "Encapsulation = Ethernet");
	judge_says("tshark -r x.pcapng -T fields -e frame.len | sort -u", "142");
	assert_non_null(strstr(talk.data, "\nswarmcap: stop 1"));
	assert_non_null(strstr(talk.data, "\nswarmcap: end told 0\n"));
}

/* A packet is on stdout soon, though nothing follows it. */
static void test_flushed(void **state)
{
	cleanup_buf struct buf packets = BUF_INIT(1 << 20), talk = BUF_INIT(1 << 20);
	int64_t sent;
	struct child c;

	WORLD_SKIP(root);
	c = start(&(struct options){ .snaplen = 262144, .beat_s = 60, .filter = (char *)"udp" });
	wait_for(c.errs, &talk, "listening on");
	world_send(1);
	sent = clock_mono_ns();
	/* the payload is zeros: no header has so many */
	while (!memmem(packets.data, packets.len, (char[90]){ 0 }, 90)) {
		char bytes[4096];
		ssize_t n = read(c.out, bytes, sizeof(bytes));

		assert_true(n > 0);
		buf_add(&packets, bytes, (size_t)n);
	}
	assert_true(clock_mono_ns() - sent < 400 * NS_PER_MS);
	assert_int_equal(end(&c, &talk), 0);
}

static void test_filter_and_snaplen(void **state)
{
	cleanup_buf struct buf packets = BUF_INIT(1 << 20), talk = BUF_INIT(1 << 20);
	struct child c;

	WORLD_SKIP(root);
	c = start(&(struct options){ .interface = (char *)"lo", .filter = (char *)"udp[11] < 5",
				     .snaplen = 60, .beat_s = 60 });
	wait_for(c.errs, &talk, "listening on");
	world_send(9);
	assert_return_code(kill(c.pid, SIGTERM), errno);
	read_all(c.out, &packets);
	assert_int_equal(end(&c, &talk), 0);
	judge_save("y.pcapng", &packets);
	judge_says("tshark -r y.pcapng -T fields -e frame.cap_len -e frame.len | sort | uniq -c",
		   "9 60\t142");
	judge_says("capinfos y.pcapng", "udp[11] < 5");
}

/* Each byte on stdin renews the lease; silence ends it. */
static void test_lease(void **state)
{
	cleanup_buf struct buf packets = BUF_INIT(1 << 20), talk = BUF_INIT(1 << 20);
	int64_t begin = clock_mono_ns(), took;
	struct child c;

	WORLD_SKIP(root);
	c = start(&(struct options){ .snaplen = 262144, .beat_s = 1 });
	for (int i = 0; i < 4; i++) {
		clock_sleep_ms(500);
		assert_int_equal(write(c.in, "\n", 1), 1);
	}
	read_all(c.out, &packets);
	took = clock_mono_ns() - begin;
	assert_true(took > 2900 * NS_PER_MS);
	assert_true(took < 5 * NS_PER_S);
	assert_int_equal(end(&c, &talk), 0);
	assert_non_null(strstr(talk.data, "nothing on stdin for 1 s"));
	assert_non_null(strstr(talk.data, "swarmcap: end lease 0"));
}

/* A reader that holds still, its stdin open, does not keep it beyond the lease. */
static void test_reader_that_stops(void **state)
{
	cleanup_buf struct buf talk = BUF_INIT(1 << 20);
	int64_t begin = clock_mono_ns();
	struct child c;

	WORLD_SKIP(root);
	c = start(&(struct options){ .snaplen = 262144, .beat_s = 1 });
	wait_for(c.errs, &talk, "listening on");
	world_send(2000);
	read_all(c.errs, &talk);
	assert_int_equal(end(&c, &talk), 1);
	assert_true(clock_mono_ns() - begin < 10 * NS_PER_S);
	assert_non_null(strstr(talk.data, "nobody reads stdout"));
}

static void test_reader_gone(void **state)
{
	cleanup_buf struct buf talk = BUF_INIT(1 << 20);
	struct child c;

	WORLD_SKIP(root);
	c = start(&defaults);
	wait_for(c.errs, &talk, "listening on");
	c.out = util_close(c.out);
	world_send(10);
	read_all(c.errs, &talk);
	assert_int_equal(end(&c, &talk), 1);
	assert_non_null(strstr(talk.data, "cannot write to stdout: Broken pipe"));
}

static void test_refusals(void **state)
{
	cleanup_buf struct buf talk = BUF_INIT(1 << 20);
	struct child c;

	WORLD_SKIP(root);
	c = start(&(struct options){ .interface = (char *)"eth7", .snaplen = 100, .beat_s = 60 });
	assert_int_equal(end(&c, &talk), 1);
	assert_non_null(strstr(talk.data, "no interface eth7"));
	buf_reset(&talk);
	c = start(&(struct options){ .filter = (char *)"udp prt", .snaplen = 100, .beat_s = 60 });
	assert_int_equal(end(&c, &talk), 1);
	assert_non_null(strstr(talk.data, "filter"));
}

static int set_up(void **state)
{
	root = world_enter();
	return judge_setup(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_packet_until_stdin_ends),
		cmocka_unit_test(test_flushed),
		cmocka_unit_test(test_filter_and_snaplen),
		cmocka_unit_test(test_lease),
		cmocka_unit_test(test_reader_that_stops),
		cmocka_unit_test(test_reader_gone),
		cmocka_unit_test(test_refusals),
	};

	return cmocka_run_group_tests(tests, set_up, judge_teardown);
}
