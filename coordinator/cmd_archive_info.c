/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_archive_info.c - swarmcap archive info FILE: what is in an archive, without unpacking it
 *
 * All of it stands in the manifest, which is the first file: a terabyte is told in a moment.
 */
#include "cmd.h"

#include "account.h"
#include "buf.h"
#include "table.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define CELL 64

static void print_line(const char *name, const char *fmt, ...) PRINTF(2, 3);
static void print_line(const char *name, const char *fmt, ...)
{
	cleanup_buf struct buf safe = BUF_INIT(512 << 10);
	char text[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	buf_add_safe(&safe, text);
	printf("%-8s  %s\n", name, safe.data);
}

/* "2026-11-23T14:39:05.120Z"; "-" for none. */
static const char *short_time(const char *full, char out[CELL])
{
	size_t n = strlen(full);

	if (n < 24 || n >= CELL)
		return n && n < CELL ? full : "-";
	snprintf(out, CELL, "%.23sZ", full);
	return out;
}

/* ---- the capture */

static char *list_of(const json_t *j, const char *path)
{
	const json_t *list = jx_get(j, path);
	struct buf b = BUF_INIT(2048);

	for (size_t i = 0; i < json_array_size(list); i++)
		buf_addf(&b, "%s%s", b.len ? " " : "", jx_str(json_array_get(list, i), "", "-"));
	return buf_take(&b);
}

static int64_t sum_of(const struct account *a, int64_t (*of)(const struct account_target *t))
{
	int64_t sum = 0;

	for (size_t i = 0; i < a->n_targets; i++)
		if (of(&a->targets[i]) > 0 && __builtin_add_overflow(sum, of(&a->targets[i]), &sum))
			return INT64_MAX;
	return sum;
}

static int64_t packets_of(const struct account_target *t)
{
	return t->packets;
}

static int64_t dropped_of(const struct account_target *t)
{
	if (t->dropped_kernel < 0 && t->dropped_agent < 0)
		return -1;
	return (t->dropped_kernel > 0 ? t->dropped_kernel : 0) +
	       (t->dropped_agent > 0 ? t->dropped_agent : 0);
}

static void print_capture(const struct account *a)
{
	const json_t *j = a->json;
	cleanup_free char *selectors = list_of(j, "capture.selectors");
	const char *filter = jx_str(j, "capture.filter", NULL);
	char from[CELL], to[CELL], size[UNITS_TIME_MAX];

	print_line("capture", "%s of %s%s%s%s, by %s", jx_str(j, "capture.id", "-"),
		   *selectors ? selectors : "-", filter ? ", filter '" : "", filter ? filter : "",
		   filter ? "'" : "", jx_str(j, "program", "-"));
	print_line("window", "%s to %s", short_time(jx_str(j, "window.start", ""), from),
		   short_time(jx_str(j, "window.stop", ""), to));
	print_line("sum",
		   "%zu targets, %zu files, %" PRId64 " packets, %s, %" PRId64
		   " dropped, %zu missing", a->n_targets, a->n_files, sum_of(a, packets_of),
		   units_format_size((uint64_t)a->bytes, size), sum_of(a, dropped_of),
		   jx_len(j, "missing"));
	if (a->merged)
		print_line("merged", "%s", a->merged);
}

/* ---- tables */

static void print_nodes(const struct account *a)
{
	cleanup_table struct table t = TABLE_INIT;

	table_head(&t, "NODE", "ROUTE", "VERSION", "CLOCK", "WITHIN", NULL);
	for (size_t i = 0; i < a->n_nodes; i++) {
		const struct account_node *n = &a->nodes[i];
		const json_t *j = json_array_get(jx_get(a->json, "nodes"), i);
		char clock[CELL] = "", within[CELL] = "";

		if (n->has_clock) {
			snprintf(clock, sizeof(clock), "%+.3f ms", (double)n->offset_ns / 1e6);
			snprintf(within, sizeof(within), "%.3f ms", (double)n->error_ns / 1e6);
		}
		table_row(&t, n->name, jx_str(j, "route", ""), jx_str(j, "version", ""), clock,
			  within, NULL);
	}
	if (t.n > 1)
		putchar('\n');
	table_print(&t, stdout);
}

/* The earliest first and the latest last of its files; texts of one form, so that they compare. */
static void times_of(const struct account *a, const struct account_target *t, const char **first,
		     const char **last)
{
	*first = *last = "";
	for (size_t i = t->first_file; i < t->first_file + t->n_files; i++) {
		const struct account_file *f = &a->files[i];

		if (*f->first && (!**first || strcmp(f->first, *first) < 0))
			*first = f->first;
		if (strcmp(f->last, *last) > 0)
			*last = f->last;
	}
}

static int64_t bytes_of(const struct account *a, const struct account_target *t)
{
	int64_t sum = 0;

	for (size_t i = t->first_file; i < t->first_file + t->n_files; i++)
		sum += a->files[i].bytes;
	return sum;
}

static void print_targets(const struct account *a)
{
	cleanup_table struct table t = TABLE_INIT;

	table_head(&t, "TARGET", "NODE", "FILES", "PACKETS", "BYTES", "DROPPED", "FIRST", "LAST",
		   "END", NULL);
	for (size_t i = 0; i < a->n_targets; i++) {
		const struct account_target *g = &a->targets[i];
		char files[CELL], packets[CELL], dropped[CELL], from[CELL], to[CELL];
		char size[UNITS_TIME_MAX];
		const char *first, *last;

		times_of(a, g, &first, &last);
		table_row(&t, g->label, g->node, table_number((int64_t)g->n_files, files),
			  table_number(g->packets, packets),
			  units_format_size((uint64_t)bytes_of(a, g), size),
			  table_number(dropped_of(g), dropped), short_time(first, from),
			  short_time(last, to), jx_str(g->json, "end", ""), NULL);
	}
	if (t.n > 1)
		putchar('\n');
	table_print(&t, stdout);
}

static void print_missing(const struct account *a)
{
	cleanup_table struct table t = TABLE_INIT;
	const json_t *list = jx_get(a->json, "missing");

	table_head(&t, "MISSING", "NODE", "REASON", "ERROR", NULL);
	for (size_t i = 0; i < json_array_size(list); i++) {
		const json_t *j = json_array_get(list, i);

		table_row(&t, jx_str(j, "what", ""), jx_str(j, "node", ""), jx_str(j, "reason", ""),
			  jx_str(j, "error", ""), NULL);
	}
	if (t.n > 1)
		putchar('\n');
	table_print(&t, stdout);
}

static void print_notes(const json_t *list, const char *of)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		print_line("note", "%s%s%s", of, *of ? ": " : "",
			   jx_str(json_array_get(list, i), "", ""));
}

static void print_all_notes(const struct account *a)
{
	print_notes(jx_get(a->json, "notes"), "");
	for (size_t i = 0; i < a->n_nodes; i++)
		print_notes(jx_get(json_array_get(jx_get(a->json, "nodes"), i), "notes"),
			    a->nodes[i].name);
	for (size_t i = 0; i < a->n_targets; i++) {
		const json_t *j = a->targets[i].json;
		const char *error = jx_str(j, "error", "");

		if (*error)
			print_line("note", "%s: %s", a->targets[i].label, error);
		print_notes(jx_get(j, "notes"), a->targets[i].label);
	}
}

/* ---- for programs: the manifest's own objects, one per line, each with its event */

static void print_event(const char *event, const json_t *of)
{
	cleanup_json json_t *j = json_pack("{s:s}", "event", event);
	cleanup_free char *line = NULL;

	json_object_update(j, (json_t *)of);
	line = jx_dump(j);
	puts(line);
}

static void print_events(const char *event, const json_t *list)
{
	for (size_t i = 0; i < json_array_size(list); i++)
		print_event(event, json_array_get(list, i));
}

static void print_json(const struct account *a)
{
	cleanup_json json_t *sum = json_pack("{s:O?, s:O?, s:O?, s:I, s:I, s:I, s:I, s:I, s:I}",
		"capture", jx_get(a->json, "capture"), "cluster", jx_get(a->json, "cluster"),
		"window", jx_get(a->json, "window"),
		"targets", (json_int_t)a->n_targets, "files", (json_int_t)a->n_files,
		"packets", (json_int_t)sum_of(a, packets_of), "bytes", (json_int_t)a->bytes,
		"dropped", (json_int_t)sum_of(a, dropped_of),
		"missing", (json_int_t)jx_len(a->json, "missing"));

	print_event("archive", sum);
	print_events("node", jx_get(a->json, "nodes"));
	print_events("target", jx_get(a->json, "targets"));
	print_events("missing", jx_get(a->json, "missing"));
}

int cmd_archive_info(struct request *r)
{
	cleanup(account_release) struct account a = ACCOUNT_INIT;
	struct err err = ERR_INIT;

	if (account_load(r->files[0], &a, &err) < 0)
		return cmd_fail(r, EXIT_FAILED, &err);
	if (r->json) {
		print_json(&a);
		return EXIT_OK;
	}
	print_capture(&a);
	print_nodes(&a);
	print_targets(&a);
	print_missing(&a);
	print_all_notes(&a);
	return EXIT_OK;
}
