/* SPDX-License-Identifier: Apache-2.0
 *
 * err_test.c - an error is a sentence, filled once
 */
#include "err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_first_wins(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_set(&e, -EINVAL, "bad %s", "thing"), -EINVAL);
	assert_int_equal(err_set(&e, -EIO, "later"), -EIO);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.text, "bad thing");
	errno = ENOSPC;
	assert_int_equal(err_errno(&e, "later"), -ENOSPC);
	assert_string_equal(e.text, "bad thing");
}

static void test_errno(void **state)
{
	struct err e = ERR_INIT;

	errno = ENOSPC;
	assert_int_equal(err_errno(&e, "cannot write '%s'", "f"), -ENOSPC);
	assert_string_equal(e.text, "cannot write 'f': No space left on device");
	assert_int_equal(err_add(&e, " (node %s)", "n2"), -ENOSPC);
	assert_string_equal(e.text, "cannot write 'f': No space left on device (node n2)");

	err_reset(&e);
	assert_int_equal(e.code, 0);
	assert_string_equal(e.text, "");
	errno = 0;
	assert_int_equal(err_errno(&e, "odd"), -EIO);
}

static void test_add_to_nothing(void **state)
{
	struct err e = ERR_INIT;

	assert_int_equal(err_add(&e, "where"), 0);
	assert_string_equal(e.text, "");
}

static void test_null(void **state)
{
	assert_int_equal(err_set(NULL, -EPERM, "x"), -EPERM);
	errno = ENOENT;
	assert_int_equal(err_errno(NULL, "x"), -ENOENT);
	assert_int_equal(err_add(NULL, "x"), -EIO);
	err_reset(NULL);
}

static void test_long_is_cut(void **state)
{
	struct err e = ERR_INIT;

	err_set(&e, -EINVAL, "%*d", 3000, 1);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_int_equal(err_add(&e, "more"), -EINVAL);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first_wins),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_add_to_nothing),
		cmocka_unit_test(test_null),
		cmocka_unit_test(test_long_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
