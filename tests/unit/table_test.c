/* SPDX-License-Identifier: Apache-2.0
 *
 * table_test.c - columns of text for people
 */
#include "../../coordinator/table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char *printed(const struct table *t)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	assert_non_null(f);
	table_print(f, t);
	fclose(f);
	return text;
}

static void columns_are_as_wide_as_their_widest(void **state)
{
	cleanup_table struct table t = TABLE_INIT(3);
	cleanup_free char *text = NULL;

	table_add(&t, "ID");
	table_add(&t, "STATE");
	table_add(&t, "N");
	table_addf(&t, "%d-%s", 12345, "abc");
	table_add(&t, "");
	table_add(&t, NULL);
	/* two bytes, one column */
	table_add(&t, "\xc3\xa4");
	table_add(&t, "x");
	table_add(&t, "12");
	text = printed(&t);
	assert_string_equal(text, "ID         STATE  N\n"
				  "12345-abc  -      -\n"
				  "\xc3\xa4          x      12\n");
}

static void nothing_in_a_cell_reaches_the_terminal(void **state)
{
	cleanup_table struct table t = TABLE_INIT(1);
	cleanup_free char *text = NULL;

	table_add(&t, "a\nb\033[31m\xff");
	text = printed(&t);
	assert_string_equal(text, "a\\x0ab\\x1b[31m\\xff\n");
}

static void an_empty_one_prints_nothing(void **state)
{
	cleanup_table struct table t = TABLE_INIT(2);
	cleanup_free char *text = printed(&t);

	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_their_widest),
		cmocka_unit_test(nothing_in_a_cell_reaches_the_terminal),
		cmocka_unit_test(an_empty_one_prints_nothing),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
