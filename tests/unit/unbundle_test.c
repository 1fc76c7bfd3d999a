/* SPDX-License-Identifier: Apache-2.0
 *
 * unbundle_test.c - archives by tar and zip, whole, cut, hostile; and folders
 */
#include "../../coordinator/unbundle.h"
#include "judge.h"

#include <errno.h>

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", judge_dir, name);
}

/* "name=text;..." of all files, or how it ended. */
static char *list(const char *name, int64_t limit)
{
	cleanup_free char *path = in_dir(name);
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	struct unbundle *u = NULL;
	struct unbundle_entry e;
	struct err err = ERR_INIT;
	int r = unbundle_open(&u, path, &err);

	if (r == 0 && limit)
		unbundle_limit(u, limit);
	while (r == 0 && (r = unbundle_next(u, &e, &err)) == 0) {
		cleanup_free char *text = NULL;

		r = unbundle_text(u, 100, &text, NULL, &err);
		if (r == 0)
			buf_addf(&b, "%s=%s;", e.name, text);
	}
	if (r != UNBUNDLE_E_END)
		buf_addf(&b, "%d: %s", r, strstr(err.text, "': ") ? strstr(err.text, "': ") + 3
								  : err.text);
	unbundle_close(u);
	return buf_take(&b);
}

static void assert_lists(const char *name, const char *want)
{
	cleanup_free char *got = list(name, 0);

	assert_string_equal(got, want);
}

/* make: makes x.tar of the folder web, which begins with manifest.json, a and b */
static void assert_refused(const char *make, const char *want)
{
	cleanup_free char *command = xasprintf("rm -rf web && cp -r good web && %s", make);
	cleanup_free char *got = NULL;

	free(judge_run(command));
	got = list("x.tar", 0);
	if (!strstr(got, want))
		fail_msg("%s: %s, not %s", make, got, want);
}

static int setup(void **state)
{
	if (judge_setup(state) < 0)
		return -1;
	free(judge_run("mkdir good && (cd good && echo m >manifest.json && echo 1 >a && echo 2 >b)"));
	return 0;
}

static void all_kinds(void **state)
{
	static const char want[] = "manifest.json=m\n;a=1\n;b=2\n;";

	free(judge_run("tar -cf t.tar good/manifest.json good/a good/b && gzip -k t.tar && "
		       "zstd -q t.tar && zip -q t.zip good/manifest.json good/a good/b && "
		       "tar -cf dots.tar ./good/manifest.json ./good/a ./good/b && "
		       "tar -cf entry.tar --no-recursion good good/manifest.json good/a good/b"));
	assert_lists("t.tar", want);
	assert_lists("t.tar.gz", want);
	assert_lists("t.tar.zst", want);
	assert_lists("t.zip", want);
	assert_lists("dots.tar", want);
	assert_lists("entry.tar", want);
	assert_lists("good", want);
}

static void hostile_ones(void **state)
{
	assert_refused("tar -P -cf x.tar --transform='s,web/a,/tmp/a,' web", "no path of a capture");
	assert_refused("tar -P -cf x.tar --transform='s,web/a,web/../a,' web", "no name of a");
	assert_refused("tar -P -cf x.tar --transform='s,web/a,../a,' web", "no path of a capture");
	assert_refused("tar -cf x.tar --transform='s,web/a,other/a,' web", "outside of the archive");
	assert_refused("tar -cf x.tar --transform='s,web/a,web/d/a,' web", "no name of a capture");
	assert_refused("tar -cf x.tar --transform='s,web/a,web/.a,' web", "no name of a capture");
	assert_refused("tar -cf x.tar --transform='s,web/a,web/b,' web", "there twice");
	assert_refused("ln -s /etc/passwd web/l && tar -cf x.tar web", "no plain file");
	assert_refused("ln web/a web/h && tar -cf x.tar web", "no plain file");
	assert_refused("mkfifo web/p && tar -cf x.tar web", "no plain file");
	assert_refused("mkdir web/d && tar -cf x.tar web", "no plain file");
	assert_refused("printf 'x\\033[31m' >web/\"$(printf 'x\\033[31m')\" && tar -cf x.tar web",
		       "'x\\x1b[31m' in it is no");
	assert_refused("head -c 1000 /dev/urandom >x.tar", "Unrecognized archive");
	assert_refused("head -c 101 /dev/zero >web/long && tar -cf x.tar web", "longer than 100");
}

static void hostile_folders(void **state)
{
	free(judge_run("cp -r good f1 && ln -s /etc/passwd f1/l && cp -r good f2 && mkdir f2/d && "
		       "cp -r good f3 && mkfifo f3/p && cp -r good f4 && touch f4/.x"));
	for (int i = 1; i <= 4; i++) {
		char name[] = "f0";
		cleanup_free char *got = NULL;

		name[1] = (char)('0' + i);
		got = list(name, 0);
		if (!strstr(got, i == 4 ? "no name of a capture" : "no plain file"))
			fail_msg("%s: %s", name, got);
	}
	assert_lists("none", "-2: No such file or directory");
}

static void limits(void **state)
{
	cleanup_free char *below = NULL, *above = NULL, *bomb = NULL;

	free(judge_run("tar -cf t2.tar good/a good/b && mkdir zeros && truncate -s 1G zeros/z && "
		       "tar -cf - zeros | zstd -q >bomb.tar.zst && rm zeros/z"));
	below = list("t2.tar", 3);
	assert_non_null(strstr(below, "a=1\n;-27: "));
	assert_non_null(strstr(below, "t2.tar' holds more bytes than it may"));
	above = list("t2.tar", 4);
	assert_string_equal(above, "a=1\n;b=2\n;");
	bomb = list("bomb.tar.zst", 0);
	assert_non_null(strstr(bomb, "bomb.tar.zst' holds more bytes than it may"));
}

static void cut_ones(void **state)
{
	free(judge_run("mkdir big && head -c 90 /dev/urandom >big/a && tar -cf big.tar big && "
		       "head -c 1050 big.tar >cut.tar"));
	assert_lists("cut.tar", "-22: Truncated tar archive");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_kinds),
		cmocka_unit_test(hostile_ones),
		cmocka_unit_test(hostile_folders),
		cmocka_unit_test(limits),
		cmocka_unit_test(cut_ones),
	};

	return cmocka_run_group_tests_name("unbundle", tests, setup, judge_teardown);
}
