/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_test.c - the credentials' directory; openssl is the judge of the certificates
 */
#include "../../coordinator/creds.h"

#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static char root[64];

/* Runs a shell command with $D set to the credentials; its output, to be freed. */
static char *sh(const char *dir, const char *command, int *status)
{
	char *text = xcalloc(1, 16384);
	FILE *f;

	setenv("D", dir, 1);
	f = popen(command, "r");
	assert_non_null(f);
	text[fread(text, 1, 16383, f)] = '\0';
	*status = pclose(f);
	return text;
}

static void assert_says(const char *dir, const char *command, const char *want)
{
	int status;
	cleanup_free char *text = sh(dir, command, &status);

	if (!strstr(text, want))
		fail_msg("%s: no '%s' in:\n%s", command, want, text);
}

static void assert_lacks(const char *dir, const char *command, const char *unwanted)
{
	int status;
	cleanup_free char *text = sh(dir, command, &status);

	if (strstr(text, unwanted))
		fail_msg("%s: '%s' in:\n%s", command, unwanted, text);
}

static char *below(const char *name)
{
	return xasprintf("%s/%s", root, name);
}

static int set_up(void **state)
{
	snprintf(root, sizeof(root), "/tmp/creds_test.XXXXXX");
	return mkdtemp(root) ? 0 : -1;
}

static int tear_down(void **state)
{
	return util_remove_tree_at(AT_FDCWD, root);
}

static void test_names_of_the_directory(void **state)
{
	cleanup_free char *explicit = NULL, *env = NULL, *xdg = NULL, *home = NULL, *hostile = NULL;

	unsetenv("SWARMCAP_CREDENTIALS");
	setenv("XDG_CONFIG_HOME", "/cfg", 1);
	setenv("HOME", "/home/x", 1);
	explicit = creds_dir("/a/b//", "id1");
	assert_string_equal(explicit, "/a/b");
	xdg = creds_dir(NULL, "id1");
	assert_string_equal(xdg, "/cfg/swarmcap/id1");
	hostile = creds_dir(NULL, "../../etc");
	assert_string_equal(hostile, "/cfg/swarmcap/_._.._etc");
	setenv("XDG_CONFIG_HOME", "relative", 1);
	home = creds_dir(NULL, "id1");
	assert_string_equal(home, "/home/x/.config/swarmcap/id1");
	setenv("SWARMCAP_CREDENTIALS", "/elsewhere", 1);
	env = creds_dir(NULL, "id1");
	assert_string_equal(env, "/elsewhere");
	unsetenv("SWARMCAP_CREDENTIALS");
}

static void test_create_then_load(void **state)
{
	cleanup_free char *dir = below("deep/er/creds");
	cleanup_creds struct creds c = CREDS_INIT;
	struct err err = ERR_INIT;
	int64_t year = (int64_t)365 * 24 * 3600 * NS_PER_S;

	assert_int_equal(creds_load(&c, dir, &err), -ENOENT);
	assert_non_null(strstr(err.text, "swarmcap deploy"));
	err_reset(&err);
	assert_int_equal(creds_create(dir, &err), 0);
	assert_int_equal(creds_load(&c, dir, &err), 0);
	assert_string_equal(err.text, "");
	assert_true(digest_is_hex(c.ca_fingerprint));
	assert_true(llabs(c.client_expires_ns - clock_wall_ns() - year) < 60 * NS_PER_S);
	assert_true(c.agent_expires_ns == c.client_expires_ns);
}

static void test_modes(void **state)
{
	cleanup_free char *dir = below("modes");
	int status;
	cleanup_free char *text = NULL;

	umask(0);
	assert_int_equal(creds_create(dir, NULL), 0);
	text = sh(dir, "cd $D && stat -c '%a %n' . * && ls -A .. | grep -c swarmcap-", &status);
	assert_string_equal(text, "700 .\n600 agent-key.pem\n600 agent.pem\n600 ca-key.pem\n"
				  "600 ca.pem\n600 client-key.pem\n600 client.pem\n0\n");
	umask(022);
}

static void test_never_overwritten(void **state)
{
	cleanup_free char *dir = below("twice"), *empty = below("empty"), *file = below("file");
	struct err err = ERR_INIT;
	int status;

	assert_int_equal(creds_create(dir, &err), 0);
	assert_int_equal(creds_create(dir, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not overwritten"));
	free(sh(file, "touch $D", &status));
	assert_int_equal(creds_create(file, NULL), -EEXIST);
	assert_int_equal(mkdir(empty, 0755), 0);
	assert_int_equal(creds_create(empty, NULL), 0);
	assert_says(empty, "stat -c %a $D", "700");
	assert_lacks(root, "ls -A $D", ".swarmcap-");
}

static void test_unwritable_place(void **state)
{
	struct err err = ERR_INIT;

	assert_true(creds_create("/proc/none/creds", &err) < 0);
	assert_non_null(strstr(err.text, "/proc/none"));
}

static void test_keys_that_others_may_read(void **state)
{
	cleanup_free char *dir = below("open");
	static const char *const keys[] = { "client-key.pem", "agent-key.pem", "ca-key.pem" };

	assert_int_equal(creds_create(dir, NULL), 0);
	for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, keys[i]);
		cleanup_creds struct creds c = CREDS_INIT;
		struct err err = ERR_INIT;

		assert_int_equal(chmod(path, 0640), 0);
		assert_int_equal(creds_load(&c, dir, &err), -EINVAL);
		assert_non_null(strstr(err.text, keys[i]));
		assert_non_null(strstr(err.text, "0640"));
		assert_null(c.dir);
		assert_int_equal(chmod(path, 0600), 0);
		assert_int_equal(creds_load(&c, dir, NULL), 0);
	}
}

static void test_broken_directories(void **state)
{
	cleanup_free char *a = below("a"), *b = below("b"), *both = xasprintf("%s %s", a, b);
	cleanup_creds struct creds c = CREDS_INIT;
	struct err err = ERR_INIT;
	int status;

	assert_int_equal(creds_create(a, NULL), 0);
	assert_int_equal(creds_create(b, NULL), 0);
	free(sh(both, "set -- $D; cp $2/client.pem $1/", &status));
	assert_int_equal(creds_load(&c, a, &err), -EINVAL);
	assert_non_null(strstr(err.text, "is not the key of"));
	err_reset(&err);
	free(sh(both, "set -- $D; echo junk >$1/client-key.pem", &status));
	assert_int_equal(creds_load(&c, a, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no private key"));
	err_reset(&err);
	free(sh(both, "set -- $D; head -c 100000 /dev/zero >$1/ca.pem", &status));
	assert_int_equal(creds_load(&c, a, &err), -EFBIG);
	err_reset(&err);
	free(sh(both, "set -- $D; : >$1/ca.pem", &status));
	assert_int_equal(creds_load(&c, a, &err), -EINVAL);
	assert_non_null(strstr(err.text, "no certificate"));
	assert_null(c.dir);
}

/* What a client needs, and no more */
static void test_client_only(void **state)
{
	cleanup_free char *dir = below("client");
	cleanup_creds struct creds c = CREDS_INIT;
	int status;

	assert_int_equal(creds_create(dir, NULL), 0);
	free(sh(dir, "rm $D/agent* $D/ca-key.pem", &status));
	assert_int_equal(creds_load(&c, dir, NULL), 0);
	assert_true(c.agent_expires_ns == 0);
}

static void test_swap(void **state)
{
	cleanup_free char *dir = below("swap"), *fresh = creds_new_dir(dir);
	cleanup_creds struct creds old = CREDS_INIT, next = CREDS_INIT;
	cleanup_creds struct creds now = CREDS_INIT, again = CREDS_INIT;

	assert_int_equal(creds_create(dir, NULL), 0);
	assert_int_equal(creds_load(&old, dir, NULL), 0);
	assert_int_equal(creds_swap(dir, NULL), -ENOENT);
	assert_int_equal(access(old.ca_file, R_OK), 0);

	assert_int_equal(creds_create(fresh, NULL), 0);
	assert_int_equal(creds_load(&next, fresh, NULL), 0);
	assert_string_not_equal(old.ca_fingerprint, next.ca_fingerprint);
	assert_int_equal(creds_swap(dir, NULL), 0);
	assert_int_equal(creds_load(&now, dir, NULL), 0);
	assert_string_equal(now.ca_fingerprint, next.ca_fingerprint);
	assert_int_equal(access(fresh, F_OK), -1);

	/* the directory itself was lost on the way */
	assert_int_equal(creds_create(fresh, NULL), 0);
	assert_int_equal(creds_discard(dir, NULL), 0);
	assert_int_equal(creds_swap(dir, NULL), 0);
	assert_int_equal(creds_load(&again, dir, NULL), 0);
}

static void test_discard_keeps_what_is_not_ours(void **state)
{
	cleanup_free char *dir = below("kept"), *note = xasprintf("%s/note", dir);
	int status;

	assert_int_equal(creds_create(dir, NULL), 0);
	free(sh(note, "touch $D", &status));
	assert_int_equal(creds_discard(dir, NULL), 0);
	assert_says(dir, "ls -A $D", "note");
	assert_lacks(dir, "ls -A $D", "pem");
	assert_int_equal(creds_discard(dir, NULL), 0);
}

/* ---- what openssl says */

#define VERIFY(purpose, name) \
	"cd $D && openssl verify -x509_strict -purpose " purpose " -CAfile ca.pem " name ".pem 2>&1"
#define TEXT(file) "openssl x509 -noout -text -in $D/" file

static void test_openssl_verifies(void **state)
{
	cleanup_free char *dir = below("verify");

	if (system("openssl version >/dev/null 2>&1") != 0)
		skip();
	assert_int_equal(creds_create(dir, NULL), 0);
	assert_says(dir, VERIFY("sslserver -verify_hostname swarmcap-agent", "agent"), ": OK");
	assert_says(dir, VERIFY("sslclient", "client"), ": OK");
	assert_lacks(dir, VERIFY("sslclient", "agent"), ": OK");
	assert_lacks(dir, VERIFY("sslserver", "client"), ": OK");
	assert_says(dir, "head -1 $D/agent-key.pem", "-----BEGIN PRIVATE KEY-----");
}

static void test_openssl_reads_the_rights(void **state)
{
	cleanup_free char *dir = below("text");

	if (system("openssl version >/dev/null 2>&1") != 0)
		skip();
	assert_int_equal(creds_create(dir, NULL), 0);
	assert_says(dir, TEXT("ca.pem"), "CA:TRUE, pathlen:0");
	assert_says(dir, TEXT("ca.pem"), "Certificate Sign\n");
	assert_lacks(dir, TEXT("ca.pem"), "Extended Key Usage");
	assert_says(dir, TEXT("ca.pem"), "NIST CURVE: P-256");
	assert_says(dir, TEXT("agent.pem"), "DNS:swarmcap-agent\n");
	assert_says(dir, TEXT("agent.pem"), "TLS Web Server Authentication\n");
	assert_lacks(dir, TEXT("agent.pem"), "Client Authentication");
	assert_says(dir, TEXT("client.pem"), "CN = swarmcap-client\n");
	assert_says(dir, TEXT("client.pem"), "TLS Web Client Authentication\n");
	assert_lacks(dir, TEXT("client.pem"), "Server Authentication");
	assert_says(dir, TEXT("client.pem"), "CA:FALSE");
}

static void test_openssl_reads_dates_and_serials(void **state)
{
	cleanup_free char *dir = below("dates"), *serials = NULL;
	int status;

	if (system("openssl version >/dev/null 2>&1") != 0)
		skip();
	assert_int_equal(creds_create(dir, NULL), 0);
	/* begins between 24 h and a minute less ago; ends between a year less a minute and one */
	assert_says(dir, "s=$(openssl x509 -noout -startdate -in $D/agent.pem | cut -d= -f2);"
			 "a=$(($(date +%s) - $(date -d \"$s\" +%s)));"
			 "[ $a -ge 86400 ] && [ $a -lt 86460 ] && echo fine", "fine");
	assert_says(dir, "openssl x509 -checkend $((365 * 86400 - 60)) -in $D/ca.pem -noout",
		    "will not");
	assert_lacks(dir, "openssl x509 -checkend $((365 * 86400 + 1)) -in $D/ca.pem -noout",
		     "will not");
	serials = sh(dir, "for f in ca agent client; do"
			  "  openssl x509 -noout -serial -in $D/$f.pem;"
			  "done | grep -E '^serial=[4-7][0-9A-F]{31}$' | sort -u | wc -l", &status);
	assert_string_equal(serials, "3\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names_of_the_directory),
		cmocka_unit_test(test_create_then_load),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_never_overwritten),
		cmocka_unit_test(test_unwritable_place),
		cmocka_unit_test(test_keys_that_others_may_read),
		cmocka_unit_test(test_broken_directories),
		cmocka_unit_test(test_client_only),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_discard_keeps_what_is_not_ours),
		cmocka_unit_test(test_openssl_verifies),
		cmocka_unit_test(test_openssl_reads_the_rights),
		cmocka_unit_test(test_openssl_reads_dates_and_serials),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
