/* SPDX-License-Identifier: Apache-2.0
 *
 * table.c - columns of text for people
 */
#include "table.h"

#include "buf.h"

#define CELL_MAX (64u << 10)

void table_add(struct table *t, const char *text)
{
	struct buf b = BUF_INIT(CELL_MAX);

	buf_add_safe(&b, text && *text ? text : "-");
	t->cells = xrealloc(t->cells, t->n + 1, sizeof(*t->cells));
	t->cells[t->n++] = buf_take(&b);
}

void table_addf(struct table *t, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	table_add(t, text);
}

/* Characters, which are as many columns for all but a few. */
static int width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += (*s & 0xc0) != 0x80;
	return n;
}

void table_print(FILE *to, const struct table *t)
{
	cleanup_free int *widths = xcalloc(t->columns, sizeof(*widths));

	for (size_t i = 0; i < t->n; i++)
		if (width(t->cells[i]) > widths[i % t->columns])
			widths[i % t->columns] = width(t->cells[i]);
	for (size_t i = 0; i < t->n; i++) {
		bool last = (i + 1) % t->columns == 0;
		int pad = last ? 0 : widths[i % t->columns] + 2 - width(t->cells[i]);

		fprintf(to, "%s%*s", t->cells[i], pad, last ? "\n" : "");
	}
}

void table_release(struct table *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	*t = (struct table)TABLE_INIT(0);
}
