/* SPDX-License-Identifier: Apache-2.0
 *
 * names_test.c - ids and file names; nothing hostile gets through
 */
#include "names.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define STAMP_NS (1795444745LL * NS_PER_S + 120334551)	/* 2026-11-23T14:39:05.120334551Z */

static void test_id(void **state)
{
	char a[NAMES_ID_MAX], b[NAMES_ID_MAX];

	names_new_id(STAMP_NS, a);
	names_new_id(STAMP_NS, b);
	assert_true(str_starts(a, "20261123T143905Z-"));
	assert_true(names_is_id(a));
	assert_string_not_equal(a, b);
}

static void test_is_id(void **state)
{
	static const char *const bad[] = {
		"", "20261123T143905Z-3fa9c", "20261123T143905Z-3fa9c1x", "20261123T143905Z-3fa9C1",
		"2026112_T143905Z-3fa9c1", "20261123t143905Z-3fa9c1", "20261123T143905Z/3fa9c1",
		"../../../../../../etc/pa", "20261123T143905Z-3fa9c1\n",
	};

	assert_true(names_is_id("20261123T143905Z-3fa9c1"));
	assert_false(names_is_id(NULL));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_false(names_is_id(bad[i]));
}

static void cleans(const char *in, size_t max, const char *want)
{
	cleanup_free char *got = names_clean(in, max);

	assert_string_equal(got, want);
}

static void test_clean(void **state)
{
	cleans("web.3-a_B", 100, "web.3-a_B");
	cleans("../../etc/passwd", 100, "_._.._etc_passwd");
	cleans("-rf", 100, "_rf");
	cleans(".hidden", 100, "_hidden");
	cleans("", 100, "_");
	cleans(NULL, 100, "_");
	cleans("a\x1b[1m\n", 100, "a__1m_");
	cleans("\xc3\xa9", 100, "__");
	cleans("abcdef", 3, "abc");
	cleans("abc", 0, "");
}

static void files(const struct names_file *f, const char *want)
{
	cleanup_free char *got = names_file(f);

	assert_string_equal(got, want);
}

static void test_file(void **state)
{
	struct names_file f = { "node1", "web.3.k7x2a9", STAMP_NS, -1, NULL, "pcapng" };

	files(&f, "node1-web.3.k7x2a9-2026-11-23_14-39-05.pcapng");
	f.segment = 7;
	files(&f, "node1-web.3.k7x2a9-2026-11-23_14-39-05-007.pcapng");
	f.suffix = "raw";
	files(&f, "node1-web.3.k7x2a9-2026-11-23_14-39-05-007-raw.pcapng");
	f.segment = 12345;
	f.host = "../n\n1";
	f.ext = "pcap";
	files(&f, "_._n_1-web.3.k7x2a9-2026-11-23_14-39-05-12345-raw.pcap");
}

static void test_long_file(void **state)
{
	char host[400], target[400];
	struct names_file f = { host, target, STAMP_NS, 3, "raw", "pcapng" };
	cleanup_free char *both = NULL, *one = NULL, *other = NULL;

	memset(host, 'h', sizeof(host));
	strcpy(host + 300, "_abc123");
	memset(target, 't', sizeof(target));
	strcpy(target + 300, ".17.k7x2a9");

	both = names_file(&f);
	assert_int_equal(strlen(both), NAMES_FILE_MAX - 1);
	assert_non_null(strstr(both, "h_abc123-t"));
	assert_non_null(strstr(both, "t.17.k7x2a9-2026-11-23_14-39-05-003-raw.pcapng"));

	f.host = "node1";
	one = names_file(&f);
	assert_int_equal(strlen(one), NAMES_FILE_MAX - 1);
	assert_true(str_starts(one, "node1-tttt"));
	assert_non_null(strstr(one, "t.17.k7x2a9-2026-11-23_14-39-05-003-raw.pcapng"));

	f.host = host;
	f.target = "web.3.k7x2a9";
	other = names_file(&f);
	assert_int_equal(strlen(other), NAMES_FILE_MAX - 1);
	assert_non_null(strstr(other, "h_abc123-web.3.k7x2a9-2026"));
}

static void test_task(void **state)
{
	cleanup_free char *slot = names_task("web", 3, "nodeid7890", "k7x2a9bcdefg");
	cleanup_free char *global = names_task("gen", 0, "nodeid7890", "k7x2a9bcdefg");

	assert_string_equal(slot, "web.3.k7x2a9");
	assert_string_equal(global, "gen.nodeid.k7x2a9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_id),
		cmocka_unit_test(test_is_id),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_long_file),
		cmocka_unit_test(test_task),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
