/* SPDX-License-Identifier: Apache-2.0
 *
 * checkup_test.c - a node's state of health, judged from what its agent said
 */
#include "../../coordinator/checkup.h"

#include "version.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define NOW (1795444745LL * NS_PER_S)
#define DAY (24 * 3600 * NS_PER_S)

static struct cluster_node node(const char *state, const char *availability)
{
	return (struct cluster_node){
		.id = (char *)"id1", .name = (char *)"node1", .address = (char *)"10.0.0.1",
		.state = (char *)state, .availability = (char *)availability, .os = (char *)"linux",
	};
}

static struct agent healthy(const struct cluster_node *n)
{
	return (struct agent){
		.node = n,
		.answers = true,
		.info = { .version = (char *)SWARMCAP_VERSION, .spool_free = 50LL << 30,
			  .spool_size = 100LL << 30, .certificate_expires_ns = NOW + 100 * DAY,
			  .netns_ok = true },
		.clock = { .offset_ns = 1000, .error_ns = 500, .probes = 8 },
	};
}

static void assert_problem(const struct agent *a, const char *want)
{
	cleanup_json json_t *row = checkup_node(a, NOW);
	const json_t *problems = json_object_get(row, "problems");

	if (!want) {
		assert_int_equal(json_array_size(problems), 0);
		assert_true(jx_bool(row, "ok", false));
		return;
	}
	assert_int_equal(json_array_size(problems), 1);
	assert_false(jx_bool(row, "ok", true));
	if (!strstr(json_string_value(json_array_get(problems, 0)), want))
		fail_msg("no '%s' in '%s'", want, json_string_value(json_array_get(problems, 0)));
}

static void test_days(void **state)
{
	assert_int_equal(checkup_days(NOW + DAY, NOW), 1);
	assert_int_equal(checkup_days(NOW + DAY - 1, NOW), 0);
	assert_int_equal(checkup_days(NOW, NOW), 0);
	assert_int_equal(checkup_days(NOW - 1, NOW), -1);
	assert_int_equal(checkup_days(NOW - DAY - 1, NOW), -2);
}

static void test_each_problem(void **state)
{
	struct cluster_node n = node("ready", "active");
	struct agent a = healthy(&n);

	assert_problem(&a, NULL);
	a.info.version = (char *)"0.0.9";
	assert_problem(&a, "its agent is 0.0.9");

	a = healthy(&n);
	a.info.certificate_expires_ns = NOW + 29 * DAY;
	assert_problem(&a, "ends in 29 days");
	a.info.certificate_expires_ns = NOW + 30 * DAY;
	assert_problem(&a, NULL);
	a.info.certificate_expires_ns = NOW - 1;
	assert_problem(&a, "expired");

	a = healthy(&n);
	a.clock.offset_ns = -2 * NS_PER_S;
	assert_problem(&a, "off by -2.0 s");
	a.clock.error_ns = NS_PER_S;
	assert_problem(&a, NULL);

	a = healthy(&n);
	a.info.spool_free = 4LL << 30;
	assert_problem(&a, "only 4.0 GiB are free");

	a = healthy(&n);
	a.info.netns_ok = false;
	a.info.netns_note = (char *)"plain files";
	assert_problem(&a, "plain files");
}

static void test_absent_agents(void **state)
{
	struct cluster_node drained = node("ready", "drain"), paused = node("ready", "pause");
	struct cluster_node down = node("down", "active"), ready = node("ready", "active");
	struct agent a = { .node = &drained };

	assert_problem(&a, NULL);
	a.node = &paused;
	assert_problem(&a, "paused");
	a.node = &down;
	assert_problem(&a, "down");
	a.node = &ready;
	err_set(&a.err, -1, "nobody listens");
	assert_problem(&a, "no agent answers: nobody listens");
}

static void test_unknown_is_null(void **state)
{
	struct cluster_node down = node("down", "active");
	struct agent a = { .node = &down };
	cleanup_json json_t *row = checkup_node(&a, NOW);
	static const char *const keys[] = {
		"agent", "certificate_days", "clock_offset_ns", "clock_error_ns", "spool_free",
		"spool_size", "netns_ok", "captures_running", "captures_unfetched",
	};

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		assert_true(json_is_null(json_object_get(row, keys[i])));
	assert_string_equal(jx_str(row, "state", ""), "down");
}

/* Names come from nodes: nothing of them reaches the terminal raw, and rows stay rows. */
static void test_table(void **state)
{
	struct cluster_node n = node("ready", "active");
	struct agent a = healthy(&n);
	cleanup_json json_t *rows = json_array();
	char text[1024] = "";
	FILE *f = fmemopen(text, sizeof(text), "w");

	n.name = (char *)"a\x1b[2J\nb";
	json_array_append_new(rows, checkup_node(&a, NOW));
	checkup_print(f, rows);
	fclose(f);
	assert_null(strchr(text, '\x1b'));
	assert_non_null(strstr(text, "100 days"));
	assert_non_null(strstr(text, "50.0 GiB"));
	assert_ptr_equal(strchr(strchr(text, '\n') + 1, '\n'), text + strlen(text) - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_days),
		cmocka_unit_test(test_each_problem),
		cmocka_unit_test(test_absent_agents),
		cmocka_unit_test(test_unknown_is_null),
		cmocka_unit_test(test_table),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
