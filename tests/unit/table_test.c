/* SPDX-License-Identifier: Apache-2.0
 *
 * table_test.c - columns, and what is in their cells
 */
#include "../../coordinator/table.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

static void assert_prints(const struct table *t, const char *want)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	table_print(t, f);
	fclose(f);
	assert_string_equal(text, want);
	free(text);
}

static void columns_are_as_wide_as_needed(void **state)
{
	cleanup_table struct table t = TABLE_INIT;

	assert_prints(&t, "");
	table_head(&t, "NODE", "CLOCK", "END", NULL);
	assert_prints(&t, "");
	table_row(&t, "n1", "+0.001 ms", "duration", NULL);
	table_row(&t, "node2", "", NULL, NULL);
	table_row(&t, "n\xc3\xb6" "de", "x", "y", NULL);
	assert_prints(&t, "NODE   CLOCK      END\n"
			  "n1     +0.001 ms  duration\n"
			  "node2  -          -\n"
			  "n\xc3\xb6" "de   x          y\n");
}

static void cells_are_safe_for_a_terminal(void **state)
{
	cleanup_table struct table t = TABLE_INIT;
	cleanup_free char *huge = xmalloc(2 * TABLE_CELL_MAX + 1), *want = NULL;

	memset(huge, 'x', 2 * TABLE_CELL_MAX);
	huge[2 * TABLE_CELL_MAX] = '\0';
	table_head(&t, "A", NULL);
	table_row(&t, "\033[31m\n", NULL);
	table_row(&t, huge, NULL);
	want = xasprintf("A\n\\x1b[31m\\x0a\n%.*s\n", TABLE_CELL_MAX, huge);
	assert_prints(&t, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_are_as_wide_as_needed),
		cmocka_unit_test(cells_are_safe_for_a_terminal),
	};

	return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
