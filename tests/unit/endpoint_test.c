/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoint_test.c - host strings of each kind, good and bad
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "endpoint.h"

static void check(const char *host, bool tls, const char *url)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT;
	struct err err = ERR_INIT;

	if (endpoint_parse(&e, host, tls, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(e.url, url);
	assert_int_equal(e.tls, tls && e.kind == ENDPOINT_TCP);
}

static void test_unix(void **state)
{
	check(NULL, false, "unix:///var/run/docker.sock");
	check("", false, "unix:///var/run/docker.sock");
	check("unix://", false, "unix:///var/run/docker.sock");
	check("unix:///a/b", true, "unix:///a/b");
}

static void test_tcp(void **state)
{
	check("", true, "tcp://localhost:2376");
	check("tcp://", false, "tcp://localhost:2375");
	check("tcp://", true, "tcp://localhost:2376");
	check("h", true, "tcp://h:2375");
	check("h:1", false, "tcp://h:1");
	check("tcp://[::1]", false, "tcp://[::1]:2375");
	check("tcp://[fd00::1]:99/base/", false, "tcp://[fd00::1]:99/base/");
	check("tcp://h/a/b", false, "tcp://h:2375/a/b");
	check(":7", false, "tcp://localhost:7");
}

static void test_ssh(void **state)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT, plain = ENDPOINT_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(endpoint_parse(&e, "ssh://me@[fd00::1]:2222/run/x", true, &err), 0);
	assert_int_equal(e.kind, ENDPOINT_SSH);
	assert_string_equal(e.user, "me");
	assert_string_equal(e.host, "fd00::1");
	assert_int_equal(e.port, 2222);
	assert_string_equal(e.path, "/run/x");
	assert_false(e.tls);
	assert_int_equal(endpoint_parse(&plain, "ssh://h", false, &err), 0);
	assert_null(plain.user);
	assert_int_equal(plain.port, 0);
	assert_string_equal(plain.path, ENDPOINT_SOCKET);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"tcp://[::1", "tcp://[::1]x", "tcp://h:0", "tcp://h:1x", "tcp://h:65536",
		"tcp://u@h", "tcp://h?q", "/a.sock", "http://h", "unix://tcp://h", "ssh://",
		"ssh://@h", "ssh://-oProxyCommand=x", "ssh://-l@h", "ssh://u:secret@h", "ssh://h?x",
		"ssh://h#x", "ssh://h:x", "h h", "tcp://h\x1b[2J",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct endpoint e;
		struct err err = ERR_INIT;

		if (endpoint_parse(&e, bad[i], false, &err) != -EINVAL)
			fail_msg("'%s' is understood", bad[i]);
		assert_null(strstr(err.text, "secret"));
		assert_null(e.url);
	}
}

static void test_other_kinds(void **state)
{
	struct endpoint e;
	struct err err = ERR_INIT;

	assert_int_equal(endpoint_parse(&e, "npipe:////./pipe/d", false, &err), -EPROTONOSUPPORT);
	assert_int_equal(endpoint_parse(&e, "fd://3", false, &err), -EPROTONOSUPPORT);
	assert_non_null(strstr(err.text, "only unix://, tcp:// and ssh://"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unix), cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_ssh), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_other_kinds),
	};

	return cmocka_run_group_tests_name("endpoint", tests, NULL, NULL);
}
