/* SPDX-License-Identifier: Apache-2.0
 *
 * table_fit.c - a table for a terminal that may be narrow
 */
#include "table_fit.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "units.h"

#define GAP 2			/* between columns, as table_print has it */
#define LEAST 6			/* characters that a column keeps */

/* Leaves most - 1 characters and the mark. */
static void cut(char *s, size_t most)
{
	size_t n = 0;

	if (table_width(s) <= most)
		return;
	for (; *s; s++) {
		n += (*s & 0xc0) != 0x80;
		if (n == most)
			break;
	}
	s[0] = '~';
	s[1] = '\0';
}

static size_t sum(const size_t *widths, size_t n)
{
	size_t all = (n - 1) * GAP;

	for (size_t i = 0; i < n; i++)
		all += widths[i];
	return all;
}

static size_t widest(const size_t *widths, size_t n)
{
	size_t at = 0;

	for (size_t i = 1; i < n; i++)
		if (widths[i] > widths[at])
			at = i;
	return at;
}

void table_fit(struct table *t, size_t columns)
{
	size_t widths[TABLE_COLUMNS_MAX] = { 0 };

	if (columns == 0 || t->columns == 0)
		return;
	for (size_t i = 0; i < t->n; i++)
		for (size_t c = 0; c < t->columns; c++)
			if (table_width(t->rows[i][c]) > widths[c])
				widths[c] = table_width(t->rows[i][c]);
	while (sum(widths, t->columns) > columns) {
		size_t at = widest(widths, t->columns);

		if (widths[at] <= LEAST)
			break;
		widths[at]--;
	}
	for (size_t i = 0; i < t->n; i++)
		for (size_t c = 0; c < t->columns; c++)
			cut(t->rows[i][c], widths[c]);
}

size_t table_terminal(FILE *f)
{
	const char *told = getenv("COLUMNS");
	struct winsize size;
	uint64_t n = 0;

	if (!isatty(fileno(f)))
		return 0;
	if (told && units_parse_u64(told, 1, 10000, &n) == 0)
		return (size_t)n;
	return ioctl(fileno(f), TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}
