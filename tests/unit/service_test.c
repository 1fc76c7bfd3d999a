/* SPDX-License-Identifier: Apache-2.0
 *
 * service_test.c - the agent's service as JSON, and what tasks say of a node
 */
#include "../../coordinator/service.h"

#include "../../coordinator/service_call.h"
#include "buf.h"
#include "digest.h"
#include "version.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define CA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define CONTAINER "TaskTemplate.ContainerSpec."

static const struct service_secret secrets[SERVICE_N_SECRETS] = {
	{ (char *)"id1", (char *)"swarmcap-ca-11111111", "ca.pem" },
	{ (char *)"id2", (char *)"swarmcap-cert-22222222", "agent.pem" },
	{ (char *)"id3", (char *)"swarmcap-key-33333333", "agent-key.pem" },
};

static struct service_want wanted(void)
{
	return (struct service_want){
		.image = "swarmcap-agent:latest",
		.port = 9473,
		.api_version = "1.41",
		.ca_fingerprint = CA,
		.secrets = secrets,
	};
}

/* The elements of a list of strings, with a space after each. */
static char *joined(const json_t *spec, const char *path)
{
	cleanup_buf struct buf b = BUF_INIT(4096);
	size_t i;
	json_t *one;

	json_array_foreach(jx_get(spec, path), i, one)
		buf_addf(&b, "%s ", json_string_value(one));
	return buf_take(&b);
}

static void assert_list(const json_t *spec, const char *path, const char *want)
{
	cleanup_free char *text = joined(spec, path);

	assert_string_equal(text, want);
}

static const json_t *mount_at(const json_t *spec, const char *target)
{
	size_t i;
	json_t *one;

	json_array_foreach(jx_get(spec, CONTAINER "Mounts"), i, one)
		if (!strcmp(jx_str(one, "Target", ""), target))
			return one;
	return NULL;
}

static void test_what_the_agent_may(void **state)
{
	struct service_want w = wanted();
	cleanup_json json_t *spec = service_spec(&w);
	const json_t *network;

	assert_string_equal(jx_str(spec, "Name", ""), SWARMCAP_SERVICE);
	assert_true(json_is_object(jx_get(spec, "Mode.Global")));
	assert_list(spec, CONTAINER "CapabilityDrop", "ALL ");
	assert_list(spec, CONTAINER "CapabilityAdd", "CAP_SYS_ADMIN CAP_NET_RAW ");
	assert_true(jx_bool(spec, CONTAINER "ReadOnly", false));
	assert_true(jx_bool(spec, CONTAINER "Privileges.SELinuxContext.Disable", false));
	assert_int_equal(jx_len(spec, "TaskTemplate.Networks"), 1);
	network = json_array_get(jx_get(spec, "TaskTemplate.Networks"), 0);
	assert_string_equal(jx_str(network, "Target", ""), "host");
	assert_list(spec, "TaskTemplate.Placement.Constraints", "node.platform.os==linux ");
	assert_list(spec, CONTAINER "Env", "SWARMCAP_NODE_ID={{.Node.ID}} ");
	assert_true(jx_int(spec, "TaskTemplate.Resources.Limits.MemoryBytes", 0) > 0);
	assert_null(jx_get(spec, CONTAINER "Init"));
}

static void test_lifecycle(void **state)
{
	struct service_want w = wanted();
	cleanup_json json_t *spec = service_spec(&w);

	assert_string_equal(jx_str(spec, "TaskTemplate.RestartPolicy.Condition", ""), "any");
	assert_int_equal(jx_int(spec, "TaskTemplate.RestartPolicy.Delay", 0), NS_PER_S);
	assert_int_equal(jx_int(spec, "UpdateConfig.Parallelism", 9), 0);
	assert_string_equal(jx_str(spec, "UpdateConfig.Order", ""), "stop-first");
	assert_int_equal(jx_int(spec, CONTAINER "StopGracePeriod", 0), 10 * NS_PER_S);
	assert_list(spec, CONTAINER "Healthcheck.Test", "CMD /usr/bin/swarmcap-agent health "
		    "--socket /run/swarmcap/agent.sock ");
}

static void test_mounts(void **state)
{
	struct service_want w = wanted();
	cleanup_json json_t *spec = service_spec(&w);
	const json_t *engine = mount_at(spec, "/run/docker.sock");
	const json_t *netns = mount_at(spec, "/run/docker");
	const json_t *spool = mount_at(spec, "/var/lib/swarmcap");

	assert_string_equal(jx_str(engine, "Type", ""), "bind");
	assert_string_equal(jx_str(engine, "Source", ""), "/var/run/docker.sock");
	assert_string_equal(jx_str(netns, "Source", ""), "/var/run/docker");
	assert_true(jx_bool(netns, "ReadOnly", false));
	assert_string_equal(jx_str(netns, "BindOptions.Propagation", ""), "rslave");
	assert_string_equal(jx_str(spool, "Type", ""), "volume");
	assert_string_equal(jx_str(spool, "Source", ""), SERVICE_SPOOL);
	assert_string_equal(jx_str(mount_at(spec, "/run/swarmcap"), "Type", ""), "tmpfs");
}

static void test_secrets_are_files(void **state)
{
	struct service_want w = wanted();
	cleanup_json json_t *spec = service_spec(&w);
	const json_t *key = json_array_get(jx_get(spec, CONTAINER "Secrets"), SERVICE_KEY);

	assert_int_equal(jx_len(spec, CONTAINER "Secrets"), SERVICE_N_SECRETS);
	assert_string_equal(jx_str(key, "SecretID", ""), "id3");
	assert_string_equal(jx_str(key, "SecretName", ""), "swarmcap-key-33333333");
	assert_string_equal(jx_str(key, "File.Name", ""), "agent-key.pem");
	assert_int_equal(jx_int(key, "File.Mode", 0), 0400);
}

static void test_apparmor_needs_api_144(void **state)
{
	static const char *const without[] = { "1.41", "1.43", "1.9", "1.", "x" };
	struct service_want w = wanted();

	for (size_t i = 0; i < ARRAY_SIZE(without); i++) {
		w.api_version = without[i];
		cleanup_json json_t *spec = service_spec(&w);

		assert_null(jx_get(spec, CONTAINER "Privileges.AppArmor"));
	}
	w.api_version = "1.44";
	cleanup_json json_t *spec = service_spec(&w);

	assert_string_equal(jx_str(spec, CONTAINER "Privileges.AppArmor.Mode", ""), "disabled");
}

static void assert_args_end(const char *listen, const char *want)
{
	struct service_want w = wanted();

	w.listen = listen;
	cleanup_json json_t *spec = service_spec(&w);
	cleanup_free char *args = joined(spec, CONTAINER "Args");

	assert_true(strlen(args) >= strlen(want));
	assert_string_equal(args + strlen(args) - strlen(want), want);
}

static void test_command_line(void **state)
{
	struct service_want w = wanted();
	cleanup_json json_t *spec = service_spec(&w);

	assert_list(spec, CONTAINER "Command", "/usr/bin/swarmcap-agent ");
	assert_list(spec, CONTAINER "Args",
		    "--listen-swarm 9473 --socket /run/swarmcap/agent.sock --tls-dir /run/secrets "
		    "--spool /var/lib/swarmcap --engine unix:///run/docker.sock "
		    "--netns-dir /run/docker/netns ");
	assert_args_end("", "--netns-dir /run/docker/netns ");
	assert_args_end("10.1.0.0/16", " --listen-net 10.1.0.0/16 ");
	assert_args_end("10.1.2.3", " --listen-net 10.1.2.3/32 ");
	assert_args_end("fd00::1", " --listen-net fd00::1/128 ");
}

/* What is not wanted is not said: the agent's defaults are its own. */
static void test_settings(void **state)
{
	struct service_want w = wanted();

	w.settings[SERVICE_KEEP] = "1h";
	w.settings[SERVICE_QUOTA] = "";
	w.settings[SERVICE_RING_BYTES] = "64M";
	cleanup_json json_t *spec = service_spec(&w);
	cleanup_free char *args = joined(spec, CONTAINER "Args");

	assert_non_null(strstr(args, "/netns --keep 1h --ring-bytes 64M "));
	assert_null(strstr(args, "--quota"));
	assert_string_equal(jx_str(spec, "Labels.=swarmcap.keep", ""), "1h");
	assert_null(jx_get(spec, "Labels.=swarmcap.quota"));
}

static bool same_digest(const struct service_want *a, const struct service_want *b)
{
	cleanup_json json_t *x = service_spec(a), *y = service_spec(b);

	assert_true(digest_is_hex(service_digest(x)));
	assert_string_equal(service_digest(x), jx_str(x, CONTAINER "Labels.=swarmcap.spec", ""));
	return !strcmp(service_digest(x), service_digest(y));
}

/* Everything that needs an update changes the digest, and nothing else does. */
static void test_digest(void **state)
{
	struct service_secret others[SERVICE_N_SECRETS];
	struct service_want a = wanted(), b = wanted();

	assert_true(same_digest(&a, &b));
	b.force_update = 7;
	assert_true(same_digest(&a, &b));

	b = wanted();
	b.image = "other";
	assert_false(same_digest(&a, &b));
	b = wanted();
	b.port = 9474;
	assert_false(same_digest(&a, &b));
	b = wanted();
	b.listen = "10.0.0.0/8";
	assert_false(same_digest(&a, &b));
	b = wanted();
	b.settings[SERVICE_FLOOR] = "1G";
	assert_false(same_digest(&a, &b));
	b = wanted();
	b.ca_fingerprint = "other";
	assert_false(same_digest(&a, &b));
	b = wanted();
	memcpy(others, secrets, sizeof(others));
	others[SERVICE_CERT].name = (char *)"swarmcap-cert-44444444";
	b.secrets = others;
	assert_false(same_digest(&a, &b));
}

static void test_hostile_image(void **state)
{
	struct service_want w = wanted();

	w.image = "\xff\xfe";
	cleanup_json json_t *spec = service_spec(&w);

	assert_string_equal(jx_str(spec, CONTAINER "Image", ""), "\\xff\\xfe");
}

/* What service_spec wrote is what service_decode reads. */
static void test_read_back(void **state)
{
	struct service_want w = wanted();
	cleanup_service_now struct service_now now = SERVICE_NOW_INIT;
	struct err err = ERR_INIT;

	w.listen = "10.1.0.0/16";
	w.settings[SERVICE_FLOOR] = "2G";
	w.force_update = 3;
	cleanup_json json_t *service = json_pack("{s:s, s:{s:i}, s:o}", "ID", "abc", "Version",
						 "Index", 41, "Spec", service_spec(&w));

	assert_int_equal(service_decode(service, &now, &err), 0);
	assert_string_equal(now.id, "abc");
	assert_string_equal(now.image, w.image);
	assert_string_equal(now.listen, "10.1.0.0/16");
	assert_string_equal(now.settings[SERVICE_FLOOR], "2G");
	assert_string_equal(now.settings[SERVICE_KEEP], "");
	assert_string_equal(now.ca, CA);
	assert_string_equal(now.spec, service_digest(jx_get(service, "Spec")));
	assert_int_equal(now.port, 9473);
	assert_int_equal(now.index, 41);
	assert_int_equal(now.force_update, 3);
}

static int decode(const char *name, const char *ca, const char *port, struct err *err)
{
	cleanup_json json_t *service = json_pack("{s:{s:s, s:{s:s, s:s}}}", "Spec", "Name", name,
						 "Labels", "swarmcap.ca", ca, "swarmcap.port",
						 port);
	cleanup_service_now struct service_now now = SERVICE_NOW_INIT;
	int r = service_decode(service, &now, err);

	if (r < 0)
		assert_null(now.id);
	return r < 0 ? r : service_check_ours(&now, err);
}

static void test_foreign_services(void **state)
{
	static const char *const no_ports[] = { "", "0", "65536", "x" };
	struct err err = ERR_INIT;

	assert_int_equal(decode(SWARMCAP_SERVICE, CA, "9473", &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(no_ports); i++)
		assert_int_equal(decode(SWARMCAP_SERVICE, CA, no_ports[i], NULL), -EINVAL);
	assert_int_equal(decode("x_agent", CA, "9473", &err), -EPERM);
	assert_non_null(strstr(err.text, "x_agent"));
	assert_int_equal(decode(SWARMCAP_SERVICE, "", "9473", NULL), -EPERM);
	assert_int_equal(decode(SWARMCAP_SERVICE, "0123", "9473", NULL), -EPERM);
}

static void test_job(void **state)
{
	cleanup_json json_t *spec = service_job_spec("swarmcap-agent:latest");

	assert_string_equal(jx_str(spec, "Name", ""), SERVICE_JOB);
	assert_list(spec, CONTAINER "Command", "/usr/bin/swarmcap-agent drop-volume swarmcap-spool "
		    "--engine unix:///run/docker.sock ");
	assert_list(spec, CONTAINER "CapabilityDrop", "ALL ");
	assert_null(jx_get(spec, CONTAINER "CapabilityAdd"));
	assert_null(jx_get(spec, CONTAINER "Secrets"));
	assert_int_equal(jx_len(spec, CONTAINER "Mounts"), 1);
	assert_string_equal(jx_str(spec, "TaskTemplate.RestartPolicy.Condition", ""), "on-failure");
}

/* ---- tasks */

static json_t *task(const char *node, const char *state, const char *desired, const char *digest,
		    const char *when, const char *why)
{
	json_t *status = json_pack("{s:s, s:s}", "State", state, "Timestamp", when);

	if (why)
		json_object_set_new(status, "Err", json_string(why));
	return json_pack("{s:s, s:s, s:o, s:{s:i, s:{s:{s:s}}}}", "NodeID", node, "DesiredState",
			 desired, "Status", status, "Spec", "ForceUpdate", 2, "ContainerSpec",
			 "Labels", "swarmcap.spec", digest);
}

static void test_tasks_of_a_node(void **state)
{
	cleanup_json json_t *tasks = json_pack("[o, o, o, o, o, n, i]",
		task("n1", "running", "running", "new", "2026-01-01T00:00:05Z", NULL),
		task("n2", "running", "shutdown", "old", "2026-01-01T00:00:05Z", NULL),
		task("n2", "rejected", "shutdown", "new", "2026-01-01T00:00:07Z", "No such image"),
		task("n2", "failed", "shutdown", "new", "2026-01-01T00:00:06Z", "exit 1"),
		task("n3", "complete", "shutdown", "new", "2026-01-01T00:00:06Z", NULL), 5);
	struct service_task t;

	service_task_of(tasks, "n1", "new", 2, &t);
	assert_true(t.up);
	assert_int_equal(t.failures, 0);
	assert_null(t.why);

	service_task_of(tasks, "n1", "new", 3, &t);
	assert_false(t.up);

	service_task_of(tasks, "n2", "new", 2, &t);
	assert_false(t.up);
	assert_int_equal(t.failures, 2);
	assert_string_equal(t.why, "No such image");

	service_task_of(tasks, "n3", NULL, 0, &t);
	assert_true(t.complete);
	service_task_of(tasks, "n4", NULL, 0, &t);
	assert_false(t.complete || t.up || t.failures);
}

static void test_advice(void **state)
{
	assert_non_null(strstr(service_advice("cannot share the host's network namespace when user "
					      "namespaces are enabled"), "captured over ssh"));
	assert_string_equal(service_advice("No such image"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_the_agent_may),
		cmocka_unit_test(test_advice),
		cmocka_unit_test(test_lifecycle),
		cmocka_unit_test(test_mounts),
		cmocka_unit_test(test_secrets_are_files),
		cmocka_unit_test(test_apparmor_needs_api_144),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_settings),
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_hostile_image),
		cmocka_unit_test(test_read_back),
		cmocka_unit_test(test_foreign_services),
		cmocka_unit_test(test_job),
		cmocka_unit_test(test_tasks_of_a_node),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
