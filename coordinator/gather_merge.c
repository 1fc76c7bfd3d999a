/* SPDX-License-Identifier: Apache-2.0
 *
 * gather_merge.c - --merge: one more file of the archive, with all packets by corrected time
 */
#include "gather_merge.h"

#include "digest.h"
#include "sources.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define NAME "merged.pcapng"

static void add_note(void *arg, const char *text)
{
	const struct gather_merge *job = arg;

	json_array_append_new(json_object_get(job->manifest->json, "notes"), jx_text(text));
	job->note(job->arg, text);
}

static int add_file(const struct gather_merge *job, struct err *err)
{
	cleanup_close int fd = openat(job->staging, NAME, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	struct manifest_file f = { 0 };
	struct manifest *m = job->manifest;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "cannot read '%s'", NAME);
	r = digest_fd(fd, f.sha256);
	if (r < 0)
		return err_set(err, r, "cannot read '%s': %s", NAME, strerror(-r));
	f.bytes = st.st_size;
	f.staged = xstrdup(NAME);
	f.name = xstrdup(NAME);
	m->files = xrealloc(m->files, m->n_files + 1, sizeof(*m->files));
	m->files[m->n_files++] = f;
	json_object_set_new(json_object_get(m->json, "capture"), "merged", json_string(NAME));
	return 0;
}

static int merge_into(const struct gather_merge *job, const struct sources *s, struct sink *sink,
		      struct err *err)
{
	cleanup(merge_result_release) struct merge_result result = { 0 };
	cleanup_free char *comment = sources_comment(s);
	const struct merge_job merge = {
		.inputs = s->inputs, .n = s->n, .comment = comment, .names = s->names,
		.n_names = s->n_names, .sink = sink, .cancel = job->cancel, .arg = job->arg,
	};
	int r = merge_run(&merge, &result, err);

	if (r == 0)
		r = sink_commit(sink, err);
	if (r == 0)
		r = add_file(job, err);
	if (r == 0 && sources_notes(s, &result, add_note, (void *)job))
		job->manifest->partial = true;
	return r;
}

static int merge(const struct gather_merge *job, struct err *err)
{
	cleanup(sources_release) struct sources s = SOURCES_INIT;
	struct sink *sink = NULL;
	int r;

	s.no_clock_correction = job->no_clock_correction;
	r = sources_add_staged(&s, job->manifest, job->staging, err);
	if (r == 0)
		r = sink_open_at(&sink, job->staging, NAME, err);
	if (r == 0)
		r = merge_into(job, &s, sink, err);
	sink_free(sink);
	return r;
}

int gather_merge(const struct gather_merge *job, struct err *err)
{
	struct err why = ERR_INIT;
	int r = job->manifest->n_files ? merge(job, &why) : 0;

	if (r < 0 && r != -ECANCELED) {
		json_array_append_new(json_object_get(job->manifest->json, "notes"),
				      json_sprintf("there is no merged file: %s", why.text));
		job->manifest->partial = true;
	}
	return r < 0 ? err_set(err, r, "%s", why.text) : 0;
}
