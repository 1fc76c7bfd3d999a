/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_selector.c - any word of a command line: selectors that are read as they were written, or a
 * sentence; and any pattern against any text, as fnmatch has it
 */
#include "../../coordinator/selector.h"
#include "fuzz.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#define MOST 64

static void check_one(const char *text)
{
	char *again[2];
	struct selector a, b;
	struct err err = ERR_INIT;
	size_t n = 0;

	expect(selector_parse(text, &a, &err) == 0 && *a.name);
	expect(a.glob == selector_is_glob(a.name) && a.exclude == (*text == '!'));
	expect(selector_expand(text, again, ARRAY_SIZE(again), &n, &err) == 0 && n == 1);
	expect(selector_parse(again[0], &b, &err) == 0);
	expect(a.kind == b.kind && a.exclude == b.exclude && strcmp(a.name, b.name) == 0);
	free(again[0]);
}

/* fnmatch takes exponential time for many stars, and knows more than we do. */
static void check_pattern(const char *pattern, const char *text)
{
	bool match = selector_glob(pattern, text);
	size_t stars = 0;

	for (const char *p = pattern; *p; p++)
		stars += *p == '*';
	for (const char *p = text; *p; p++)
		if ((unsigned char)*p >= 0x80)
			return;
	if (stars < 4 && strlen(text) < 64 && !strpbrk(pattern, "[\\") && !strpbrk(text, "["))
		expect(match == (fnmatch(pattern, text, FNM_NOESCAPE) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *word = xmalloc(size + 1);
	char *list[MOST];
	struct err err = ERR_INIT;
	size_t n = 0;
	int rc;

	if (size)
		memcpy(word, data, size);
	word[size] = 0;
	rc = selector_expand(word, list, MOST, &n, &err);
	expect(rc == 0 ? n > 0 : *err.text && err.code == rc);
	for (size_t i = 0; i < n; i++) {
		check_one(list[i]);
		free(list[i]);
	}
	if (strlen(word) < size)
		check_pattern(word, word + strlen(word) + 1);
	return 0;
}
