/* SPDX-License-Identifier: Apache-2.0
 *
 * local_task_test.c - which task a container says that it is: Swarm's own labels, and forged ones
 */
#include "../../agent/local_task.h"

#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define CONTAINER(labels, mode, key) \
	"{'Id': 'c0ffee', 'State': {'Running': true, 'StartedAt': '2026-11-23T14:39:05.1Z'}, " \
	"'Config': {'Image': 'nginx:1', 'Labels': {" labels "}}, 'HostConfig': {'NetworkMode': '" \
	mode "'}, 'NetworkSettings': {'SandboxKey': '" key "', 'Networks': {'app': {'NetworkID': " \
	"'net1', 'IPAddress': '10.0.1.5', 'IPPrefixLen': 24, 'GlobalIPv6Address': ''}}}}"
#define LABEL(name, value) "'com.docker.swarm." name "': '" value "'"
#define IDS LABEL("task.id", "k7x2a9bcd") ", " LABEL("service.id", "svc1") ", "
#define WEB IDS LABEL("service.name", "web") ", "

static int decode(const char *quoted, struct local_task *t)
{
	cleanup_free char *text = xstrdup(quoted);
	cleanup_json json_t *j = NULL;

	for (char *p = text; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	assert_int_equal(jx_parse(text, strlen(text), "test", &j, NULL), 0);
	return local_task_decode(j, t);
}

static void test_a_task(void **state)
{
	cleanup_free char *key = NULL;
	struct local_task t;

	assert_int_equal(decode(CONTAINER(WEB LABEL("task.name", "web.3.k7x2a9bcd"), "app",
					  "/var/run/docker/netns/4f1c0a9be2d1"), &t), 0);
	assert_string_equal(t.service, "web");
	assert_string_equal(t.service_id, "svc1");
	assert_string_equal(t.task, "web.3");
	assert_string_equal(t.task_id, "k7x2a9bcd");
	assert_string_equal(t.netns_file, "4f1c0a9be2d1");
	assert_string_equal(t.image, "nginx:1");
	assert_int_equal(t.slot, 3);
	assert_true(t.running && t.started && !t.host);
	assert_int_equal(t.n_networks, 1);
	assert_string_equal(t.networks[0].addresses[0], "10.0.1.5/24");
	assert_int_equal(t.networks[0].n_addresses, 1);
	key = local_task_key(&t, "node1id");
	assert_string_equal(key, "web.3.k7x2a9");
	local_task_release(&t);
}

static void test_global_and_host(void **state)
{
	cleanup_free char *key = NULL;
	struct local_task t;

	assert_int_equal(decode(CONTAINER(WEB LABEL("task.name", "web.node1id.k7x2a9bcd"), "host",
					  "/var/run/docker/netns/default"), &t), 0);
	assert_string_equal(t.task, "web.node1id");
	assert_int_equal(t.slot, 0);
	assert_null(t.netns_file);
	assert_true(t.host);
	key = local_task_key(&t, "node1id");
	assert_string_equal(key, "web.node1i.k7x2a9");
	local_task_release(&t);
}

/* Not a task; its namespace may be told, for those who hold it. */
static void none(const char *quoted, const char *netns_file)
{
	struct local_task t;

	assert_int_equal(decode(quoted, &t), LOCAL_TASK_E_NONE);
	assert_null(t.service_id);
	if (netns_file)
		assert_string_equal(t.netns_file, netns_file);
	else
		assert_null(t.netns_file);
	local_task_release(&t);
}

static void test_no_tasks(void **state)
{
	none("{}", NULL);
	none("[1, 2]", NULL);
	none(CONTAINER("", "app", "/x/4f1c"), "4f1c");
	none(CONTAINER(LABEL("task.id", "k7"), "app", "/x/4f1c"), "4f1c");
	none(CONTAINER(LABEL("task.id", "../x") ", " LABEL("service.id", "svc1"), "app", "/x/4f1c"),
	     "4f1c");
	/* Swarm's tasks never stand in another container's namespace */
	none(CONTAINER(WEB LABEL("task.name", "web.3.k7x2a9bcd"), "container:c1", "/x/4f1c"), "4f1c");
	none(CONTAINER("", "app", "/x/.."), NULL);
}

static void name(const char *quoted, const char *task, int64_t slot)
{
	struct local_task t;

	assert_int_equal(decode(quoted, &t), 0);
	assert_string_equal(t.task, task);
	assert_int_equal(t.slot, slot);
	local_task_release(&t);
}

static void test_odd_names(void **state)
{
	name(CONTAINER(WEB LABEL("task.name", "web.3"), "app", ""), "web.3", 3);
	name(CONTAINER(WEB LABEL("task.name", ""), "app", ""), "", 0);
	name(CONTAINER(WEB LABEL("task.name", "web..k7x2a9bcd"), "app", ""), "web.", 0);
	name(CONTAINER(WEB LABEL("task.name", "web.3x.k7x2a9bcd"), "app", ""), "web.3x", 0);
	name(CONTAINER(WEB LABEL("task.name", "web.99999999999999999999"), "app", ""),
	     "web.99999999999999999999", 0);
	name(CONTAINER(WEB LABEL("task.name", "other.3.k7x2a9bcd"), "app", ""), "other.3", 0);
	name(CONTAINER(IDS LABEL("task.name", "svc1.2.k7x2a9bcd"), "app", ""), "svc1.2", 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_task),
		cmocka_unit_test(test_global_and_host),
		cmocka_unit_test(test_no_tasks),
		cmocka_unit_test(test_odd_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
