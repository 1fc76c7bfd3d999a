/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_attach_test.c - heads and frames as moby writes them, cut everywhere
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/tap_attach.h"
#include "buf.h"

static int head(const char *text, struct tap_head *out)
{
	return tap_head_parse(text, strlen(text), out, NULL);
}

/* What dockerd 20.10 says; raw bytes may follow at once. */
static const char upgraded[] = "HTTP/1.1 101 UPGRADED\r\n"
	"Content-Type: application/vnd.docker.raw-stream\r\nConnection: Upgrade\r\n"
	"Upgrade: tcp\r\n\r\n";

static void test_heads(void **state)
{
	struct tap_head h = { 0 };
	char copy[sizeof(upgraded) + 4];

	for (size_t n = 0; n < strlen(upgraded); n++)
		assert_int_equal(tap_head_parse(upgraded, n, &h, NULL), -EAGAIN);
	snprintf(copy, sizeof(copy), "%s\1", upgraded);
	assert_int_equal(tap_head_parse(copy, strlen(copy), &h, NULL), 0);
	assert_int_equal(h.status, 101);
	assert_int_equal(h.size, strlen(upgraded));
	assert_int_equal(head("HTTP/1.0 404 Not Found\r\nX: y\r\n\r\n{}", &h), 0);
	assert_int_equal(h.status, 404);
}

static void test_refused_heads(void **state)
{
	static const char *const bad[] = {
		"SSH-2.0-OpenSSH_9.2p1\r\n", "X", "HTTP/1.1 abc\r\n\r\n", "HTTP/1.1 \r\n\r\n",
		"HTTP/1.1 099 x\r\n\r\n", "HTTP/1.\r\n\r\n", "http/1.1 200 OK\r\n\r\n",
	};
	cleanup_free char *endless = xmalloc(TAP_HEAD_MAX + 1);
	struct tap_head h;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (head(bad[i], &h) != -EPROTO)
			fail_msg("taken: %s", bad[i]);
	memset(endless, 'a', TAP_HEAD_MAX + 1);
	memcpy(endless, "HTTP/1.1 200 ", 13);
	assert_int_equal(tap_head_parse(endless, TAP_HEAD_MAX - 1, &h, &err), -EAGAIN);
	assert_int_equal(tap_head_parse(endless, TAP_HEAD_MAX, &h, &err), -EPROTO);
	assert_non_null(strstr(err.text, "too long"));
	/* an end that stands behind the ceiling does not count */
	memcpy(endless + TAP_HEAD_MAX - 2, "\r\n\r", 3);
	assert_int_equal(tap_head_parse(endless, TAP_HEAD_MAX + 1, &h, NULL), -EPROTO);
}

struct got {
	struct buf pipe[4];
};

static int take(void *arg, enum tap_pipe pipe, const void *p, size_t n)
{
	return buf_add(&((struct got *)arg)->pipe[pipe], p, n);
}

static int refuse(void *arg, enum tap_pipe pipe, const void *p, size_t n)
{
	++*(int *)arg;
	return -EPIPE;
}

#define STREAM "\1\0\0\0\0\0\0\5hello" "\2\0\0\0\0\0\0\3err" "\1\0\0\0\0\0\0\0" \
	"\1\0\0\0\0\0\1\4" TEXT64 TEXT64 TEXT64 TEXT64 "last" "\3\0\0\0\0\0\0\1!"
#define TEXT16 "0123456789abcdef"
#define TEXT64 TEXT16 TEXT16 TEXT16 TEXT16

/* The same stream in pieces of every size. */
static void test_frames(void **state)
{
	static const char stream[] = STREAM;
	const size_t size = sizeof(stream) - 1;

	for (size_t piece = 1; piece <= size; piece++) {
		struct tap_frames f = TAP_FRAMES_INIT;
		struct got got;

		for (size_t i = 0; i < 4; i++)
			got.pipe[i] = (struct buf)BUF_INIT(4096);
		for (size_t at = 0; at < size; at += piece) {
			size_t n = size - at < piece ? size - at : piece;

			assert_int_equal(tap_frames_feed(&f, stream + at, n, take, &got, NULL), 0);
		}
		assert_true(tap_frames_whole(&f));
		assert_string_equal(got.pipe[1].data, "hello" TEXT64 TEXT64 TEXT64 TEXT64 "last");
		assert_string_equal(got.pipe[2].data, "err");
		assert_string_equal(got.pipe[3].data, "!");
		for (size_t i = 0; i < 4; i++)
			buf_release(&got.pipe[i]);
	}
}

static void test_damaged_frames(void **state)
{
	static const char bad[][9] = {
		"\0\0\0\0\0\0\0\1", "\4\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1", "\1\0\0\1\0\0\0\1",
		"\1\0\0\0\1\0\0\1", "\1\0\0\0\377\377\377\377", "HTTP/1.1",
	};
	struct tap_frames f = TAP_FRAMES_INIT;
	struct err err = ERR_INIT;
	int calls = 0;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct tap_frames one = TAP_FRAMES_INIT;

		assert_int_equal(tap_frames_feed(&one, bad[i], 8, refuse, &calls, &err), -EPROTO);
		assert_non_null(strstr(err.text, "damaged"));
	}
	assert_int_equal(calls, 0);
	assert_int_equal(tap_frames_feed(&f, STREAM, sizeof(STREAM) - 1, refuse, &calls, NULL),
			 -EPIPE);
	assert_int_equal(calls, 1);
	f = (struct tap_frames)TAP_FRAMES_INIT;
	assert_int_equal(tap_frames_feed(&f, "\1\0\0\0\0\0\0\5", 8, refuse, &calls, NULL), 0);
	assert_false(tap_frames_whole(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_refused_heads),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_damaged_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
