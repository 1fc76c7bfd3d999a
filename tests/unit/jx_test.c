/* SPDX-License-Identifier: Apache-2.0
 *
 * jx_test.c - hostile texts refused, types never trusted
 */
#include "jx.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static json_t *parsed(const char *text)
{
	struct err err = ERR_INIT;
	json_t *j = NULL;

	assert_int_equal(jx_parse(text, strlen(text), "test", &j, &err), 0);
	assert_int_equal(err.code, 0);
	return j;
}

static void refused_n(const char *text, size_t n, const char *words)
{
	struct err err = ERR_INIT;
	json_t *j = NULL;

	assert_int_equal(jx_parse(text, n, "the answer", &j, &err), -EINVAL);
	assert_null(j);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
	assert_non_null(strstr(err.text, "the answer is not valid JSON"));
	assert_null(strstr(err.text, "evil"));
}

static void refused(const char *text, const char *words)
{
	refused_n(text, strlen(text), words);
}

static void test_refused(void **state)
{
	cleanup_free char *deep = xmalloc(5000);

	refused("", "line 1, column 0");
	refused("{\"a\":\n \"evil", "line 2");
	refused("{\"a\": evil}", "line 1, column 10");
	refused("{\"evil\":1,\"evil\":2}", "duplicate object key");
	refused("{} evil", "end of file expected");
	refused("{\"a\":\"evil\\u0000\"}", "\\u0000 is not allowed");
	refused("[1e999]", "real number overflow");
	refused("[99999999999999999999]", "too big integer");
	refused_n("[\"\xff\"]", 5, "unable to decode byte 0xff");
	refused_n("[1]\0[2]", 7, "end of file expected");
	memset(deep, '[', 5000);
	refused_n(deep, 5000, "nested deeper than 128 levels");
	refused_n(deep, 128, "at line");
	refused_n(deep, 129, "nested deeper than 128 levels");
}

/* Brackets in strings are text, also behind an escaped quote. */
static void test_depth(void **state)
{
	cleanup_free char *deep = xmalloc(2 * JX_DEPTH_MAX + 1);
	cleanup_json json_t *most = NULL;
	cleanup_json json_t *text = NULL;
	cleanup_free char *quoted = NULL;

	memset(deep, '[', JX_DEPTH_MAX);
	memset(deep + JX_DEPTH_MAX, ']', JX_DEPTH_MAX);
	deep[2 * JX_DEPTH_MAX] = '\0';
	most = parsed(deep);
	assert_int_equal(jx_len(most, ""), 1);
	quoted = xasprintf("[\"\\\"%s[[[[\\\\\"]", deep);
	text = parsed(quoted);
	assert_int_equal(json_string_length(json_array_get(text, 0)), 2 * JX_DEPTH_MAX + 6);
}

static void test_too_large(void **state)
{
	struct err err = ERR_INIT;
	json_t *j = NULL;

	assert_int_equal(jx_parse("", JX_SIZE_MAX + 1u, "it", &j, &err), -EFBIG);
	assert_non_null(strstr(err.text, "too large"));
}

static void test_scalars(void **state)
{
	cleanup_json json_t *null = parsed("null\n");
	cleanup_json json_t *text = parsed("\"x\"");

	assert_true(json_is_null(null));
	assert_int_equal(jx_len(null, ""), 0);
	assert_string_equal(jx_str(text, "", "def"), "x");
}

static void test_paths(void **state)
{
	cleanup_json json_t *j = parsed(
		"{\"Spec\":{\"Name\":\"web\",\"Labels\":{\"com.docker.x\":\"y\",\"=\":\"e\"}},"
		"\"\":{\"a\":1},\"list\":[1,2,3]}");

	assert_string_equal(jx_str(j, "Spec.Name", NULL), "web");
	assert_string_equal(jx_str(j, "Spec.Labels.=com.docker.x", NULL), "y");
	assert_string_equal(jx_str(j, "Spec.Labels.==", NULL), "e");
	assert_null(jx_str(j, "Spec.Labels.com.docker.x", NULL));
	assert_null(jx_get(j, "Spec.Name.More"));
	assert_null(jx_get(j, "Spe"));
	assert_null(jx_get(NULL, "Spec"));
	assert_ptr_equal(jx_get(j, ""), j);
	assert_int_equal(jx_int(j, ".a", 0), 1);
	assert_int_equal(jx_len(j, "list"), 3);
	assert_int_equal(jx_len(j, "Spec"), 0);
	assert_int_equal(jx_len(j, "nowhere"), 0);
}

static void test_types(void **state)
{
	cleanup_json json_t *j = parsed(
		"{\"i\":-5,\"r\":4.0,\"half\":4.5,\"big\":1e300,\"edge\":9223372036854775808.0,"
		"\"s\":\"7\",\"t\":true,\"n\":null}");

	assert_int_equal(jx_int(j, "i", 1), -5);
	assert_int_equal(jx_int(j, "r", 1), 4);
	assert_int_equal(jx_int(j, "half", 1), 1);
	assert_int_equal(jx_int(j, "big", 1), 1);
	assert_int_equal(jx_int(j, "edge", 1), 1);
	assert_int_equal(jx_int(j, "s", 1), 1);
	assert_string_equal(jx_str(j, "i", "def"), "def");
	assert_true(jx_bool(j, "t", false));
	assert_true(jx_bool(j, "i", true));
	assert_false(jx_bool(j, "n", false));
}

static void dumps(json_t *owned, const char *want)
{
	cleanup_json json_t *j = owned;
	cleanup_free char *text = jx_dump(j);

	assert_string_equal(text, want);
}

static void test_text(void **state)
{
	dumps(jx_text(NULL), "null");
	dumps(jx_text("caf\xc3\xa9"), "\"caf\\u00E9\"");
	dumps(jx_text("a\xff\x1b\"b"), "\"a\\\\xff\\u001B\\\"b\"");
	dumps(jx_count(-1), "null");
	dumps(jx_count(0), "0");
	dumps(NULL, "null");
	dumps(parsed("{\"b\":1,\"a\":[true, null]}"), "{\"b\":1,\"a\":[true,null]}");
}

/* ---- a part of a text ---- */

static void keeps(const char *text, const char *want)
{
	static const char *const paths[] = { "id", "a.b", "a.c.d", "list.x", NULL };
	cleanup_json json_t *j = NULL;
	cleanup_free char *got = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(jx_parse_some(text, strlen(text), paths, "test", &j, &err), 0);
	got = jx_dump(j);
	assert_string_equal(got, want);
}

static void test_some(void **state)
{
	keeps("{\"id\":1,\"other\":{\"id\":2}}", "{\"id\":1}");
	keeps(" [ {\"z\" : [1, {}] , \"id\" : \"x\\\"}\" } , { } , 3 ] ", "[{\"id\":\"x\\\"}\"},{},3]");
	/* on the way there, and behind it */
	keeps("{\"a\":{\"b\":{\"q\":[1,2]},\"c\":{\"e\":1,\"d\":null},\"bb\":1}}",
	      "{\"a\":{\"b\":{\"q\":[1,2]},\"c\":{\"d\":null}}}");
	keeps("{\"a\":7,\"list\":[{\"x\":1,\"y\":2},{\"x\":3}]}", "{\"a\":7,\"list\":[{\"x\":1},{\"x\":3}]}");
	/* the beginning of a key is another key, and so is what goes on */
	keeps("{\"i\":1,\"idd\":2,\"a.b\":3,\"\":4}", "{}");
	keeps("5", "5");
	/* escapes in a key: the whole text */
	keeps("{\"\\u0069d\":1,\"z\":2}", "{\"id\":1,\"z\":2}");
	keeps("{\"z\":\"\\\\\",\"y\":\"\\\\\\\"\",\"id\":1}", "{\"id\":1}");
}

static void refuses_some(const char *text, const char *words)
{
	static const char *const paths[] = { "id", NULL };
	struct err err = ERR_INIT;
	json_t *j = NULL;

	assert_int_equal(jx_parse_some(text, strlen(text), paths, "the answer", &j, &err), -EINVAL);
	assert_null(j);
	if (!strstr(err.text, words))
		fail_msg("'%s' lacks '%s'", err.text, words);
}

/* The place is that in the text as it came. */
static void test_some_refused(void **state)
{
	cleanup_free char *deep = xmalloc(5001);

	refuses_some("", "line 1, column 0");
	refuses_some("{\"z\":1,\n\"id\": evil}", "line 2, column 10");
	refuses_some("{\"id\":1,\"id\":2}", "duplicate object key");
	refuses_some("{\"z\":[}],\"id\":1}", "at line 1");
	refuses_some("{\"z\":\"", "at line 1");
	refuses_some("{\"z\":1,}", "at line 1");
	refuses_some("{\"z\" 1}", "at line 1");
	refuses_some("{\"z\":}", "at line 1");
	refuses_some("[1 2]", "at line 1");
	refuses_some("{} {}", "end of file expected");
	memset(deep, '[', 5000);
	deep[5000] = '\0';
	refuses_some(deep, "nested deeper than 128 levels");
	memcpy(deep, "{\"z\":", 5);
	refuses_some(deep, "nested deeper than 128 levels");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some), cmocka_unit_test(test_some_refused),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_depth), cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_scalars),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
