/* SPDX-License-Identifier: Apache-2.0
 *
 * units_test.c - numbers, durations, sizes, times
 */
#include "units.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_u64(void **state)
{
	uint64_t n = 77;

	assert_int_equal(units_parse_u64("65535", 1, 65535, &n), 0);
	assert_int_equal(n, 65535);
	assert_int_equal(units_parse_u64("65536", 1, 65535, &n), -ERANGE);
	assert_int_equal(units_parse_u64("0", 1, 65535, &n), -ERANGE);
	assert_int_equal(units_parse_u64("99999999999999999999", 0, UINT64_MAX, &n), -ERANGE);
	assert_int_equal(units_parse_u64("99999999999999999999x", 0, UINT64_MAX, &n), -EINVAL);
	assert_int_equal(units_parse_u64("", 0, 9, &n), -EINVAL);
	assert_int_equal(units_parse_u64("-1", 0, 9, &n), -EINVAL);
	assert_int_equal(units_parse_u64("+1", 0, 9, &n), -EINVAL);
	assert_int_equal(units_parse_u64(" 1", 0, 9, &n), -EINVAL);
	assert_int_equal(units_parse_u64("0x1", 0, 9, &n), -EINVAL);
	assert_int_equal(units_parse_u64(NULL, 0, 9, &n), -EINVAL);
	assert_int_equal(n, 65535);
	assert_int_equal(units_parse_u64("18446744073709551615", 0, UINT64_MAX, &n), 0);
	assert_true(n == UINT64_MAX);
}

static void test_duration(void **state)
{
	static const struct { const char *s; int rc; int64_t ms; } cases[] = {
		{ "30s", 0, 30000 }, { "5m", 0, 300000 }, { "1h", 0, 3600000 }, { "500ms", 0, 500 },
		{ "0s", 0, 0 }, { "30", -EINVAL, 0 }, { "s", -EINVAL, 0 }, { "1.5s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 }, { "1h30m", -EINVAL, 0 }, { "1d", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 }, { "1S", -EINVAL, 0 }, { "", -EINVAL, 0 },
		{ "9223372036854775807h", -ERANGE, 0 }, { "99999999999999999999s", -ERANGE, 0 },
		{ "9223372036855ms", -ERANGE, 0 }, { "9223372036854ms", 0, 9223372036854 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ms = 0;

		assert_int_equal(units_parse_duration(cases[i].s, &ms), cases[i].rc);
		assert_int_equal(ms, cases[i].ms);
	}
}

static void test_size(void **state)
{
	static const struct { const char *s; int rc; uint64_t bytes; } cases[] = {
		{ "64k", 0, 65536 }, { "100M", 0, 104857600 }, { "2G", 0, 2147483648 },
		{ "2g", 0, 2147483648 },
		{ "812", 0, 812 }, { "0", 0, 0 }, { "1T", -EINVAL, 0 }, { "1kB", -EINVAL, 0 },
		{ "k", -EINVAL, 0 }, { "1.5M", -EINVAL, 0 },
		{ "8589934591G", 0, 9223372035781033984 },
		{ "8589934592G", -ERANGE, 0 }, { "99999999999G", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		uint64_t bytes = 0;

		assert_int_equal(units_parse_size(cases[i].s, &bytes), cases[i].rc);
		assert_int_equal(bytes, cases[i].bytes);
	}
}

static void offsets_are_read(void **state)
{
	static const struct {
		const char *s;
		int rc;
		int64_t ns;
	} cases[] = {
		{ "+3ms", 0, 3000000 }, { "-250us", 0, -250000 }, { "7ns", 0, 7 },
		{ "-1s", 0, -1000000000 }, { "2h", 0, 7200000000000 }, { "0s", 0, 0 },
		{ "", -EINVAL, 0 }, { "+", -EINVAL, 0 }, { "3", -EINVAL, 0 },
		{ "--3ms", -EINVAL, 0 }, { "+-3ms", -EINVAL, 0 }, { "3 ms", -EINVAL, 0 },
		{ "9999999999h", -ERANGE, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int64_t ns = 0;

		assert_int_equal(units_parse_offset(cases[i].s, &ns), cases[i].rc);
		assert_int_equal(ns, cases[i].ns);
	}
}

static void times_are_read(void **state)
{
	static const struct {
		const char *s;
		int64_t ns;
	} good[] = {
		{ "2026-11-23T14:39:05.120334551Z", 1795444745120334551 },
		{ "2026-11-23T14:39:05Z", 1795444745000000000 },
		{ "2026-11-23T14:39:05.5Z", 1795444745500000000 },
		{ "1970-01-01T00:00:00.000000001Z", 1 },
	};
	static const char *const bad[] = {
		"", "2026-11-23", "2026-11-23T14:39:05", "2026-11-23T14:39:05.1234567890Z",
		"2026-11-23T14:39:05Z ", "2026-13-23T14:39:05Z", "1969-12-31T23:59:59Z",
		"2400-01-01T00:00:00Z", "-1-11-23T14:39:05Z",
	};
	int64_t ns = 7;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(units_parse_time(good[i].s, &ns), 0);
		assert_int_equal(ns, good[i].ns);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(units_parse_time(bad[i], &ns) < 0);
	assert_int_equal(ns, 1);
}

static void test_format(void **state)
{
	char out[UNITS_TIME_MAX];

	assert_string_equal(units_format_time(1795444745120334551, out),
			    "2026-11-23T14:39:05.120334551Z");
	assert_string_equal(units_format_stamp(1795444745120334551, out), "2026-11-23_14-39-05");
	assert_string_equal(units_format_time(-1, out), "1969-12-31T23:59:59.999999999Z");
	assert_string_equal(units_format_time(INT64_MIN, out), "1677-09-21T00:12:43.145224192Z");
	assert_string_equal(units_format_time(INT64_MAX, out), "2262-04-11T23:47:16.854775807Z");
}

static void test_format_size(void **state)
{
	char out[UNITS_TIME_MAX];

	assert_string_equal(units_format_size(0, out), "0 B");
	assert_string_equal(units_format_size(1023, out), "1023 B");
	assert_string_equal(units_format_size(1024, out), "1.0 KiB");
	assert_string_equal(units_format_size(12897485, out), "12.3 MiB");
	assert_string_equal(units_format_size((1 << 20) - 1, out), "1.0 MiB");
	assert_string_equal(units_format_size(UINT64_MAX, out), "16.0 EiB");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_read),
		cmocka_unit_test(offsets_are_read),
		cmocka_unit_test(test_u64),
		cmocka_unit_test(test_duration),
		cmocka_unit_test(test_size),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_size),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
