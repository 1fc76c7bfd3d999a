/* SPDX-License-Identifier: Apache-2.0
 *
 * checksum_test.c - XXH3 with 128 bits, as xxhsum prints it
 */
#include "judge.h"
#include "checksum.h"

#include <errno.h>
#include <fcntl.h>

/* Lengths around the algorithm's own steps (16, 128, 240, its blocks), and a long one. */
static const size_t lengths[] = { 0, 1, 3, 8, 16, 17, 128, 129, 240, 241, 1023, 1025, 300007 };

static void fill(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 31 + i / 253);
}

static void test_as_xxhsum(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++) {
		struct buf b = BUF_INIT(1 << 20);
		cleanup_free char *bytes = xmalloc(lengths[i] + 1);
		cleanup_free char *path = xasprintf("%s/file", judge_dir);
		char hex[CHECKSUM_HEX];
		int fd;

		fill(bytes, lengths[i]);
		buf_add(&b, bytes, lengths[i]);
		judge_save("file", &b);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		assert_true(lseek(fd, 0, SEEK_END) >= 0);
		assert_int_equal(checksum_fd(fd, hex), 0);
		close(fd);
		assert_true(checksum_is_hex(hex));
		judge_says("xxhsum -H2 file", hex);
		buf_release(&b);
	}
}

/* However the bytes come. */
static void test_in_pieces(void **state)
{
	cleanup_free char *bytes = xmalloc(100000);
	char whole[CHECKSUM_HEX], pieces[CHECKSUM_HEX];
	struct checksum *c = checksum_new();

	fill(bytes, 100000);
	checksum_add(c, bytes, 100000);
	c = checksum_end(c, whole);
	assert_null(c);
	for (size_t step = 1; step < 5000; step = step * 3 + 1) {
		c = checksum_new();
		for (size_t at = 0; at < 100000; at += step)
			checksum_add(c, bytes + at, step < 100000 - at ? step : 100000 - at);
		checksum_end(c, pieces);
		assert_string_equal(pieces, whole);
	}
}

static void test_edges(void **state)
{
	char hex[CHECKSUM_HEX];

	assert_null(checksum_end(NULL, hex));
	assert_null(checksum_end(checksum_new(), NULL));
	assert_int_equal(checksum_fd(-1, hex), -EBADF);
	assert_true(checksum_is_hex("99aa06d3014798d86001c324468d497f"));
	assert_false(checksum_is_hex("99aa06d3014798d86001c324468d497"));
	assert_false(checksum_is_hex("99AA06d3014798d86001c324468d497f"));
	assert_false(checksum_is_hex("99aa06d3014798d86001c324468d497f0"));
	assert_false(checksum_is_hex(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_as_xxhsum),
		cmocka_unit_test(test_in_pieces),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, judge_setup, judge_teardown);
}
