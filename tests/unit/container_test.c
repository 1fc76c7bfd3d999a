/* SPDX-License-Identifier: Apache-2.0
 *
 * container_test.c - containers by name, on a Swarm's node and without a Swarm
 */
#include "../../coordinator/plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ID64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define WEB "{\"Id\": \"" ID64 "\", \"Name\": \"/web\", \"State\": {\"Running\": true}," \
	    " \"Config\": {\"Image\": \"busybox\"}, \"NetworkSettings\": {\"Networks\":" \
	    " {\"bridge\": {\"NetworkID\": \"ab12\", \"IPAddress\": \"172.17.0.2\"," \
	    " \"IPPrefixLen\": 16, \"GlobalIPv6Address\": \"\"}, \"odd\": {\"NetworkID\": \"../x\"," \
	    " \"IPAddress\": \"nonsense\", \"IPPrefixLen\": 16}}}}"
#define ALONE "{\"Name\": \"box\", \"OSType\": \"linux\", \"Architecture\": \"x86_64\"," \
	      " \"Swarm\": {\"NodeID\": \"\", \"LocalNodeState\": \"inactive\"}}"

static int decode(int (*fn)(const json_t *, struct cluster *, struct err *), const char *text,
		  struct cluster *c, struct err *err)
{
	cleanup_json json_t *j = NULL;

	assert_int_equal(jx_parse(text, strlen(text), "test", &j, NULL), 0);
	return fn(j, c, err);
}

static void test_without_a_swarm(void **state)
{
	char *selectors[] = { (char *)"container:web" };
	struct request r = {
		.command = "capture", .selectors = { selectors[0] }, .n_selectors = 1, .snaplen = 96,
	};
	cleanup(plan_release) struct plan p = PLAN_INIT;
	cleanup(cluster_release) struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;
	struct wire_arm a, b;
	json_t *j;

	assert_int_equal(decode(cluster_decode_alone, ALONE, &c, &err), 0);
	assert_int_equal(decode(cluster_decode_container, WEB, &c, &err), 0);
	assert_int_equal(decode(cluster_decode_container, WEB, &c, &err), 0);
	assert_int_equal(c.n_containers, 1);
	assert_string_equal(c.id, "");
	assert_int_equal(plan_make(&r, &c, "20261123T143905Z-3fa9c1", &p, &err), 0);
	assert_int_equal(p.n_nodes, 1);
	assert_string_equal(p.nodes[0].id, "");
	assert_string_equal(p.nodes[0].name, "box");
	assert_string_equal(p.nodes[0].file_host, "box");
	assert_string_equal(p.nodes[0].address, "127.0.0.1");
	assert_int_equal(p.nodes[0].n_targets, 1);
	assert_int_equal(p.nodes[0].targets[0].kind, WIRE_CONTAINER);
	assert_string_equal(p.nodes[0].targets[0].key, "web");
	assert_string_equal(p.nodes[0].targets[0].container_id, ID64);
	assert_string_equal(p.nodes[0].targets[0].networks[0].addresses[0], "172.17.0.2/16");
	assert_int_equal(p.nodes[0].targets[0].networks[1].n_addresses, 0);
	assert_string_equal(p.nodes[0].targets[0].networks[1].id, "");
	assert_int_equal(p.n_hosts, 1);

	/* an agent takes it: nothing of it is refused for an empty id */
	plan_arm(&p, &p.nodes[0], &r, &c, &a);
	j = wire_arm_encode(&a);
	if (wire_arm_decode(j, &b, &err) != 0)
		fail_msg("%s", err.text);
	assert_string_equal(b.node_id, "");
	assert_int_equal(b.targets[0].kind, WIRE_CONTAINER);
	json_decref(j);
	wire_arm_release(&a);
	wire_arm_release(&b);
}

static void test_one_that_does_not_run(void **state)
{
	struct request r = { .selectors = { (char *)"container:web" }, .n_selectors = 1 };
	cleanup(plan_release) struct plan p = PLAN_INIT;
	cleanup(cluster_release) struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(decode(cluster_decode_alone, ALONE, &c, &err), 0);
	assert_int_equal(decode(cluster_decode_container, "{\"Id\": \"" ID64 "\", \"Name\": \"/web\"}",
				&c, &err), 0);
	assert_int_equal(plan_make(&r, &c, "20261123T143905Z-3fa9c1", &p, &err), PLAN_E_NOTHING);
	assert_non_null(strstr(err.text, "container web does not run"));
}

static void test_no_docker(void **state)
{
	static const char *const bad[] = { "{}", "[]", "{\"Id\": \"../../x\"}", "{\"Id\": \"abc\"}" };
	cleanup(cluster_release) struct cluster c = CLUSTER_INIT;
	struct err err = ERR_INIT;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(decode(cluster_decode_container, bad[i], &c, &err), -EINVAL);
	assert_int_equal(decode(cluster_decode_alone, "[]", &c, &err), -EINVAL);
	assert_int_equal(decode(cluster_decode_alone, "{\"SecurityOptions\": [7, \"name=rootless\"]}",
				&c, &err), -EOPNOTSUPP);
	assert_int_equal(c.n_containers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_without_a_swarm),
		cmocka_unit_test(test_one_that_does_not_run),
		cmocka_unit_test(test_no_docker),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
