/* SPDX-License-Identifier: Apache-2.0
 *
 * local_test.c - what the node's engine says of containers, from an engine that answers by a table
 */
#include "fake_http.h"

#include <errno.h>

#include "../../agent/local.h"
#include "../../agent/node.h"

#define KEY "'NetworkSettings': {'SandboxKey': '/var/run/docker/netns/"
#define RUNNING "'State': {'Running': true}, "
#define MODE(m) "'HostConfig': {'NetworkMode': '" m "'}, "

/* JSON with ' for " */
static const struct {
	const char *id, *body;
} containers[] = {
	{ "web1", "{'Id': 'web1', " RUNNING "'Config': {'Image': 'nginx:1', 'Labels': "
		  "{'com.docker.swarm.task.id': 'task1'}}, " MODE("app") KEY "4f1c0a9be2d1'}}" },
	{ "paused", "{'Id': 'paused', 'State': {'Running': true, 'Paused': true}, " KEY "aaaa'}}" },
	{ "dead", "{'Id': 'dead', 'State': {'Running': false}, 'Config': {'Labels': null}}" },
	{ "host", "{'Id': 'host', " RUNNING MODE("host") KEY "default'}}" },
	{ "side", "{'Id': 'side', " RUNNING MODE("container:web1") KEY "'}}" },
	{ "loop", "{'Id': 'loop', " RUNNING MODE("container:loop") KEY "'}}" },
	{ "none", "{'Id': 'none', " RUNNING KEY "'}}" },
	{ "hostile", "{'Id': 'hostile', " RUNNING KEY "../../../etc/shadow'}}" },
	{ "odd", "{'Id': 5, 'State': [], 'Config': 'x', 'NetworkSettings': 7}" },
};

static struct fake fake;
static struct node node;
static struct engine *engine;

static const char *const version_header[] = { "Api-Version", "1.41", NULL };

static enum MHD_Result answer_json(struct MHD_Connection *c, const char *quoted)
{
	cleanup_free char *body = xstrdup(quoted);

	for (char *p = body; *p; p++)
		*p = *p == '\'' ? '"' : *p;
	return fake_answer(c, 200, body, strlen(body), version_header);
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *url,
			      const char *method, const char *version, const char *data,
			      size_t *size, void **state)
{
	static const char missing[] = "{\"message\": \"No such container\"}";

	if (strstr(url, "/_ping"))
		return fake_answer(c, 200, "OK", 2, version_header);
	for (size_t i = 0; i < ARRAY_SIZE(containers); i++) {
		cleanup_free char *path = xasprintf("/v1.41/containers/%s/json", containers[i].id);

		if (!strcmp(url, path))
			return answer_json(c, containers[i].body);
	}
	return fake_answer(c, 404, missing, sizeof(missing) - 1, version_header);
}

static int find(const char *container, const char *task, struct local_place *p, struct err *err)
{
	struct wire_wanted w = { .key = (char *)(uintptr_t)"k",
				 .kind = task ? WIRE_TASK : WIRE_CONTAINER,
				 .container_id = (char *)(uintptr_t)container,
				 .task_id = (char *)(uintptr_t)task };

	err_reset(err);
	return local_find(engine, &node, &w, p, err);
}

static void expect(const char *container, const char *task, int result, const char *words)
{
	struct local_place p;
	struct err err = ERR_INIT;

	assert_int_equal(find(container, task, &p, &err), result);
	if (!strstr(err.text, words))
		fail_msg("'%s' is not in: %s", words, err.text);
	local_place_release(&p);
}

static void test_found(void **state)
{
	struct local_place p;
	struct err err = ERR_INIT;

	assert_int_equal(find("web1", "task1", &p, &err), 0);
	assert_string_equal(p.netns_file, "4f1c0a9be2d1");
	assert_string_equal(p.image, "nginx:1");
	assert_string_equal(p.container_id, "web1");
	assert_false(p.paused);
	local_place_release(&p);
	assert_int_equal(find("paused", NULL, &p, &err), 0);
	assert_true(p.paused);
	local_place_release(&p);
}

static void test_chains_and_host(void **state)
{
	struct local_place p;
	struct err err = ERR_INIT;

	assert_int_equal(find("side", NULL, &p, &err), 0);
	assert_string_equal(p.netns_file, "4f1c0a9be2d1");
	assert_string_equal(p.container_id, "side");
	local_place_release(&p);
	assert_int_equal(find("host", NULL, &p, &err), 0);
	assert_null(p.netns_file);
	local_place_release(&p);
	expect("loop", NULL, -ELOOP, "too many times");
}

static void test_refused(void **state)
{
	expect("absent", NULL, -ENOENT, "no container absent");
	expect("dead", NULL, -ESRCH, "container dead is not running");
	expect("web1", "task2", -ESTALE, "does not belong to task task2");
	expect("none", NULL, -ENOENT, "no network namespace");
	expect("odd", NULL, -ESRCH, "not running");
	expect(NULL, NULL, -EINVAL, "names no container");
	expect("", NULL, -EINVAL, "names no container");
}

/* Whatever the engine says, only the last part counts: never a path. */
static void test_hostile_key(void **state)
{
	struct local_place p;
	struct err err = ERR_INIT;

	assert_int_equal(find("hostile", NULL, &p, &err), 0);
	assert_string_equal(p.netns_file, "shadow");
	local_place_release(&p);
}

static void touch(const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", fake.dir, name);
	cleanup_file FILE *f = fopen(path, "we");

	assert_non_null(f);
}

static void untouch(const char *name)
{
	cleanup_free char *path = xasprintf("%s/%s", fake.dir, name);

	unlink(path);
}

static void expect_file(struct wire_wanted *w, enum wire_kind kind, const char *file)
{
	struct local_place p;
	struct err err = ERR_INIT;

	w->kind = kind;
	assert_int_equal(local_find(NULL, &node, w, &p, &err), 0);
	assert_string_equal(p.netns_file, file);
	local_place_release(&p);
}

static void test_kinds_without_engine(void **state)
{
	static const char *const files[] = {
		"ingress_sbox", "1-uvnj8bifsm", "3-uvnj8bifsm", "lb_uvnj8bifs",
	};
	static const enum wire_kind kinds[] = { WIRE_INGRESS, WIRE_NETWORK, WIRE_LB };
	struct wire_network network = { .id = (char *)(uintptr_t)"uvnj8bifsmta799tojyebhcua" };
	struct wire_wanted w = { .key = (char *)(uintptr_t)"k", .kind = WIRE_INGRESS };
	struct local_place p;
	struct err err = ERR_INIT;

	assert_false(local_needs_engine(WIRE_INGRESS));
	assert_true(local_needs_engine(WIRE_TASK));
	/* that a node has none is a fact, no fault */
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		w.kind = kinds[i];
		assert_int_equal(local_find(NULL, &node, &w, &p, &err), -ENOENT);
		assert_true(p.absent);
		local_place_release(&p);
		err_reset(&err);
	}
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		touch(files[i]);
	expect_file(&w, WIRE_INGRESS, "ingress_sbox");
	w.networks = &network;
	w.n_networks = 1;
	expect_file(&w, WIRE_NETWORK, "3-uvnj8bifsm");
	expect_file(&w, WIRE_LB, "lb_uvnj8bifs");
	network.id = (char *)(uintptr_t)"../../../etc/passwd";
	w.kind = WIRE_LB;
	assert_int_equal(local_find(NULL, &node, &w, &p, &err), -ENOENT);
	local_place_release(&p);
	err_reset(&err);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		untouch(files[i]);
	w.kind = WIRE_HOST;
	assert_int_equal(local_find(NULL, &node, &w, &p, &err), 0);
	assert_null(p.netns_file);
	local_place_release(&p);
}

static int set_up(void **state)
{
	cleanup_free char *host = NULL;
	struct err err = ERR_INIT;

	fake_start_unix(&fake, answer, NULL);
	host = xasprintf("unix://%s", fake.path);
	node.netns_dir = fake.dir;
	return engine_open_host(&engine, host, &err);
}

static int tear_down(void **state)
{
	engine_close(engine);
	fake_stop(&fake);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found),
		cmocka_unit_test(test_chains_and_host),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile_key),
		cmocka_unit_test(test_kinds_without_engine),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
