/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_jx.c - any text: a tree that survives dump and parse, or a sentence without its bytes
 *
 * What stands before the first NUL, when there is one, is the path that the getters walk.
 */
#include "jx.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_harmless(const struct err *err)
{
	if (!*err->text)
		abort();
	for (const char *p = err->text; *p; p++)
		if (*p < ' ' || *p > '~')
			abort();
}

static void get_all(const json_t *j, const char *path)
{
	const char *s = jx_str(j, path, NULL);
	cleanup_json json_t *text = jx_text(s);

	if (s && !json_is_string(text))
		abort();
	if (jx_len(j, path) > 0 && jx_int(j, path, 7) != 7)
		abort();
	jx_bool(j, path, false);
}

static void expect_same(const json_t *j)
{
	cleanup_free char *text = jx_dump(j);
	cleanup_json json_t *again = NULL;
	struct err err = ERR_INIT;

	if (jx_parse(text, strlen(text), "again", &again, &err) < 0 || !json_equal(j, again))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size ? memchr(data, 0, size) : NULL;
	size_t at = nul ? (size_t)(nul - data) + 1 : 0;
	const char *path = nul ? (const char *)data : "a.b";
	cleanup_json json_t *j = NULL;
	struct err err = ERR_INIT;

	if (jx_parse((const char *)data + at, size - at, "input", &j, &err) < 0) {
		expect_harmless(&err);
		return 0;
	}
	get_all(j, path);
	expect_same(j);
	return 0;
}
