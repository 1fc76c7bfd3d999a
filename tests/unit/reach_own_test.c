/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_own_test.c - $SSH_CONNECTION becomes a filter, or nothing
 */
#include "../../coordinator/reach_own.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "filter.h"

static void check(const char *text, const char *expected)
{
	cleanup_free char *filter = reach_own_connection(text);

	if (!expected) {
		assert_null(filter);
		return;
	}
	assert_string_equal(filter, expected);
	assert_int_equal(filter_check(filter, NULL), 0);
	assert_false(filter_has_names(filter));
}

static void test_connection(void **state)
{
	check("10.99.0.1 51234 10.99.0.11 22\n", "(tcp port 51234 and host 10.99.0.1)");
	check("fd00::1 51234 fd00::2 22\n", "(tcp port 51234 and host fd00::1)");
	check("\n", NULL);
	check("", NULL);
	check("evil 51234 x 22", NULL);
	check("10.0.0.1 0 x 22", NULL);
	check("10.0.0.1 1)or(1 x 22", NULL);
	check("fe80::1%eth0 51234 x 22", NULL);
	check("10.0.0.1 99999 x 22", NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_connection) };

	return cmocka_run_group_tests_name("reach_own", tests, NULL, NULL);
}
