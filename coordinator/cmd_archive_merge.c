/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_archive_merge.c - swarmcap archive merge FILE...: archives and capture files become one timeline
 */
#include "cmd.h"

#include "buf.h"
#include "interrupt.h"
#include "sources.h"
#include "units.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define SUFFIX "-merged.pcapng"

struct work {
	const struct request *request;
	struct sources sources;
	struct sink *sink;
	struct merge_result result;
	json_t *notes;
	int signals;
};

static void work_release(struct work *w)
{
	merge_result_release(&w->result);
	sources_release(&w->sources);
	sink_free(w->sink);
	json_decref(w->notes);
	util_close(w->signals);
}

/* "caps/web.tar.zst" -> "web-merged.pcapng", here. */
static char *default_output(const char *first)
{
	static const char *const known[] = {
		".tar.zst", ".tar.gz", ".tgz", ".tar", ".zip", ".pcapng", ".pcap",
	};
	size_t n = strcspn(first, "="), from = n;

	while (n > 1 && first[n - 1] == '/')
		n--;
	for (from = n; from > 0 && first[from - 1] != '/'; from--)
		continue;
	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		size_t k = strlen(known[i]);

		if (n - from > k && !strncmp(first + n - k, known[i], k))
			return xasprintf("%.*s" SUFFIX, (int)(n - k - from), first + from);
	}
	return xasprintf("%.*s" SUFFIX, (int)(n - from), first + from);
}

static bool is_cancelled(void *work)
{
	const struct work *w = work;

	return interrupt_take(w->signals);
}

static void add_note(void *work, const char *text)
{
	struct work *w = work;
	cleanup_buf struct buf safe = BUF_INIT(64 << 10);

	json_array_append_new(w->notes, jx_text(text));
	buf_add_safe(&safe, text);
	log_warn("%s", safe.data);
}

static void print_event(const struct work *w, const char *output, enum exit_status status)
{
	char first[UNITS_TIME_MAX], last[UNITS_TIME_MAX];
	const struct merge_result *r = &w->result;
	cleanup_json json_t *event = json_pack(
		"{s:s, s:o, s:I, s:I, s:I, s:o, s:o, s:O, s:i}", "event", "merged", "path",
		jx_text(output), "files", (json_int_t)r->n, "packets", (json_int_t)r->packets,
		"interfaces", (json_int_t)r->interfaces,
		"first", jx_text(r->packets ? units_format_time(r->first_ns, first) : NULL),
		"last", jx_text(r->packets ? units_format_time(r->last_ns, last) : NULL),
		"notes", w->notes, "exit", (int)status);
	cleanup_free char *line = jx_dump(event);

	puts(line);
}

static void announce(const struct work *w, const char *output, enum exit_status status)
{
	bool is_stdout = !strcmp(output, "-");

	log_info("%s%s%" PRIu64 " packets of %zu files, %u interfaces", is_stdout ? "" : output,
		 is_stdout ? "" : ": ", w->result.packets, w->result.n, w->result.interfaces);
	if (w->request->json)
		print_event(w, output, status);
	else if (!is_stdout)
		puts(output);
}

static enum exit_status open_all(struct work *w, const char *output, struct err *err)
{
	const struct request *r = w->request;
	int rc;

	if (r->json && !strcmp(output, "-")) {
		err_set(err, -EINVAL, "--json and -o -: both are for stdout");
		return EXIT_USAGE;
	}
	w->signals = interrupt_open(err);
	if (w->signals < 0)
		return EXIT_FAILED;
	rc = sink_open(&w->sink, output, r->force, err);
	if (rc < 0)
		return rc == -EEXIST || rc == -EISDIR ? EXIT_USAGE : EXIT_FAILED;
	w->sources.scratch = sink_folder(w->sink);
	w->sources.no_clock_correction = r->no_clock_correction;
	for (size_t i = 0; i < r->n_files; i++)
		if (sources_add(&w->sources, r->files[i], err) < 0)
			return EXIT_FAILED;
	return EXIT_OK;
}

static enum exit_status merge(struct work *w, struct err *err)
{
	cleanup_free char *comment = sources_comment(&w->sources);
	const struct merge_job job = {
		.inputs = w->sources.inputs, .n = w->sources.n, .comment = comment,
		.names = w->sources.names, .n_names = w->sources.n_names, .sink = w->sink,
		.cancel = is_cancelled, .arg = w,
	};

	if (merge_run(&job, &w->result, err) < 0 || sink_commit(w->sink, err) < 0)
		return EXIT_FAILED;
	return sources_notes(&w->sources, &w->result, add_note, w) ? EXIT_PARTIAL : EXIT_OK;
}

int cmd_archive_merge(struct request *r)
{
	cleanup(work_release) struct work w = {
		.request = r, .sources = SOURCES_INIT, .notes = json_array(), .signals = -1,
	};
	cleanup_free char *name = default_output(r->files[0]);
	const char *output = r->output ? r->output : name;
	struct err err = ERR_INIT;
	enum exit_status status;

	if ((status = open_all(&w, output, &err)) != EXIT_OK)
		return cmd_fail(r, status, &err);
	status = merge(&w, &err);
	if (status == EXIT_FAILED)
		return cmd_fail(r, status, &err);
	announce(&w, output, status);
	return status;
}
