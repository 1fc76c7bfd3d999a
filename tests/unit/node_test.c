/* SPDX-License-Identifier: Apache-2.0
 *
 * node_test.c - who the agent's engine says that we are, and which engines it does not work for
 */
#include "fake_http.h"

#include <errno.h>

#include "../../agent/node.h"

#define INFO(more) "{\"Name\":\"node1\",\"ServerVersion\":\"20.10.24\",\"Swarm\":{\"NodeID\":\"abc\"," \
		   "\"NodeAddr\":\"10.99.0.11\"}" more "}"
#define LONG_MS 60000

static struct fake fake;
static const char *info;

static const char *const version_header[] = { "Api-Version", "1.41", NULL };

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	if (strstr(url, "/_ping"))
		return fake_answer(c, 200, "OK", 2, version_header);
	return fake_answer(c, 200, info, strlen(info), version_header);
}

static int load(const char *answers, const char *id, struct node *n, struct err *err)
{
	info = answers;
	*n = (struct node){ .engine = xasprintf("unix://%s", fake.path) };
	err_reset(err);
	return node_load(n, id, LONG_MS, err);
}

static void test_who_we_are(void **state)
{
	struct err err = ERR_INIT;
	struct node n;

	assert_int_equal(load(INFO(""), "abc", &n, &err), 0);
	assert_string_equal(n.name, "node1");
	assert_string_equal(n.address, "10.99.0.11");
	assert_string_equal(n.engine_version, "20.10.24");
	node_release(&n);
	/* the socket of another node's engine */
	assert_int_equal(load(INFO(""), "xyz", &n, &err), -EINVAL);
	assert_non_null(strstr(err.text, "this node is abc, the service says xyz"));
	node_release(&n);
}

/* Nothing would become of waiting. A remapping engine is as good as any. */
static void test_rootless(void **state)
{
	int64_t begin = clock_mono_ns();
	struct err err = ERR_INIT;
	struct node n;

	assert_int_equal(load(INFO(",\"SecurityOptions\":[\"name=seccomp,profile=default\",\"name=rootless\"]"),
			      "abc", &n, &err), -EOPNOTSUPP);
	assert_non_null(strstr(err.text, "this Docker is rootless"));
	assert_true(clock_mono_ns() - begin < LONG_MS * NS_PER_MS);
	node_release(&n);
	assert_int_equal(load(INFO(",\"SecurityOptions\":[\"name=userns\",\"name=rootlesskit\"]"), "abc",
			      &n, &err), 0);
	node_release(&n);
}

static int set_up(void **state)
{
	fake_start_unix(&fake, answer, NULL);
	return 0;
}

static int tear_down(void **state)
{
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_we_are),
		cmocka_unit_test(test_rootless),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
