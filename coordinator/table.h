/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - columns of text for people; pure
 *
 *	cleanup_table struct table t = TABLE_INIT(4);
 *	table_add(&t, "ID"); ...		cells from left to right, row after row
 *	table_print(stdout, &t);
 *
 * Texts may come from anywhere: a cell shows control characters as \xNN, and "-" for none.
 */
#ifndef TABLE_H
#define TABLE_H

#include "util.h"

struct table {
	size_t columns, n;
	char **cells;
};

#define TABLE_INIT(c) { (c), 0, NULL }
#define cleanup_table cleanup(table_release)

void table_add(struct table *t, const char *text);
void table_addf(struct table *t, const char *fmt, ...) PRINTF(2, 3);
void table_print(FILE *to, const struct table *t);
void table_release(struct table *t);

#endif
