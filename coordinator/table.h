/* SPDX-License-Identifier: Apache-2.0
 *
 * table.h - columns as wide as their widest cell, for people
 *
 *	struct table t = TABLE_INIT;
 *	table_head(&t, "NODE", "CLOCK", NULL)
 *	table_row(&t, node, clock, NULL)	copied, made safe for a terminal; "" is shown as "-"
 *	table_print(&t, stdout)			nothing when there are no rows
 *	table_release(&t)
 */
#ifndef TABLE_H
#define TABLE_H

#include "util.h"

#define TABLE_COLUMNS_MAX 12
#define TABLE_CELL_MAX 4096		/* bytes of a cell; what is behind is left out */
#define TABLE_NUMBER_MAX 24

struct table {
	char *(*rows)[TABLE_COLUMNS_MAX];	/* the first is the head */
	size_t n, columns;
};

#define TABLE_INIT { NULL, 0, 0 }
#define cleanup_table cleanup(table_release)

void table_head(struct table *t, const char *first, ...) __attribute__((sentinel));
void table_row(struct table *t, const char *first, ...) __attribute__((sentinel));
/* A number for a cell, in the caller's buffer; "-" below 0, where it is not known. */
const char *table_number(int64_t n, char out[static TABLE_NUMBER_MAX]);
/* Of a cell: characters, not bytes; what is wider than one column is rare in names. */
size_t table_width(const char *s);
void table_print(const struct table *t, FILE *to);
void table_release(struct table *t);

#endif
