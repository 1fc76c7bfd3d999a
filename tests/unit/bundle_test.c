/* SPDX-License-Identifier: Apache-2.0
 *
 * bundle_test.c - archives, with tar, unzip, zstd and sha256sum as judges
 *
 * Every test works in a folder of its own under /tmp and leaves none.
 */
#include "../../coordinator/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define STOP (1795444775LL * NS_PER_S)
#define BIG (3 * 1024 * 1024 + 17)
#define HOSTS "10.0.1.5\tweb.1.k7x2a9\n"

static char dir[] = "/tmp/bundle-test-XXXXXX";
static char *big;

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

/* The shell's exit status; the command sees the test's folder as $D. */
static int sh(const char *command)
{
	cleanup_free char *all = xasprintf("cd %s && { %s; } >/dev/null 2>&1", dir, command);
	int status = system(all);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static size_t entries_of_dir(void)
{
	DIR *d = opendir(dir);
	size_t n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

/* Bytes that do not shrink, so that sizes are what a full disk cares for */
static int setup_group(void **state)
{
	uint32_t x = 1;

	big = xmalloc(BIG);
	for (size_t i = 0; i < BIG; i++) {
		x = x * 1664525u + 1013904223u;
		big[i] = (char)(x >> 24);
	}
	return 0;
}

static int teardown_group(void **state)
{
	free(big);
	return 0;
}

static int setup(void **state)
{
	strcpy(dir + strlen(dir) - 6, "XXXXXX");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	return util_remove_tree_at(AT_FDCWD, dir);
}

static void stage(const struct bundle *b, const char *name, const char *p, size_t n)
{
	assert_int_equal(util_write_file_at(bundle_staging(b), name, p, n, 0644), 0);
}

static void sum_of(const char *p, size_t n, char hex[DIGEST_HEX])
{
	struct digest *d = digest_new();

	digest_add(d, p, n);
	digest_end(d, hex);
}

static void add_file(struct manifest *m, const char *staged, const char *name, const char *p,
		     size_t n)
{
	struct manifest_file *f;

	m->files = xrealloc(m->files, m->n_files + 1, sizeof(*m->files));
	f = &m->files[m->n_files++];
	*f = (struct manifest_file){ .staged = xstrdup(staged),
				     .name = xstrdup(name),
				     .bytes = (int64_t)n };
	sum_of(p, n, f->sha256);
}

/* Two captures, one of them empty, and something staged that does not belong into the archive */
static void make_content(const struct bundle *b, struct manifest *m)
{
	*m = (struct manifest)MANIFEST_INIT;
	m->json = json_pack("{s:i, s:s}", "schema", 1, "name", "\xc2\x9b[2J");
	m->hosts = xstrdup(HOSTS);
	m->stop_ns = STOP;
	stage(b, "1-0.pcapng", big, BIG);
	stage(b, "0-0.pcapng", "", 0);
	stage(b, "left-over", "x", 1);
	add_file(m, "1-0.pcapng", "node2-web.2.bbbbbb-2026-11-23_14-39-05.pcapng", big, BIG);
	add_file(m, "0-0.pcapng", "node1-web.1.k7x2a9-2026-11-23_14-39-05.pcapng", "", 0);
}

static int write_bundle(const char *name, bool force, struct err *err)
{
	cleanup_free char *output = in_dir(name);
	struct bundle *b = NULL;
	struct manifest m;
	int rc = bundle_open(&b, output, force, err);

	if (rc < 0)
		return rc;
	assert_string_equal(bundle_output(b), output);
	make_content(b, &m);
	rc = bundle_commit(b, &m, err);
	manifest_release(&m);
	bundle_free(b);
	return rc;
}

/* After NAME was unpacked into $D/x, which holds the folder `out` */
#define CHECK_FOLDER(folder) \
	"cd " folder " && sha256sum -c --strict SHA256SUMS && " \
	"test $(ls -A | wc -l) = 5 && test $(wc -l <SHA256SUMS) = 4 && " \
	"test \"$(cat hosts)\" = \"$(printf '10.0.1.5\\tweb.1.k7x2a9')\" && " \
	"jq -e . manifest.json && ! grep -P '[^ -~]' manifest.json && " \
	"test $(stat -c %s node2-web.2.bbbbbb-2026-11-23_14-39-05.pcapng) = 3145745 && " \
	"test \"$(stat -c %a-%Y * | sort -u)\" = 600-1795444775"

static void check_archive(const char *name, const char *unpack)
{
	struct err err = ERR_INIT;
	cleanup_free char *all = xasprintf("mkdir x && cd x && %s && test \"$(ls -A)\" = out && %s",
					   unpack, CHECK_FOLDER("out"));

	assert_int_equal(write_bundle(name, false, &err), 0);
	assert_int_equal(entries_of_dir(), 1);
	assert_int_equal(sh(all), 0);
}

static void test_tar(void **state)
{
	check_archive("out.tar", "tar -xf ../out.tar && test $(stat -c %a ../out.tar) = 600");
}

static void test_tar_gz(void **state)
{
	check_archive("out.tar.gz", "gzip -t ../out.tar.gz && tar -xzf ../out.tar.gz");
}

static void test_tgz(void **state)
{
	check_archive("out.tgz", "tar -xzf ../out.tgz");
}

static void test_tar_zst(void **state)
{
	check_archive("out.tar.zst",
		      "zstd -q -t ../out.tar.zst && zstd -dc ../out.tar.zst | tar -x");
}

static void test_zip(void **state)
{
	check_archive("out.zip", "TZ=UTC unzip -t ../out.zip && unzip ../out.zip");
}

static void test_folder(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(write_bundle("out/", false, &err), 0);
	assert_int_equal(entries_of_dir(), 1);
	assert_int_equal(sh("test $(stat -c %a out) = 700 && " CHECK_FOLDER("out")), 0);
}

/* A relative name, and a change of directory between the stages */
static void test_relative(void **state)
{
	struct err err = ERR_INIT;
	struct bundle *b = NULL;
	struct manifest m;
	cleanup_close int home = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	assert_int_equal(chdir(dir), 0);
	assert_int_equal(bundle_open(&b, "out.tar", false, &err), 0);
	assert_int_equal(fchdir(home), 0);
	make_content(b, &m);
	assert_int_equal(bundle_commit(b, &m, &err), 0);
	manifest_release(&m);
	bundle_free(b);
	assert_int_equal(sh("tar -tf out.tar"), 0);
}

static void test_without_commit_nothing_is_left(void **state)
{
	cleanup_free char *output = in_dir("out.tar");
	struct err err = ERR_INIT;
	struct bundle *b = NULL;

	assert_int_equal(bundle_open(&b, output, false, &err), 0);
	stage(b, "0-0.pcapng", big, 1000);
	assert_int_equal(entries_of_dir(), 1);
	bundle_free(b);
	assert_int_equal(entries_of_dir(), 0);
	bundle_free(NULL);
}

static void test_existing_output(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(sh("echo old >out.tar; mkdir out.zip"), 0);
	assert_int_equal(write_bundle("out.tar", false, &err), -EEXIST);
	assert_non_null(strstr(err.text, "--force"));
	assert_int_equal(sh("test \"$(cat out.tar)\" = old"), 0);
	assert_int_equal(write_bundle("out.tar", true, &err), 0);
	assert_int_equal(sh("tar -tf out.tar"), 0);
	err_reset(&err);
	assert_int_equal(write_bundle("out.zip", true, &err), -EISDIR);
	assert_int_equal(entries_of_dir(), 2);
}

static void test_existing_folder(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(sh("mkdir out empty mine; echo x >mine/letter; echo '{}' "
			    ">out/manifest.json; echo x >out/old"),
			 0);
	assert_int_equal(write_bundle("out/", false, &err), -EEXIST);
	assert_int_equal(write_bundle("out/", true, &err), 0);
	assert_int_equal(write_bundle("empty/", true, &err), 0);
	assert_int_equal(sh(CHECK_FOLDER("out")), 0);
	assert_int_equal(sh(CHECK_FOLDER("empty")), 0);
	err_reset(&err);
	/* what is no capture stays, whatever the user says */
	assert_int_equal(write_bundle("mine/", true, &err), -EEXIST);
	assert_int_equal(sh("test -f mine/letter"), 0);
	assert_int_equal(entries_of_dir(), 3);
}

/* What comes into being while the capture runs is not overwritten */
static void test_output_appears_meanwhile(void **state)
{
	cleanup_free char *output = in_dir("out.tar");
	struct err err = ERR_INIT;
	struct bundle *b = NULL;
	struct manifest m;

	assert_int_equal(bundle_open(&b, output, false, &err), 0);
	make_content(b, &m);
	assert_int_equal(sh("echo theirs >out.tar"), 0);
	assert_int_equal(bundle_commit(b, &m, &err), -EEXIST);
	manifest_release(&m);
	bundle_free(b);
	assert_int_equal(sh("test \"$(cat out.tar)\" = theirs"), 0);
	assert_int_equal(entries_of_dir(), 1);
}

static void test_unwritable(void **state)
{
	struct err err = ERR_INIT;
	struct bundle *b = NULL;

	assert_int_equal(write_bundle("no/such/out.tar", false, &err), -ENOENT);
	assert_non_null(strstr(err.text, "no/such"));
	err_reset(&err);
	assert_int_equal(bundle_open(&b, "/proc/out.tar", false, &err), -ENOENT);
	err_reset(&err);
	assert_int_equal(bundle_open(&b, "/sys/out.tar", false, &err), -EPERM);
	assert_int_equal(sh("echo x >file"), 0);
	err_reset(&err);
	assert_int_equal(write_bundle("file/out.tar", false, &err), -ENOTDIR);
}

/* A child in which root's right to write anywhere is given away */
static void test_no_permission(void **state)
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		cleanup_free char *output = in_dir("out.tar");
		struct err err = ERR_INIT;
		struct bundle *b = NULL;

		if (chmod(dir, 0755) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(9);
		_exit(bundle_open(&b, output, false, &err) == -EACCES ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* On a disk of that size, in a mount namespace that dies with the child; 0: commit said -ENOSPC. */
static int full_disk(const char *name, const char *room)
{
	cleanup_free char *output = in_dir(name);
	struct err err = ERR_INIT;
	struct bundle *b = NULL;
	struct manifest m;
	size_t before;

	if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("tmpfs", dir, "tmpfs", 0, room) < 0)
		return 9;
	before = entries_of_dir();
	if (bundle_open(&b, output, false, &err) < 0)
		return 8;
	make_content(b, &m);
	if (bundle_commit(b, &m, &err) != -ENOSPC)
		return 1;
	if (!strstr(err.text, "disk is full"))
		return 2;
	manifest_release(&m);
	bundle_free(b);
	return entries_of_dir() == before ? 0 : 3;
}

static void run_full_disk(const char *name, const char *room)
{
	pid_t pid;
	int status;

	if (geteuid() != 0)
		skip();
	pid = fork();
	if (pid == 0)
		_exit(full_disk(name, room));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void test_full_disk(void **state)
{
	static const char *const names[] = { "out.tar", "out.tar.gz", "out.tar.zst", "out.zip" };

	/* room for the fetched files, not for an archive beside them */
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		run_full_disk(names[i], "size=5m");
}

/* Three staged files, room for no more inodes than these: the folder's own files do not fit */
static void test_full_disk_folder(void **state)
{
	run_full_disk("out/", "size=5m,nr_inodes=7");
}

static bool cancel_at_once(void *arg)
{
	(*(int *)arg)++;
	return true;
}

static void test_cancel(void **state)
{
	cleanup_free char *output = in_dir("out.tar.zst");
	struct err err = ERR_INIT;
	struct bundle *b = NULL;
	struct manifest m;
	int asked = 0;

	assert_int_equal(bundle_open(&b, output, false, &err), 0);
	make_content(b, &m);
	bundle_set_cancel(b, cancel_at_once, &asked);
	assert_int_equal(bundle_commit(b, &m, &err), -ECANCELED);
	assert_int_equal(asked, 1);
	manifest_release(&m);
	bundle_free(b);
	assert_int_equal(entries_of_dir(), 0);
}

static void test_missing_staged_file(void **state)
{
	cleanup_free char *output = in_dir("out.tar.gz");
	struct err err = ERR_INIT;
	struct bundle *b = NULL;
	struct manifest m;

	assert_int_equal(bundle_open(&b, output, false, &err), 0);
	make_content(b, &m);
	assert_int_equal(unlinkat(bundle_staging(b), "1-0.pcapng", 0), 0);
	assert_int_equal(bundle_commit(b, &m, &err), -ENOENT);
	manifest_release(&m);
	bundle_free(b);
	assert_int_equal(entries_of_dir(), 0);
}

static void test_check_name(void **state)
{
	static const char *const good[] = {
		"a.tar",      "a.tar.gz", "a.tgz", "a.tar.zst", "a.zip",
		"/tmp/a.tar", "../a.zip", "dir/",  "a/dir//",	"a.b/",
	};
	static const char *const bad[] = {
		"",  "/",     ".",	  "..",	  "./",	      "../",	 "a/..",
		"a", "a.rar", "a.tar.xz", ".tar", "dir/.zip", "a.tar/b", "a.TAR",
	};
	cleanup_free char *longest = xasprintf("%0200d/", 0), *too_long = xasprintf("%0201d/", 0);

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		assert_null(bundle_check_name(good[i]));
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_non_null(bundle_check_name(bad[i]));
	assert_non_null(strstr(bundle_check_name("a.rar"), ".tar.zst"));
	assert_null(bundle_check_name(longest));
	assert_non_null(bundle_check_name(too_long));
}

static void test_unknown_extension_is_refused(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(write_bundle("out.rar", false, &err), -EINVAL);
	assert_non_null(strstr(err.text, "unknown extension"));
	assert_int_equal(entries_of_dir(), 0);
}

static void test_default_name(void **state)
{
	char *one[] = { (char *)"web" },
	     *many[] = { (char *)"stack:sh/op", (char *)"a", (char *)"b" };
	char *hostile[] = { (char *)"../\033[2J" };
	cleanup_free char *a = bundle_default_name(one, 1, "20261123T143905Z-3fa9c1");
	cleanup_free char *b = bundle_default_name(many, 3, "20261123T143905Z-3fa9c1");
	cleanup_free char *c = bundle_default_name(hostile, 1, "20261123T143905Z-3fa9c1");

	assert_string_equal(a, "web-20261123T143905Z-3fa9c1.tar.zst");
	assert_string_equal(b, "stack_sh_op+2-20261123T143905Z-3fa9c1.tar.zst");
	assert_null(strchr(c, '/'));
	assert_null(strchr(c, '\033'));
	assert_int_not_equal(c[0], '.');
	assert_null(bundle_check_name(c));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(test_tar),
		T(test_tar_gz),
		T(test_tgz),
		T(test_tar_zst),
		T(test_zip),
		T(test_folder),
		T(test_relative),
		T(test_without_commit_nothing_is_left),
		T(test_existing_output),
		T(test_existing_folder),
		T(test_output_appears_meanwhile),
		T(test_unwritable),
		T(test_no_permission),
		T(test_full_disk),
		T(test_full_disk_folder),
		T(test_cancel),
		T(test_missing_staged_file),
		T(test_check_name),
		T(test_unknown_extension_is_refused),
		T(test_default_name),
	};

	return cmocka_run_group_tests(tests, setup_group, teardown_group);
}
