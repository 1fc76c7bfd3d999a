/* SPDX-License-Identifier: Apache-2.0
 *
 * summary_test.c - Markdown for a job's page: the text itself, and that names are no markup in it
 */
#include "../../coordinator/summary.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static json_t *parse(const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	assert_non_null(j);
	return j;
}

static void the_whole_text(void **state)
{
	cleanup_json json_t *m = parse(
		"{\"capture\": {\"selectors\": [\"web\", \"api\"]}, \"targets\": ["
		" {\"task\": \"web.1\", \"node\": \"node1\", \"packets\": 7, \"dropped_kernel\": 2,"
		"  \"dropped_agent\": 1, \"end\": \"stopped\","
		"  \"files\": [{\"bytes\": 1000}, {\"bytes\": 1048}]},"
		" {\"container_id\": \"c0ffee\", \"node\": \"node2\", \"packets\": 5,"
		"  \"end\": null, \"files\": []}],"
		" \"missing\": [{\"what\": \"task web.2\", \"node\": \"node3\","
		"  \"reason\": \"node-lost\"}]}");
	cleanup_free char *text = summary_archive(m, "/tmp/x/web-1.tar.zst");

	assert_string_equal(text,
		"### Packet capture of web, api\n\n"
		"| task | node | packets | bytes | dropped | end |\n"
		"| --- | --- | ---: | ---: | ---: | --- |\n"
		"| web.1 | node1 | 7 | 2.0 KiB | 3 | stopped |\n"
		"| c0ffee | node2 | 5 | 0 B | 0 | - |\n"
		"| **2** | | **12** | 2.0 KiB | **3** | |\n"
		"\n"
		"| missing | node | reason |\n"
		"| --- | --- | --- |\n"
		"| task web.2 | node3 | node-lost |\n"
		"\n"
		"Archive: web-1.tar.zst\n\n");
}

static void nothing_is_markup(void **state)
{
	cleanup_json json_t *m = parse(
		"{\"capture\": {\"selectors\": [\"a|b\"]}, \"targets\": ["
		" {\"task\": \"[x](http://evil)<b>\\n| y\", \"node\": \"`n`\", \"files\": []}],"
		" \"missing\": []}");
	cleanup_free char *text = summary_archive(m, "a_b.tar");

	assert_non_null(strstr(text, "capture of a\\|b\n"));
	assert_non_null(strstr(text, "| \\[x\\]\\(http://evil\\)\\<b\\>\\\\x0a\\| y | \\`n\\` |"));
	assert_non_null(strstr(text, "Archive: a\\_b.tar\n"));
	assert_null(strstr(text, "missing"));
}

static void a_large_capture_is_cut(void **state)
{
	cleanup_json json_t *m = parse("{\"capture\": {\"selectors\": []}}");
	json_t *targets = json_array();
	cleanup_free char *text = NULL;
	size_t lines = 0;

	for (int i = 0; i < 3 * SUMMARY_ROWS; i++)
		json_array_append_new(targets, json_pack("{s:s, s:i, s:[]}", "task", "t", "packets",
							 1, "files"));
	json_object_set_new(m, "targets", targets);
	text = summary_archive(m, "x.tar");
	for (const char *p = text; (p = strstr(p, "| t |")); p++)
		lines++;
	assert_int_equal(lines, SUMMARY_ROWS);
	assert_non_null(strstr(text, "| and 200 more | "));
	assert_non_null(strstr(text, "| **300** | | **300** |"));
}

static void without_an_archive(void **state)
{
	cleanup_free char *text = summary_without("node \"a\": <none>");

	assert_string_equal(text, "### Packet capture\n\nNo archive: node \"a\": \\<none\\>\n\n");
}

static void it_is_appended(void **state)
{
	char file[] = "/tmp/summary_test.XXXXXX";
	cleanup_free char *text = NULL;
	struct err err = ERR_INIT;
	struct stat st;

	close(mkstemp(file));
	assert_int_equal(summary_append(file, "one\n", &err), 0);
	assert_int_equal(summary_append(file, "two\n", &err), 0);
	text = util_read_file(file, 100);
	assert_string_equal(text, "one\ntwo\n");
	unlink(file);
	assert_int_equal(summary_append(file, "three\n", &err), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	unlink(file);
	assert_int_equal(summary_append("/nonexistent/x", "x", &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_whole_text),
		cmocka_unit_test(nothing_is_markup),
		cmocka_unit_test(a_large_capture_is_cut),
		cmocka_unit_test(without_an_archive),
		cmocka_unit_test(it_is_appended),
	};

	return cmocka_run_group_tests_name("summary", tests, NULL, NULL);
}
