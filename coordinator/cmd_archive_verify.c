/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_archive_verify.c - swarmcap archive verify FILE: is it what it says it is?
 */
#include "cmd.h"

#include "buf.h"
#include "units.h"
#include "verify.h"

static void print_json(json_t *event)
{
	cleanup_free char *line = jx_dump(event);

	puts(line);
	json_decref(event);
}

static void on_problem(void *arg, const char *file, const char *text)
{
	const struct request *r = arg;
	cleanup_buf struct buf safe = BUF_INIT(64 << 10);

	if (r->json) {
		print_json(json_pack("{s:s, s:o, s:o}", "event", "problem", "file", jx_text(file),
				     "text", jx_text(text)));
		return;
	}
	buf_add_safe(&safe, file);
	buf_addf(&safe, ": ");
	buf_add_safe(&safe, text);
	puts(safe.data);
}

int cmd_archive_verify(struct request *r)
{
	struct verify_result v;
	struct err err = ERR_INIT;
	char size[UNITS_TIME_MAX];
	enum exit_status status;

	if (verify_archive(r->files[0], on_problem, r, &v, &err) < 0)
		return cmd_fail(r, EXIT_FAILED, &err);
	status = v.problems ? EXIT_FAILED : EXIT_OK;
	if (r->json) {
		print_json(json_pack("{s:s, s:o, s:I, s:I, s:I, s:I, s:i}", "event", "verified",
				     "path", jx_text(r->files[0]), "files", (json_int_t)v.files,
				     "packets", (json_int_t)v.packets, "bytes",
				     (json_int_t)v.bytes, "problems", (json_int_t)v.problems,
				     "exit", (int)status));
		return status;
	}
	if (v.problems)
		log_error("'%s' is damaged: %zu problems", r->files[0], v.problems);
	else
		log_info("'%s' is good: %zu files, %lld packets, %s", r->files[0], v.files,
			 (long long)v.packets, units_format_size((uint64_t)v.bytes, size));
	return status;
}
