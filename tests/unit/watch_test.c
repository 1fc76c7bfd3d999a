/* SPDX-License-Identifier: Apache-2.0
 *
 * watch_test.c - the engine's events end a target, at once and only its own
 */
#include "agent_world.h"
#include "fake_http.h"
#include "../../agent/watch.h"

#include <curl/curl.h>

static bool root;
static struct world w;
static struct fake fake;

#define EVENT(action, id, rest) \
	"{\"Type\": \"container\", \"Action\": \"" action "\", " \
	"\"Actor\": {\"ID\": \"" id "\"}" rest "}\n"

static const char events[] =
	EVENT("die", "stranger", ", \"timeNano\": 5")
	EVENT("start", "victim", "")
	EVENT("die", "victim", ", \"timeNano\": 7")
	"{\"Type\": \"container\", \"Acti";

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	return fake_answer(c, 200, events, sizeof(events) - 1, NULL);
}

static struct capture *start(void)
{
	struct wire_arm a = world_arm(WORLD_ID, 2);

	a.targets[0].container_id = xstrdup("victim");
	a.targets[1].container_id = xstrdup("other");
	return world_start(&w, &a);
}

static void test_die_ends_its_target(void **state)
{
	cleanup_free char *engine = NULL;
	struct err err = ERR_INIT;
	struct wire_report r;
	struct watch *watch = NULL;
	struct capture *c;

	WORLD_SKIP(root);
	c = start();
	fake_start_unix(&fake, answer, NULL);
	engine = xasprintf("unix://%s", fake.path);
	assert_int_equal(watch_start(&watch, engine, w.captures, NULL, &err), 0);
	for (int i = 0; i < 100; i++) {
		world_report(c, &r);
		if (r.targets[0].state == WIRE_ENDED)
			break;
		wire_report_release(&r);
		clock_sleep_ms(20);
	}
	assert_int_equal(r.targets[0].end, WIRE_END_TASK_ENDED);
	assert_int_equal(r.targets[1].state, WIRE_ARMED);
	wire_report_release(&r);
	watch_stop(watch);
	fake_stop(&fake);
	assert_int_equal(captures_remove(w.captures, WORLD_ID, NULL), 0);
	capture_unref(c);
}

static void test_other_hosts(void **state)
{
	struct watch *watch = NULL;

	assert_int_equal(watch_start(&watch, "tcp://127.0.0.1:2375", w.captures, NULL, NULL), -ENOTSUP);
	watch_stop(watch);
}

static int set_up(void **state)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	root = world_enter();
	world_make(&w);
	return 0;
}

static int tear_down(void **state)
{
	world_free(&w);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_die_ends_its_target),
		cmocka_unit_test(test_other_hosts),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
