/* SPDX-License-Identifier: Apache-2.0
 *
 * summary.c - a capture as a short Markdown text
 */
#include "summary.h"

#include "buf.h"
#include "units.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TEXT_MAX (256u << 10)		/* GitHub's page takes 1 MiB */
#define CELL_MAX 1024

/* Any ASCII punctuation may be escaped in Markdown; in a table a line break would end the row. */
static void add_escaped(struct buf *b, const char *text)
{
	cleanup_buf struct buf safe = BUF_INIT(4 * CELL_MAX);

	if (buf_add_safe(&safe, text) < 0)
		buf_add_safe(&safe, "...");
	for (const char *p = safe.data; *p; p++) {
		if (strchr("\\`*_{}[]<>()#+!|&~$@", *p))
			buf_add(b, "\\", 1);
		buf_add(b, p, 1);
	}
}

static void add_cell(struct buf *b, const char *text)
{
	buf_addf(b, " ");
	add_escaped(b, text && *text ? text : "-");
	buf_addf(b, " |");
}

static void add_size(struct buf *b, int64_t bytes)
{
	char text[32];

	buf_addf(b, " %s |", units_format_size((uint64_t)bytes, text));
}

static int64_t bytes_of(const json_t *target)
{
	const json_t *f;
	int64_t sum = 0;
	size_t i;

	json_array_foreach(jx_get(target, "files"), i, f)
		sum += jx_int(f, "bytes", 0);
	return sum;
}

static int64_t dropped_of(const json_t *target)
{
	return jx_int(target, "dropped_kernel", 0) + jx_int(target, "dropped_agent", 0);
}

/* A task's name, or what a container is called by. */
static const char *name_of(const json_t *target)
{
	const char *container = jx_str(target, "container_id", "?");

	return jx_str(target, "task", container);
}

static void add_targets(struct buf *b, const json_t *targets)
{
	int64_t packets = 0, bytes = 0, dropped = 0;
	const json_t *t;
	size_t i;

	buf_addf(b, "| task | node | packets | bytes | dropped | end |\n"
		 "| --- | --- | ---: | ---: | ---: | --- |\n");
	json_array_foreach(targets, i, t) {
		packets += jx_int(t, "packets", 0);
		bytes += bytes_of(t);
		dropped += dropped_of(t);
		if (i >= SUMMARY_ROWS)
			continue;
		buf_addf(b, "|");
		add_cell(b, name_of(t));
		add_cell(b, jx_str(t, "node", NULL));
		buf_addf(b, " %lld |", (long long)jx_int(t, "packets", 0));
		add_size(b, bytes_of(t));
		buf_addf(b, " %lld |", (long long)dropped_of(t));
		add_cell(b, jx_str(t, "end", NULL));
		buf_addf(b, "\n");
	}
	if (json_array_size(targets) > SUMMARY_ROWS)
		buf_addf(b, "| and %zu more | | | | | |\n",
			 json_array_size(targets) - SUMMARY_ROWS);
	buf_addf(b, "| **%zu** | | **%lld** |", json_array_size(targets), (long long)packets);
	add_size(b, bytes);
	buf_addf(b, " **%lld** | |\n", (long long)dropped);
}

static void add_missing(struct buf *b, const json_t *missing)
{
	const json_t *m;
	size_t i;

	if (!json_array_size(missing))
		return;
	buf_addf(b, "\n| missing | node | reason |\n| --- | --- | --- |\n");
	json_array_foreach(missing, i, m) {
		if (i >= SUMMARY_ROWS)
			break;
		buf_addf(b, "|");
		add_cell(b, jx_str(m, "what", NULL));
		add_cell(b, jx_str(m, "node", NULL));
		add_cell(b, jx_str(m, "reason", NULL));
		buf_addf(b, "\n");
	}
	if (json_array_size(missing) > SUMMARY_ROWS)
		buf_addf(b, "| and %zu more | | |\n", json_array_size(missing) - SUMMARY_ROWS);
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

char *summary_archive(const json_t *manifest, const char *path)
{
	struct buf b = BUF_INIT(TEXT_MAX);
	const json_t *selectors = jx_get(manifest, "capture.selectors"), *s;
	size_t i;

	buf_addf(&b, "### Packet capture of");
	json_array_foreach(selectors, i, s) {
		buf_addf(&b, i ? ", " : " ");
		add_escaped(&b, json_string_value(s) ? json_string_value(s) : "?");
	}
	buf_addf(&b, "\n\n");
	add_targets(&b, jx_get(manifest, "targets"));
	add_missing(&b, jx_get(manifest, "missing"));
	buf_addf(&b, "\nArchive: ");
	add_escaped(&b, base_name(path));
	buf_addf(&b, "\n\n");
	return buf_take(&b);
}

char *summary_without(const char *why)
{
	struct buf b = BUF_INIT(TEXT_MAX);

	buf_addf(&b, "### Packet capture\n\nNo archive: ");
	add_escaped(&b, why);
	buf_addf(&b, "\n\n");
	return buf_take(&b);
}

int summary_append(const char *file, const char *text, struct err *err)
{
	cleanup_close int fd = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	int rc;

	if (fd < 0)
		return err_errno(err, "cannot write the summary '%s'", file);
	rc = util_write_full(fd, text, strlen(text));
	return rc < 0 ? err_set(err, rc, "cannot write the summary '%s': %s", file, strerror(-rc))
		      : 0;
}
