/* SPDX-License-Identifier: Apache-2.0
 *
 * table_fit.h - a table for a terminal that may be narrow
 */
#ifndef TABLE_FIT_H
#define TABLE_FIT_H

#include "table.h"

/*
 * Shortens cells until no row is wider than `columns` characters: the widest column first, none below
 * what is still of use. What was cut ends with "~". 0 columns: nothing is cut.
 */
void table_fit(struct table *t, size_t columns);
/* Of the terminal that f is; $COLUMNS there, when it is a number; 0 when f is none. */
size_t table_terminal(FILE *f);

#endif
