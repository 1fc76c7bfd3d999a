/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.h - a folder for a test's files, and other people's programs that judge them
 */
#ifndef JUDGE_H
#define JUDGE_H

#include "buf.h"

#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define JUDGE_OUTPUT_MAX (1u << 20)

static char judge_dir[64];

static inline void judge_save(const char *name, const struct buf *b)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", judge_dir, name);
	f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->len, f), b->len);
	fclose(f);
}

/* What a command says in the test's folder, to be freed; it must succeed. */
static inline char *judge_run(const char *command)
{
	cleanup_free char *line = xasprintf("cd %s && %s 2>err", judge_dir, command);
	char *out = xcalloc(1, JUDGE_OUTPUT_MAX);
	FILE *f = popen(line, "re");

	assert_non_null(f);
	out[fread(out, 1, JUDGE_OUTPUT_MAX - 1, f)] = '\0';
	if (pclose(f) != 0)
		fail_msg("%s fails: %s", command, out);
	return out;
}

static inline void judge_says(const char *command, const char *want)
{
	cleanup_free char *out = judge_run(command);

	if (!strstr(out, want))
		fail_msg("%s says no \"%s\": %s", command, want, out);
}

static inline int judge_setup(void **state)
{
	strcpy(judge_dir, "/tmp/swarmcap-judge-XXXXXX");
	if (!mkdtemp(judge_dir))
		return -1;
	setenv("HOME", judge_dir, 1);
	setenv("XDG_CONFIG_HOME", judge_dir, 1);
	setenv("TZ", "UTC", 1);
	setenv("LC_ALL", "C.UTF-8", 1);
	/* the judges are not ours to sanitize */
	unsetenv("LD_PRELOAD");
	return 0;
}

static inline int judge_teardown(void **state)
{
	return util_remove_tree_at(-1, judge_dir);
}

#endif
