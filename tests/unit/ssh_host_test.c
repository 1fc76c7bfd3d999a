/* SPDX-License-Identifier: Apache-2.0
 *
 * ssh_host_test.c - --ssh-host: what is taken, what wins, what a node's name may not do
 */
#include "../../coordinator/ssh_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_shapes(void **state)
{
	static const char *const good[] = { "n1=host", "n1=root@host:2222", "%=%.example.net",
					    "n1=10.0.0.1", "n1=[fd00::1]:22", "n1=fd00::1",
					    "%=adm@%:1" };
	static const char *const bad[] = { "", "n1", "=host", "n1=", "n1=-oProxyCommand=x",
					   "n1=a b", "n1=host:0", "n1=host:65536", "n1=host:ssh",
					   "n1=$(id)", "n%=x", "n1=-u@host", "n1=@host", "n1=a;b",
					   "n1=user@" };
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_int_equal(ssh_host_check(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		err_reset(&err);
		if (ssh_host_check(bad[i], &err) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
		assert_true(*err.text);
	}
}

static void expect(const char *const *list, size_t n, const char *id, const char *name,
		   const char *wanted)
{
	cleanup_ssh_host struct ssh_host h = SSH_HOST_INIT;
	struct err err = ERR_INIT;
	char text[300];

	assert_int_equal(ssh_host_find(list, n, id, name, &h, &err), 0);
	snprintf(text, sizeof(text), "%s|%s|%u", h.user ? h.user : "", h.host, h.port);
	assert_string_equal(text, wanted);
}

static void test_which_wins(void **state)
{
	static const char *const list[] = { "n1=one", "%=%.example.net:22", "n2=admin@two:2222",
					    "n1=last", "%=ops@%.lan", "idthree=three" };
	struct ssh_host h;

	expect(list, 6, "x", "n1", "|last|0");
	expect(list, 6, "x", "n2", "admin|two|2222");
	expect(list, 6, "x", "n9", "ops|n9.lan|0");
	expect(list, 6, "idthree", "n3", "|three|0");
	expect(list, 2, "x", "web-7", "|web-7.example.net|22");
	assert_int_equal(ssh_host_find(list, 1, "x", "n2", &h, NULL), SSH_HOST_E_NONE);
	/* no id, no name: nothing is about such a node but % */
	assert_int_equal(ssh_host_find(list, 1, "", "", &h, NULL), SSH_HOST_E_NONE);
}

static void test_hostile_names(void **state)
{
	static const char *const list[] = { "%=%" }, *const suffix[] = { "%=%.lan" };
	static const char *const names[] = { "-oProxyCommand=id", "a b", "a;b", "%", "$(id)", "",
					     "a\nb", "\xff", "a/b" };
	struct err err = ERR_INIT;
	struct ssh_host h;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		assert_int_equal(ssh_host_find(list, 1, "x", names[i], &h, &err), -EINVAL);
		assert_null(h.host);
		if (*names[i])
			assert_int_equal(ssh_host_find(suffix, 1, "x", names[i], &h, &err),
					 -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shapes),
		cmocka_unit_test(test_which_wins),
		cmocka_unit_test(test_hostile_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
