/* SPDX-License-Identifier: Apache-2.0
 *
 * digest_test.c - SHA-256 against known digests
 */
#include "digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define OF_NOTHING "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define OF_MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"

static void test_running(void **state)
{
	char hex[DIGEST_HEX];
	struct digest *d = digest_new();

	d = digest_end(d, hex);
	assert_null(d);
	assert_string_equal(hex, OF_NOTHING);

	d = digest_new();
	digest_add(d, "a", 1);
	digest_add(d, NULL, 0);
	digest_add(d, "bc", 2);
	digest_end(d, hex);
	assert_string_equal(hex, OF_ABC);
	assert_true(digest_is_hex(hex));
}

static void test_none(void **state)
{
	assert_null(digest_end(NULL, NULL));
	assert_null(digest_end(digest_new(), NULL));
	digest_add(NULL, "x", 1);
}

static void test_file(void **state)
{
	cleanup_close int fd = memfd_create("digest", MFD_CLOEXEC);
	cleanup_free char *as = xmalloc(1000000);
	char hex[DIGEST_HEX] = "untouched";

	memset(as, 'a', 1000000);
	assert_int_equal(util_write_full(fd, as, 1000000), 0);
	assert_int_equal(digest_fd(fd, hex), 0);
	assert_string_equal(hex, OF_MILLION_A);

	strcpy(hex, "untouched");
	assert_int_equal(digest_fd(-1, hex), -EBADF);
	assert_string_equal(hex, "untouched");
}

static void test_is_hex(void **state)
{
	assert_false(digest_is_hex(NULL));
	assert_false(digest_is_hex(""));
	assert_false(digest_is_hex(OF_ABC "0"));
	assert_false(digest_is_hex("BA7816bf8f01cfea414140de5dae2223"
				   "b00361a396177a9cb410ff61f20015ad"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_running),
		cmocka_unit_test(test_none),
		cmocka_unit_test(test_file),
		cmocka_unit_test(test_is_hex),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
