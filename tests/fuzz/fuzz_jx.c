/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_jx.c - any text: a tree that survives dump and parse, or a sentence without its bytes
 *
 * What stands before the first NUL, when there is one, is the path that the getters walk; and what
 * is read of the text by that path alone is what is left of the whole when all else is taken away.
 */
#include "jx.h"
#include "fuzz.h"

#include <string.h>

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

/* What the path leads to, in the slow way. New reference. */
static json_t *prune(const json_t *j, const char *path)
{
	json_t *out, *v;
	const char *key;
	size_t i, n = strcspn(path, ".");

	if (json_is_array(j)) {
		out = json_array();
		json_array_foreach(j, i, v) json_array_append_new(out, prune(v, path));
		return out;
	}
	if (!json_is_object(j))
		return json_incref((json_t *)j);
	out = json_object();
	json_object_foreach((json_t *)j, key, v) {
		if (strlen(key) != n || strncmp(key, path, n))
			continue;
		json_object_set_new(out, key, path[n] ? prune(v, path + n + 1) : json_incref(v));
	}
	return out;
}

static bool has_escape(const char *text, size_t n)
{
	return memchr(text, '\\', n);
}

static void read_some(const char *text, size_t n, const char *path, const json_t *whole)
{
	const char *const paths[] = { path, NULL };
	cleanup_json json_t *some = NULL, *want = whole ? prune(whole, path) : NULL;
	struct err err = ERR_INIT;
	int rc = jx_parse_some(text, n, paths, "input", &some, &err);

	if (rc < 0)
		expect_harmless(&err);
	if (whole && (rc < 0 || (!has_escape(text, n) && !json_equal(some, want))))
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
		read_some((const char *)data + at, size - at, path, NULL);
		return 0;
	}
	read_some((const char *)data + at, size - at, path, j);
	get_all(j, path);
	expect_same(j);
	return 0;
}
