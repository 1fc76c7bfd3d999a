/* SPDX-License-Identifier: Apache-2.0
 *
 * route_test.c - the names of routes
 */
#include "../../coordinator/route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_names_there_and_back(void **state)
{
	for (int r = 0; r < ROUTE_N; r++)
		assert_int_equal(route_parse(route_text((enum route)r)), r);
	assert_int_equal(route_parse("ssh"), ROUTE_NONE);
	assert_int_equal(route_parse(""), ROUTE_NONE);
	assert_null(route_text(ROUTE_NONE));
}

static void test_what_a_route_is(void **state)
{
	assert_false(route_is_ssh(ROUTE_AGENT) || route_is_ssh(ROUTE_LOCAL));
	assert_true(route_is_ssh(ROUTE_SSH_PUSH) && route_is_ssh(ROUTE_SSH_HELPER));
	assert_true(route_has_spool(ROUTE_SSH_PUSH));
	assert_false(route_has_spool(ROUTE_SSH_NSENTER) || route_has_spool(ROUTE_SSH_HELPER));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_there_and_back),
		cmocka_unit_test(test_what_a_route_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
