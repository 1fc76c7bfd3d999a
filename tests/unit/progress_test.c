/* SPDX-License-Identifier: Apache-2.0
 *
 * progress_test.c - drops in words and in the event, told apart by who dropped
 */
#include "../../coordinator/progress.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void expect(int64_t by_kernel, int64_t by_agent, const char *words)
{
	cleanup_free char *why = progress_why_dropped(by_kernel, by_agent);

	assert_string_equal(why, words);
}

static void why_packets_were_dropped(void **state)
{
	expect(0, 0, "");
	expect(12, 0, "");
	expect(9, 3, " (9 by the kernel, 3 because the disk is too slow)");
	expect(0, 3, " (because the disk is too slow)");
	expect(INT64_MAX, INT64_MAX, " (9223372036854775807 by the kernel, "
	       "9223372036854775807 because the disk is too slow)");
}

static void the_event(void **state)
{
	const struct request r = { .verbosity = LOG_INFO };
	const struct progress p = { .request = &r, .doing = "capturing" };
	const struct fleet_counts c = {
		.targets_armed = 5, .targets_ended = 1, .packets = 100, .bytes = 4000,
		.dropped = 12, .dropped_kernel = 9, .dropped_agent = 3, .fetched_bytes = 7,
	};
	cleanup_json json_t *j = progress_counts(&p, &c);
	cleanup_free char *text = jx_dump(j);

	assert_string_equal(text, "{\"event\":\"progress\",\"doing\":\"capturing\",\"targets\":4,"
			    "\"packets\":100,\"bytes\":4000,\"dropped\":12,\"dropped_kernel\":9,"
			    "\"dropped_agent\":3,\"fetched_bytes\":7}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_packets_were_dropped),
		cmocka_unit_test(the_event),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
