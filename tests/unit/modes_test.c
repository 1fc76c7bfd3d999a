/* SPDX-License-Identifier: Apache-2.0
 *
 * modes_test.c - the health check, and dropping a volume that is still in use for a while
 */
#include "fake_http.h"

#include <errno.h>
#include <stdatomic.h>

#include <curl/curl.h>

#include "../../agent/modes.h"

static struct fake fake;
static atomic_int busy;		/* so many DELETEs are answered by 409 */
static atomic_int deletes, others;

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	static const char *const header[] = { "Api-Version", "1.41", NULL };
	static const char in_use[] = "{\"message\": \"volume is in use\"}";

	if (strstr(url, "/_ping"))
		return fake_answer(c, 200, "OK", 2, header);
	if (!strcmp(url, "/v1/info"))
		return fake_answer(c, 200, "{}", 2, header);
	if (strcmp(method, "DELETE")) {
		atomic_fetch_add(&others, 1);
		return fake_answer(c, 500, "", 0, header);
	}
	atomic_fetch_add(&deletes, 1);
	if (!strcmp(url, "/v1.41/volumes/gone"))
		return fake_answer(c, 404, "{\"message\": \"no such volume\"}", 29, header);
	if (strcmp(url, "/v1.41/volumes/spool"))
		return fake_answer(c, 500, "{\"message\": \"broken\"}", 21, header);
	if (atomic_fetch_sub(&busy, 1) > 0)
		return fake_answer(c, 409, in_use, sizeof(in_use) - 1, header);
	return fake_answer(c, 204, "", 0, header);
}

static int drop(const char *volume, struct err *err)
{
	cleanup_free char *engine = xasprintf("unix://%s", fake.path);
	const struct options o = { .engine = engine, .volume = (char *)(uintptr_t)volume };

	atomic_store(&deletes, 0);
	return modes_drop_volume(&o, err);
}

static void test_drop(void **state)
{
	struct err err = ERR_INIT;

	atomic_store(&busy, 2);
	assert_int_equal(drop("spool", &err), 0);
	assert_int_equal(atomic_load(&deletes), 3);
	assert_int_equal(drop("gone", &err), 0);
	assert_int_equal(atomic_load(&deletes), 1);
	assert_true(drop("other", &err) < 0);
	assert_non_null(strstr(err.text, "broken"));
	assert_int_equal(atomic_load(&others), 0);
}

static void test_drop_is_escaped(void **state)
{
	struct err err = ERR_INIT;

	assert_true(drop("../containers/x", &err) < 0);
	assert_int_equal(atomic_load(&others), 0);
}

static void test_health(void **state)
{
	struct options o = { .socket = fake.path };
	struct err err = ERR_INIT;

	assert_int_equal(modes_health(&o, &err), 0);
	o.socket = (char *)(uintptr_t)"/nowhere/agent.sock";
	assert_true(modes_health(&o, &err) < 0);
	err_reset(&err);
	o.socket = NULL;
	assert_int_equal(modes_health(&o, &err), -EINVAL);
}

static int set_up(void **state)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	fake_start_unix(&fake, answer, NULL);
	return 0;
}

static int tear_down(void **state)
{
	fake_stop(&fake);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_drop),
		cmocka_unit_test(test_drop_is_escaped),
		cmocka_unit_test(test_health),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
