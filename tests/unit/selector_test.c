/* SPDX-License-Identifier: Apache-2.0
 *
 * selector_test.c - words become selectors, patterns match; glibc's fnmatch is the judge of those
 */
#include "../../coordinator/selector.h"

#include <errno.h>
#include <fnmatch.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void check_list(const char *word, const char *expected)
{
	char *list[8], text[256] = "";
	struct err err = ERR_INIT;
	size_t n = 0;
	int rc = selector_expand(word, list, ARRAY_SIZE(list), &n, &err);

	if (rc < 0)
		fail_msg("'%s': %s", word, err.text);
	for (size_t i = 0; i < n; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
			 list[i]);
		free(list[i]);
	}
	assert_string_equal(text, expected);
}

static void test_lists(void **state)
{
	check_list("web", "web");
	check_list("service:web", "web");
	check_list("service:ingress", "service:ingress");
	check_list("ingress", "ingress");
	check_list("!ingress", "!ingress");
	check_list("web,db*", "web db*");
	check_list("task:web.1,web.3", "task:web.1 task:web.3");
	check_list("!task:web.1,web.3", "!task:web.1 !task:web.3");
	check_list("task:web.*,!web.3", "task:web.* !task:web.3");
	check_list("web,stack:a,b,service:c,d", "web stack:a stack:b c d");
	check_list("web,ingress,db", "web ingress db");
	check_list("node:a b,node:b:c", "node:a b node:b:c");
}

static void check_refused(const char *word, const char *sentence)
{
	char *list[2];
	struct err err = ERR_INIT;
	size_t n = 0;
	int rc = selector_expand(word, list, ARRAY_SIZE(list), &n, &err);

	if (rc >= 0 || !strstr(err.text, sentence))
		fail_msg("'%s': %d, %s", word, rc, err.text);
	for (size_t i = 0; i < n; i++)
		free(list[i]);
}

static void test_refused(void **state)
{
	check_refused("", "'' is not the name of a service");
	check_refused("!", "'' is not the name of a service");
	check_refused("web,", "not the name of a service");
	check_refused("stack:", "'stack:' is not the name of a stack");
	check_refused("pod:web", "cannot select 'pod:web'");
	check_refused("web/../x", "not the name of a service");
	check_refused("node:\x1b", "not the name of a node");
	check_refused("container:-x", "not the name of a container");
	check_refused("!!web", "not the name of a service");
	check_refused("a,b,c", "too many");
}

static void test_patterns(void **state)
{
	static const char *const parts[] = { "", "a", "b", "*", "?", "ab", "*a", "a*b", "**" };
	static const char *const texts[] = { "", "a", "b", "ab", "aab", "abab", "ba", "aabb", "bbb" };
	char pattern[16];

	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		for (size_t j = 0; j < ARRAY_SIZE(parts); j++)
			for (size_t k = 0; k < ARRAY_SIZE(texts); k++) {
				snprintf(pattern, sizeof(pattern), "%s%s", parts[i], parts[j]);
				if (selector_glob(pattern, texts[k]) !=
				    (fnmatch(pattern, texts[k], 0) == 0))
					fail_msg("'%s' and '%s'", pattern, texts[k]);
			}
	assert_true(selector_is_glob("web*") && selector_is_glob("w?b") && !selector_is_glob("web"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_patterns),
	};

	return cmocka_run_group_tests_name("selector", tests, NULL, NULL);
}
