/* SPDX-License-Identifier: Apache-2.0
 *
 * progress_test.c - drops in words and in the event, told apart by who dropped
 */
#include "../../coordinator/progress.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

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

/* What calls itself a terminal in a CI system is a log. */
static void ci_has_no_live_line(void **state)
{
	static const struct {
		const char *ci;
		bool line;
	} rows[] = {
		{ NULL, true }, { "", true }, { "false", true }, { "0", true },
		{ "true", false }, { "1", false }, { "woodpecker", false },
	};
	const struct request r = { .verbosity = LOG_INFO }, quiet = { .verbosity = LOG_ERROR };
	int saved = dup(STDERR_FILENO), pty = posix_openpt(O_RDWR | O_NOCTTY), end;
	struct progress p;
	bool right = true;

	assert_true(saved >= 0 && pty >= 0 && grantpt(pty) == 0 && unlockpt(pty) == 0);
	end = open(ptsname(pty), O_RDWR | O_NOCTTY);
	assert_true(end >= 0 && dup2(end, STDERR_FILENO) >= 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].ci)
			setenv("CI", rows[i].ci, 1);
		else
			unsetenv("CI");
		progress_init(&p, &r);
		right = right && p.terminal == rows[i].line && !p.events;
		progress_init(&p, &quiet);
		right = right && !p.terminal;
	}
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(end);
	close(pty);
	assert_true(right);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(why_packets_were_dropped),
		cmocka_unit_test(the_event),
		cmocka_unit_test(ci_has_no_live_line),
	};

	return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
