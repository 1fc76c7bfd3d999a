/* SPDX-License-Identifier: Apache-2.0
 *
 * table.c - columns as wide as their widest cell, for people
 */
#include "table.h"

#include "buf.h"
#include "utf8.h"

#include <inttypes.h>

static char *cell(const char *text)
{
	cleanup_free char *cut = xstrdup(text && *text ? text : "-");
	struct buf safe = BUF_INIT(8 * TABLE_CELL_MAX);

	cut[utf8_cut(cut, TABLE_CELL_MAX)] = '\0';
	buf_add_safe(&safe, cut);
	return buf_take(&safe);
}

static void add(struct table *t, const char *first, va_list rest)
{
	const char *text = first;
	size_t i = 0;

	t->rows = xrealloc(t->rows, t->n + 1, sizeof(*t->rows));
	for (; text && i < TABLE_COLUMNS_MAX; i++, text = va_arg(rest, const char *))
		t->rows[t->n][i] = cell(text);
	if (t->n == 0)
		t->columns = i;
	for (; i < t->columns; i++)
		t->rows[t->n][i] = cell("");
	t->n++;
}

void table_head(struct table *t, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	add(t, first, ap);
	va_end(ap);
}

void table_row(struct table *t, const char *first, ...)
{
	va_list ap;

	va_start(ap, first);
	add(t, first, ap);
	va_end(ap);
}

const char *table_number(int64_t n, char out[static TABLE_NUMBER_MAX])
{
	if (n < 0)
		return "-";
	snprintf(out, TABLE_NUMBER_MAX, "%" PRId64, n);
	return out;
}

size_t table_width(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void print_cell(FILE *to, const char *text, size_t width, bool last)
{
	size_t n = table_width(text);

	fprintf(to, "%s%*s", text, last || n >= width ? 0 : (int)(width - n), "");
	fputs(last ? "\n" : "  ", to);
}

void table_print(const struct table *t, FILE *to)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };

	if (t->n < 2)
		return;
	for (size_t i = 0; i < t->n; i++)
		for (size_t c = 0; c < t->columns; c++)
			if (table_width(t->rows[i][c]) > width[c])
				width[c] = table_width(t->rows[i][c]);
	for (size_t i = 0; i < t->n; i++)
		for (size_t c = 0; c < t->columns; c++)
			print_cell(to, t->rows[i][c], width[c], c + 1 == t->columns);
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (size_t c = 0; c < t->columns; c++)
			free(t->rows[i][c]);
	free(t->rows);
	*t = (struct table)TABLE_INIT;
}
