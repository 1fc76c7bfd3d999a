/* SPDX-License-Identifier: Apache-2.0
 *
 * table_fit_test.c - tables for narrow terminals
 */
#include "../../coordinator/table_fit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check(size_t columns, const char *expected)
{
	cleanup_table struct table t = TABLE_INIT;
	cleanup_free char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	table_head(&t, "NAME", "ADDRESSES", "N", NULL);
	table_row(&t, "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4",
		  "app 10.0.1.5/24", "1", NULL);
	table_fit(&t, columns);
	table_print(&t, f);
	fclose(f);
	assert_string_equal(text, expected);
}

static void test_fit(void **state)
{
	const char *const whole = "NAME      ADDRESSES        N\n"
				  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
				  "  app 10.0.1.5/24  1\n";

	check(0, whole);
	check(28, whole);
	check(22, "NAME      ADDRESSES  N\n"
		  "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4  app 10.0~  1\n");
	/* no narrower than is of use */
	check(3, "NAME    ADDRE~  N\n"
		 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4~  app 1~  1\n");
}

static void test_no_terminal(void **state)
{
	FILE *f = tmpfile();

	setenv("COLUMNS", "40", 1);
	assert_int_equal(table_terminal(f), 0);
	fclose(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit),
		cmocka_unit_test(test_no_terminal),
	};

	return cmocka_run_group_tests_name("table_fit", tests, NULL, NULL);
}
