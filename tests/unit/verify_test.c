/* SPDX-License-Identifier: Apache-2.0
 *
 * verify_test.c - a small archive, and what is found when one thing in it is changed
 */
#include "../../coordinator/verify.h"
#include "digest.h"
#include "judge.h"
#include "pcapng_made.h"

#include <errno.h>

#define NAME "node1-web.1.abcdef-2026-11-23_14-39-05.pcapng"
#define FIRST "2026-11-23T14:39:05.120334551Z"
#define LAST "2026-11-23T14:39:05.120334556Z"

static char hex[DIGEST_HEX];

/* Of a capture file of three packets, whose first stands last. */
static void make_capture(void)
{
	struct made m = made_new(false);
	struct digest *d = digest_new();

	made_section(&m);
	made_clocked(&m, 9, 0);
	made_packet(&m, 0, T0 + 3, "two");
	made_packet(&m, 0, T0 + 5, "three");
	made_packet(&m, 0, T0, "one");
	judge_save("a/" NAME, &m.b);
	digest_add(d, m.b.data, m.b.len);
	digest_end(d, hex);
	buf_release(&m.b);
}

static void make_manifest(const char *packets, const char *first, const char *merged)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 16);
	cleanup_free char *size = judge_run("stat -c %s a/" NAME);

	buf_addf(&b, "{\"schema\": 1, \"capture\": {\"merged\": %s}, \"nodes\": [], \"missing\": [], "
		 "\"targets\": [{\"task\": \"web.1\", \"node\": \"node1\", \"packets\": %s, \"files\": "
		 "[{\"name\": \"" NAME "\", \"bytes\": %.*s, \"packets\": 3, \"sha256\": \"%s\", "
		 "\"first\": \"%s\", \"last\": \"" LAST "\"}]}]}",
		 merged, packets, (int)strcspn(size, "\n"), size, hex, first);
	judge_save("a/manifest.json", &b);
}

static void add_problem(void *arg, const char *file, const char *text)
{
	buf_addf(arg, "%s: %s\n", file, text);
}

/* then: what is changed at last, in the folder */
static void assert_found(const char *then, const char *want)
{
	cleanup_free char *path = xasprintf("%s/a", judge_dir);
	cleanup_free char *command =
		xasprintf("(cd a && rm -f SHA256SUMS && sha256sum -- * >SHA256SUMS && { %s; })", then);
	cleanup_buf struct buf b = BUF_INIT(1 << 16);
	struct verify_result v;
	struct err err = ERR_INIT;

	free(judge_run(command));
	if (verify_archive(path, add_problem, &b, &v, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.data, want);
	assert_int_equal(v.problems > 0, *want != '\0');
}

static void make_good(void)
{
	free(judge_run("rm -rf a && mkdir a"));
	make_capture();
	make_manifest("3", FIRST, "null");
}

static void good_ones(void **state)
{
	cleanup_free char *path = xasprintf("%s/a", judge_dir);
	struct verify_result v;

	make_good();
	assert_found("true", "");
	assert_int_equal(verify_archive(path, add_problem, NULL, &v, NULL), 0);
	assert_int_equal(v.files, 1);
	assert_int_equal(v.packets, 3);
	assert_int_equal(v.problems, 0);
}

static void changed_ones(void **state)
{
	make_good();
	assert_found("echo x >more", "more: it is not in SHA256SUMS\n");
	make_good();
	assert_found("rm " NAME, NAME ": it is in the manifest, but not there\n"
				 NAME ": it is in SHA256SUMS, but not there\n");
	make_good();
	assert_found("rm SHA256SUMS", "SHA256SUMS: it is not there\n");
	make_good();
	assert_found("echo nonsense >>SHA256SUMS",
		     "SHA256SUMS: a line is not as sha256sum writes it\n");
	make_good();
	make_manifest("4", FIRST, "null");
	assert_found("true", "manifest.json: web.1 has 4 packets, its files 3\n");
	make_good();
	make_manifest("3", "", "\"merged.pcapng\"");
	assert_found("true", NAME ": its first packet is of " FIRST ", the manifest says none\n"
		     "merged.pcapng: it is in the manifest, but not there\n");
	make_good();
	assert_found("head -c 4 /dev/zero | dd of=" NAME " bs=1 seek=32 conv=notrunc",
		     NAME ": damaged at byte 28: no block has such a length\n" NAME
		     ": it has 0 packets, the manifest says 3\n" NAME
		     ": its first packet is of no time, the manifest says " FIRST "\n" NAME
		     ": its last packet is of no time, the manifest says " LAST "\n" NAME
		     ": its digest is not the one in the manifest\n" NAME
		     ": its digest is not the one in SHA256SUMS\n");
}

static void what_is_no_archive(void **state)
{
	cleanup_free char *path = xasprintf("%s/b", judge_dir);
	struct verify_result v;
	struct err err = ERR_INIT;

	free(judge_run("mkdir b"));
	assert_int_equal(verify_archive(path, add_problem, NULL, &v, &err), -EINVAL);
	assert_non_null(strstr(err.text, "holds no manifest.json"));
	assert_int_equal(verify_archive("/none", add_problem, NULL, &v, &err), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(changed_ones),
		cmocka_unit_test(what_is_no_archive),
	};

	return cmocka_run_group_tests_name("verify", tests, judge_setup, judge_teardown);
}
