/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_copy_test.c - the same bytes at their place, and none beside them
 */
#include "../../common/stream_copy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX 400u
#define MARGIN 64u

static void check(const uint8_t *from, size_t to_at, size_t n)
{
	uint8_t got[MAX + 3 * MARGIN], want[sizeof(got)];

	memset(got, 0xee, sizeof(got));
	memset(want, 0xee, sizeof(want));
	memcpy(want + MARGIN + to_at, from, n);
	stream_copy(got + MARGIN + to_at, from, n);
	assert_memory_equal(got, want, sizeof(got));
}

/* Wherever the two begin in a line, and wherever they end. */
static void test_places_and_sizes(void **state)
{
	uint8_t from[MAX + MARGIN];

	(void)state;
	for (size_t i = 0; i < sizeof(from); i++)
		from[i] = (uint8_t)(i * 7 + 1);
	for (size_t to_at = 0; to_at < MARGIN; to_at++)
		for (size_t n = 0; n <= MAX; n += n < 3 * MARGIN ? 1 : 13)
			check(from + to_at * 5 % MARGIN, to_at, n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_places_and_sizes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
