/* SPDX-License-Identifier: Apache-2.0
 *
 * metrics_test.c - counters become Prometheus text, each under its name
 */
#include "../../agent/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TEXT_MAX (64u << 10)

static void counters_stand_apart(void **state)
{
	struct metrics m = { 0 };
	const struct metrics_now now = { .captures_running = 2 };
	struct buf text = BUF_INIT(TEXT_MAX);

	atomic_fetch_add(&m.packets, 100);
	atomic_fetch_add(&m.dropped, 9);
	atomic_fetch_add(&m.dropped_agent, 3);
	metrics_count_request(&m, 200);
	metrics_count_request(&m, METRICS_STATUS_MAX);
	assert_int_equal(metrics_format(&m, &now, &text), 0);
	assert_non_null(strstr(text.data, "\nswarmcap_packets_total 100\n"));
	assert_non_null(strstr(text.data, "\n# TYPE swarmcap_dropped_total counter\n"
			       "swarmcap_dropped_total 9\n"));
	assert_non_null(strstr(text.data, "\n# TYPE swarmcap_dropped_agent_total counter\n"
			       "swarmcap_dropped_agent_total 3\n"));
	assert_non_null(strstr(text.data, "\nswarmcap_captures_running 2\n"));
	assert_non_null(strstr(text.data, "\nswarmcap_requests_total{code=\"200\"} 1\n"));
	buf_release(&text);
}

/* Each line is a comment or a name and a number, and each name has its HELP and TYPE before it. */
static void every_line_is_well_formed(void **state)
{
	struct metrics m = { 0 };
	const struct metrics_now now = { 0 };
	struct buf text = BUF_INIT(TEXT_MAX);
	char *save = NULL, type[128] = "";

	assert_int_equal(metrics_format(&m, &now, &text), 0);
	for (char *l = strtok_r(text.data, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		if (str_starts(l, "# TYPE "))
			snprintf(type, sizeof(type), "%.*s", (int)strcspn(l + 7, " "), l + 7);
		if (*l == '#')
			continue;
		assert_int_equal(strcspn(l, " {"), strlen(type));
		assert_memory_equal(l, type, strlen(type));
		assert_non_null(strchr(l, ' '));
	}
	buf_release(&text);
}

static void a_ceiling_is_an_error(void **state)
{
	struct metrics m = { 0 };
	const struct metrics_now now = { 0 };
	struct buf text = BUF_INIT(100);

	assert_true(metrics_format(&m, &now, &text) < 0);
	buf_release(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counters_stand_apart),
		cmocka_unit_test(every_line_is_well_formed),
		cmocka_unit_test(a_ceiling_is_an_error),
	};

	return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
