/* SPDX-License-Identifier: Apache-2.0
 *
 * buf_test.c - growth up to the ceiling, and text made safe for a terminal
 */
#include "buf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_grows_to_ceiling(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1000);

	assert_string_equal(b.data, "");
	for (int i = 0; i < 100; i++)
		assert_int_equal(buf_add(&b, "0123456789", 10), 0);
	assert_int_equal(b.len, 1000);
	assert_int_equal(b.data[1000], '\0');
	assert_int_equal(buf_add(&b, "x", 1), -EFBIG);
	assert_int_equal(buf_addf(&b, "%d", 1), -EFBIG);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(b.len, 1000);
	assert_string_equal(b.data + 990, "0123456789");
}

static void test_addf(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(5000);

	assert_int_equal(buf_addf(&b, "%s-%d", "a", 7), 0);
	assert_int_equal(buf_addf(&b, "%*s", 3000, "x"), 0);
	assert_int_equal(b.len, 3003);
	assert_memory_equal(b.data, "a-7   ", 6);
	buf_reset(&b);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_addf(&b, "%s", ""), 0);
	assert_string_equal(b.data, "");
}

static void test_take(void **state)
{
	struct buf b = BUF_INIT(100);
	cleanup_free char *empty = buf_take(&b);
	cleanup_free char *text = NULL;

	assert_string_equal(empty, "");
	buf_add(&b, "abc", 3);
	text = buf_take(&b);
	assert_string_equal(text, "abc");
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	buf_release(&b);
	buf_release(&b);
}

static void check_safe(const char *in, const char *out)
{
	cleanup_buf struct buf b = BUF_INIT(1000);

	assert_int_equal(buf_add_safe(&b, in), 0);
	assert_string_equal(b.data, out);
}

static void test_safe(void **state)
{
	check_safe("", "");
	check_safe("web.3 caf\xc3\xa9 \xf0\x9f\x90\x9d", "web.3 caf\xc3\xa9 \xf0\x9f\x90\x9d");
	check_safe("\x1b[31mred\n", "\\x1b[31mred\\x0a");
	check_safe("\x7f\t", "\\x7f\\x09");
	check_safe("a\xff\xc3", "a\\xff\\xc3");
	/* C1: CSI in UTF-8; a right-to-left override; a line separator */
	check_safe("\xc2\x9b" "2J", "\\xc2\\x9b2J");
	check_safe("\xe2\x80\xae" "x", "\\xe2\\x80\\xaex");
	check_safe("\xe2\x80\xa8", "\\xe2\\x80\\xa8");
	/* overlong, surrogate */
	check_safe("\xc0\xaf\xed\xa0\x80", "\\xc0\\xaf\\xed\\xa0\\x80");
}

static void test_safe_is_whole_or_nothing(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(10);

	assert_int_equal(buf_add(&b, "abc", 3), 0);
	assert_int_equal(buf_add_safe(&b, "12345\x01"), -EFBIG);
	assert_string_equal(b.data, "abc");
	assert_int_equal(b.len, 3);
	assert_int_equal(buf_add_safe(&b, "123\x01"), 0);
	assert_string_equal(b.data, "abc123\\x01");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grows_to_ceiling),
		cmocka_unit_test(test_addf),
		cmocka_unit_test(test_take),
		cmocka_unit_test(test_safe),
		cmocka_unit_test(test_safe_is_whole_or_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
