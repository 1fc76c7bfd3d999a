/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_options_test.c - the agent's command line
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "../../agent/options.h"

static int parse(struct options *o, struct err *err, const char *line)
{
	char *argv[32] = { NULL }, *rest, *copy = xstrdup(line);
	int argc = 0, r;

	for (char *p = strtok_r(copy, " ", &rest); p; p = strtok_r(NULL, " ", &rest))
		argv[argc++] = p;
	err_reset(err);
	r = options_parse(o, argc, argv, err);
	free(copy);
	return r;
}

static void test_defaults(void **state)
{
	struct options o;
	struct err err = ERR_INIT;

	unsetenv("SWARMCAP_NODE_ID");
	assert_int_equal(parse(&o, &err, "agent"), 0);
	assert_int_equal(o.mode, OPTIONS_SERVE);
	assert_string_equal(o.socket, OPTIONS_SOCKET);
	assert_string_equal(o.spool, OPTIONS_SPOOL);
	assert_null(o.listen);
	assert_null(o.node_id);
	assert_int_equal(o.quota, -1);
	assert_int_equal(o.keep_ms, 24 * 3600 * 1000);
	assert_int_equal(o.ring_bytes, 256 << 20);
	options_release(&o);
	setenv("SWARMCAP_NODE_ID", "n1", 1);
	assert_int_equal(parse(&o, &err, "agent --node-id n2"), 0);
	assert_string_equal(o.node_id, "n2");
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent"), 0);
	assert_string_equal(o.node_id, "n1");
	options_release(&o);
	unsetenv("SWARMCAP_NODE_ID");
}

static void test_values(void **state)
{
	struct options o;
	struct err err = ERR_INIT;

	assert_int_equal(
		parse(&o, &err,
		      "agent --listen 10.99.0.11:9473 --quota 64M --floor 1k --keep 2h -v "
		      "--ring-bytes 1M"),
		0);
	assert_string_equal(o.listen, "10.99.0.11");
	assert_int_equal(o.port, 9473);
	assert_int_equal(o.quota, 64 << 20);
	assert_int_equal(o.floor, 1024);
	assert_int_equal(o.ring_bytes, 1 << 20);
	assert_int_equal(o.keep_ms, 2 * 3600 * 1000);
	assert_true(o.verbose);
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent --listen [fd00::1]:80"), 0);
	assert_string_equal(o.listen, "fd00::1");
	options_release(&o);
	assert_int_equal(
		parse(&o, &err,
		      "agent --listen-swarm 9473 --listen-net 10.0.0.0/8 --socket= --spool /s"),
		0);
	assert_true(o.listen_swarm);
	assert_null(o.socket);
	assert_string_equal(o.spool, "/s");
	options_release(&o);
}

static void test_modes(void **state)
{
	struct options o;
	struct err err = ERR_INIT;

	assert_int_equal(parse(&o, &err, "agent health --socket /s"), 0);
	assert_int_equal(o.mode, OPTIONS_HEALTH);
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent drop-volume swarmcap-spool"), 0);
	assert_int_equal(o.mode, OPTIONS_DROP_VOLUME);
	assert_string_equal(o.volume, "swarmcap-spool");
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent sniff --interface eth0 --filter=udp --snaplen 96 "
				     "--beat 5"), 0);
	assert_int_equal(o.mode, OPTIONS_SNIFF);
	assert_string_equal(o.interface, "eth0");
	assert_string_equal(o.filter, "udp");
	assert_int_equal(o.snaplen, 96);
	assert_int_equal(o.beat_s, 5);
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent sniff"), 0);
	assert_null(o.interface);
	assert_null(o.filter);
	assert_int_equal(o.snaplen, 262144);
	assert_int_equal(o.beat_s, 60);
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent --help"), 0);
	assert_int_equal(o.mode, OPTIONS_HELP);
	options_release(&o);
	assert_int_equal(parse(&o, &err, "agent --version"), 0);
	assert_int_equal(o.mode, OPTIONS_VERSION);
	options_release(&o);
}

static void test_refused(void **state)
{
	static const char *const bad[] = {
		"agent --listen 0.0.0.0:9473",
		"agent --listen [::]:9473",
		"agent --listen :9473",
		"agent --listen 10.0.0.1",
		"agent --listen 10.0.0.1:0",
		"agent --listen 10.0.0.1:65536",
		"agent --listen localhost:9473",
		"agent --listen",
		"agent --socket=",
		"agent --nonsense",
		"agent --quota many",
		"agent --keep 5",
		"agent --ring-bytes",
		"agent --ring-bytes 0",
		"agent --ring-bytes 1023k",
		"agent --ring-bytes 1025G",
		"agent --ring-bytes plenty",
		"agent health now",
		"agent drop-volume",
		"agent drop-volume a b",
		"agent serve",
		"agent sniff more",
		"agent sniff --snaplen 0",
		"agent sniff --snaplen 262145",
		"agent sniff --beat 5s",
		"agent sniff --filter=host.example",
		"agent --listen-net 10.0.0.0/8",
		"agent --listen 10.0.0.1:1 --listen-swarm 2",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct options o;
		struct err err = ERR_INIT;

		if (parse(&o, &err, bad[i]) != -EINVAL || !*err.text)
			fail_msg("taken: %s", bad[i]);
		options_release(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
