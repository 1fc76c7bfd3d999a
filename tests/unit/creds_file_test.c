/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_file_test.c - a client's credentials as one file; openssl is the judge of what is in it
 */
#include "../../coordinator/creds_file.h"

#include "../../coordinator/creds.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define CRT(x) "-----BEGIN CERTIFICATE-----\n" x "\n-----END CERTIFICATE-----\n"
#define KEY(x) "-----BEGIN PRIVATE KEY-----\n" x "\n-----END PRIVATE KEY-----\n"

static char root[64];

static int set_up(void **state)
{
	snprintf(root, sizeof(root), "/tmp/creds_file_test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	return util_remove_tree_at(AT_FDCWD, root);
}

static char *below(const char *name)
{
	return xasprintf("%s/%s", root, name);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
	fchmod(fd, mode);
	close(fd);
}

static void assert_part(const struct creds_text *t, enum creds_part part, const char *want)
{
	assert_int_equal(t->len[part], strlen(want) - 1);	/* the line break is not its own */
	assert_memory_equal(t->part[part], want, t->len[part]);
}

static void three_blocks_in_order(void **state)
{
	struct creds_text t;

	assert_int_equal(creds_file_split("# swarmcap credentials\n" CRT("AA") "\n" CRT("BB") "x\n"
					  KEY("CC"), &t, NULL), 0);
	assert_part(&t, CREDS_PART_CA, CRT("AA"));
	assert_part(&t, CREDS_PART_CLIENT, CRT("BB"));
	assert_part(&t, CREDS_PART_KEY, KEY("CC"));
	/* CI systems cut the last line break, or make it two bytes */
	assert_int_equal(creds_file_split("-----BEGIN CERTIFICATE-----\r\nAA\r\n-----END CERTIFICATE-----\r\n"
					  CRT("BB") "-----BEGIN PRIVATE KEY-----\nCC\n"
					  "-----END PRIVATE KEY-----", &t, NULL), 0);
}

static void assert_refused(const char *text, const char *sentence)
{
	struct creds_text t = { { NULL }, { 7 } };
	struct err err = ERR_INIT;

	assert_int_equal(creds_file_split(text, &t, &err), -EINVAL);
	if (!strstr(err.text, sentence))
		fail_msg("'%s', wanted '%s'", err.text, sentence);
	assert_int_equal(t.len[0], 7);		/* written on success only */
}

static void anything_else_is_refused(void **state)
{
	assert_refused("", "the CA's certificate");
	assert_refused("hello", "the CA's certificate");
	assert_refused(CRT("AA"), "the client's certificate");
	assert_refused(CRT("AA") CRT("BB"), "the client's key");
	assert_refused(KEY("CC") CRT("AA") CRT("BB"), "the CA's certificate");
	assert_refused(CRT("AA") KEY("CC") CRT("BB"), "the client's certificate");
	assert_refused(CRT("AA") CRT("BB") KEY("CC") KEY("DD"), "more in it");
	assert_refused("-----BEGIN CERTIFICATE-----\nAA\n" CRT("BB") CRT("CC") KEY("DD"),
		       "the CA's certificate");
	assert_refused("-----BEGIN CERTIFICATE-----\nAA\n-----END PRIVATE KEY-----\n" CRT("BB")
		       KEY("CC"), "the CA's certificate");
	assert_refused(CRT("AA") CRT("BB") "-----BEGIN PRIVATE KEY-----\nCC", "the client's key");
}

static void exported_and_loaded(void **state)
{
	cleanup_free char *dir = below("dir"), *file = below("client.pem");
	cleanup_free char *command = NULL, *text = NULL;
	cleanup_creds struct creds of_dir = CREDS_INIT, of_file = CREDS_INIT;
	struct err err = ERR_INIT;
	struct stat st;

	assert_int_equal(creds_create(dir, &err), 0);
	assert_int_equal(creds_file_export(dir, file, &err), 0);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(creds_load(&of_dir, dir, &err), 0);
	assert_int_equal(creds_load(&of_file, file, &err), 0);
	assert_string_equal(of_file.ca_fingerprint, of_dir.ca_fingerprint);
	assert_true(of_file.client_expires_ns == of_dir.client_expires_ns);
	assert_int_equal(of_file.agent_expires_ns, 0);
	assert_null(of_file.agent_file);
	/* nothing but an agent's part is worth more than it says: no CA's key, no agent's */
	text = util_read_file(file, CREDS_FILE_MAX);
	assert_non_null(strstr(text, "PRIVATE KEY"));
	assert_null(strstr(strstr(text, "PRIVATE KEY") + 11, "BEGIN"));
	/* the parts are files to whoever takes a path */
	command = xasprintf("openssl verify -CAfile /proc/%d/fd/%d /proc/%d/fd/%d >/dev/null",
			    getpid(), of_file.fds[CREDS_PART_CA], getpid(),
			    of_file.fds[CREDS_PART_CLIENT]);
	assert_int_equal(system(command), 0);
	/* again, in its place */
	assert_int_equal(creds_file_export(dir, file, &err), 0);
}

static void foreign_files_stay(void **state)
{
	cleanup_free char *dir = below("dir2"), *file = below("mine"), *text = NULL;
	cleanup_free char *far = below("none/at/all");
	struct err err = ERR_INIT;

	assert_int_equal(creds_create(dir, &err), 0);
	write_file(file, "my diary\n", 0644);
	assert_int_equal(creds_file_export(dir, file, &err), -EEXIST);
	text = util_read_file(file, 100);
	assert_string_equal(text, "my diary\n");
	assert_int_equal(creds_file_export(dir, dir, &err), -EEXIST);
	assert_int_equal(creds_file_export(dir, far, &err), -ENOENT);
	assert_int_equal(creds_file_export("/nonexistent", far, &err), -ENOENT);
}

static void bad_files_are_not_loaded(void **state)
{
	cleanup_free char *dir = below("dir3"), *file = below("c.pem"), *other = below("o.pem");
	cleanup_free char *text = NULL, *text2 = NULL, *dir2 = below("dir4"), *mixed = NULL;
	cleanup_creds struct creds c = CREDS_INIT;
	struct err err = ERR_INIT;

	write_file(file, "hello", 0600);
	assert_int_equal(creds_load(&c, file, &err), -EINVAL);
	assert_non_null(strstr(err.text, file));
	write_file(file, CRT("AA") CRT("BB") KEY("CC"), 0600);
	err_reset(&err);
	assert_int_equal(creds_load(&c, file, &err), -EINVAL);

	/* what others may read is as good as published */
	unlink(file);
	assert_int_equal(creds_create(dir, NULL), 0);
	assert_int_equal(creds_file_export(dir, file, NULL), 0);
	chmod(file, 0640);
	err_reset(&err);
	assert_int_equal(creds_load(&c, file, &err), -EINVAL);
	assert_non_null(strstr(err.text, "chmod 600"));

	/* another's key */
	assert_int_equal(creds_create(dir2, NULL), 0);
	assert_int_equal(creds_file_export(dir2, other, NULL), 0);
	text = util_read_file(file, CREDS_FILE_MAX);
	text2 = util_read_file(other, CREDS_FILE_MAX);
	mixed = xasprintf("%.*s%s", (int)(strstr(text, "-----BEGIN PRIVATE") - text), text,
			  strstr(text2, "-----BEGIN PRIVATE"));
	write_file(file, mixed, 0600);
	err_reset(&err);
	assert_int_equal(creds_load(&c, file, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is not the key"));
	assert_non_null(strstr(err.text, file));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(three_blocks_in_order),
		cmocka_unit_test(anything_else_is_refused),
		cmocka_unit_test(exported_and_loaded),
		cmocka_unit_test(foreign_files_stay),
		cmocka_unit_test(bad_files_are_not_loaded),
	};

	return cmocka_run_group_tests_name("creds_file", tests, set_up, tear_down);
}
