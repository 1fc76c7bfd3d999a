/* SPDX-License-Identifier: Apache-2.0
 *
 * jx.c - jansson with manners
 *
 * jansson itself refuses NUL in strings and texts that are no UTF-8, and seeds its hashes at
 * random. It walks values by recursion and allows 2048 levels, more than the stack of a thread
 * has room for: so the depth is looked at first. Its messages end with "near '<the text>'", which
 * is the peer's and stays out of ours.
 */
#include "jx.h"

#include <errno.h>
#include <string.h>

#include "buf.h"

#define JX_TEXT_MAX (1u << 20)	/* of an escaped string */

/* Of a text that is no JSON too, but then jansson ends where the brackets stop to make sense. */
static bool is_too_deep(const char *text, size_t len)
{
	size_t depth = 0;
	bool quoted = false;

	for (size_t i = 0; i < len; i++) {
		char c = text[i];

		if (c == '"')
			quoted = !quoted;
		else if (quoted)
			i += c == '\\';
		else if (c == '[' || c == '{')
			depth++;
		else if ((c == ']' || c == '}') && depth)
			depth--;
		if (depth > JX_DEPTH_MAX)
			return true;
	}
	return false;
}

int jx_parse(const char *text, size_t len, const char *what, json_t **out, struct err *err)
{
	json_error_t e = { .line = -1 };
	const char *near;
	json_t *j;
	int n;

	if (len > JX_SIZE_MAX)
		return err_set(err, -EFBIG, "%s is too large: %zu bytes of JSON, at most %u are "
			       "read", what, len, JX_SIZE_MAX);

	if (is_too_deep(text, len))
		return err_set(err, -EINVAL, "%s is not valid JSON: nested deeper than %d levels",
			       what, JX_DEPTH_MAX);
	j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (!j) {
		near = strstr(e.text, " near ");
		n = near ? (int)(near - e.text) : (int)strlen(e.text);
		return err_set(err, -EINVAL, "%s is not valid JSON: %.*s at line %d, column %d",
			       what, n, e.text, e.line, e.column);
	}

	*out = j;
	return 0;
}

json_t *jx_get(const json_t *root, const char *path)
{
	const json_t *j = root;

	while (j && *path) {
		size_t n;

		if (*path == '=')
			return json_object_get(j, path + 1);
		n = strcspn(path, ".");
		j = json_object_getn(j, path, n);
		path += n;
		path += *path == '.';
	}
	return (json_t *)j;
}

const char *jx_str(const json_t *root, const char *path, const char *def)
{
	const char *s = json_string_value(jx_get(root, path));

	return s ? s : def;
}

int64_t jx_int(const json_t *root, const char *path, int64_t def)
{
	const json_t *j = jx_get(root, path);
	double real;

	if (json_is_integer(j))
		return json_integer_value(j);
	if (!json_is_real(j))
		return def;

	real = json_real_value(j);
	/* -2^63 and 2^63 are doubles, 2^63 - 1 is none */
	if (!(real >= (double)INT64_MIN && real < -(double)INT64_MIN) ||
	    (double)(int64_t)real != real)
		return def;
	return (int64_t)real;
}

bool jx_bool(const json_t *root, const char *path, bool def)
{
	const json_t *j = jx_get(root, path);

	return json_is_boolean(j) ? json_is_true(j) : def;
}

size_t jx_len(const json_t *root, const char *path)
{
	return json_array_size(jx_get(root, path));
}

static json_t *or_exit(json_t *j)
{
	if (!j)
		util_out_of_memory();
	return j;
}

json_t *jx_text(const char *s)
{
	cleanup_buf struct buf b = BUF_INIT(JX_TEXT_MAX);
	uint32_t cp;
	size_t n;
	json_t *j;

	if (!s)
		return json_null();
	j = json_string(s);
	if (j)
		return j;

	for (; *s; s += n) {
		n = str_utf8(s, &cp);
		if (n ? buf_add(&b, s, n) < 0 : buf_addf(&b, "\\x%02x", (unsigned char)*s) < 0)
			break;
		n += !n;
	}
	return or_exit(json_stringn(b.data, b.len));
}

json_t *jx_count(int64_t n)
{
	return n < 0 ? json_null() : or_exit(json_integer(n));
}

char *jx_dump(const json_t *j)
{
	char *text = j ? json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;

	return text ? text : xstrdup("null");
}

void jx_freep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}
