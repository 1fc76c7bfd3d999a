/* SPDX-License-Identifier: Apache-2.0
 *
 * wire_test.c - the JSON of docs/PROTOCOL.md, every bound, and texts that are no text
 */
#include "wire.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define HEX "0123456789abcdef0123456789abcdef"

static const char arm_text[] =
	"{\"version\":1,\"id\":\"20261123T143905Z-3fa9c1\",\"node_id\":\"n1\","
	"\"node_name\":\"node1\",\"attached\":true,\"live\":false,\"lease_ms\":60000,\"deadline_ms\":40000,"
	"\"filter\":\"tcp port 80\",\"interface\":null,\"snaplen\":262144,"
	"\"format\":\"pcapng\",\"limits\":{\"max_bytes\":null,\"max_packets\":100,"
	"\"rotate_bytes\":1048576,\"rotate_ms\":null,\"keep_files\":5},"
	"\"targets\":[{\"key\":\"web.3.k7x2a9\",\"kind\":\"task\",\"label\":\"web.3.k7x2a9\","
	"\"container_id\":\"c1\",\"task_id\":\"t1\",\"filter\":null,\"networks\":[{\"name\":\"app\","
	"\"id\":\"x1\",\"vni\":4097,\"addresses\":[\"10.0.1.5/24\"]}]},"
	"{\"key\":\"host\",\"kind\":\"host\",\"label\":\"host\",\"container_id\":null,"
	"\"task_id\":null,\"filter\":null,\"networks\":[]}],"
	"\"follow\":[{\"id\":\"s1\",\"name\":\"web\",\"except\":[\"web.2\"]}],"
	"\"hosts\":[{\"address\":\"10.0.1.5\",\"name\":\"web.3.k7x2a9\"}],"
	"\"context\":{\"cluster\":\"c\"}}";

static const char report_text[] =
	"{\"id\":\"20261123T143905Z-3fa9c1\",\"token\":\"" HEX "\",\"node_id\":\"n1\","
	"\"node_name\":\"node1\",\"version\":\"0.1.0\",\"state\":\"running\",\"attached\":true,\"live\":false,"
	"\"fetched\":false,\"armed_ns\":1,\"now_ns\":2,\"window_start_ns\":3,"
	"\"window_stop_ns\":0,\"dropped\":null,\"context\":{},"
	"\"targets\":[{\"key\":\"web.3.k7x2a9\",\"state\":\"ended\",\"end\":\"task-ended\","
	"\"error\":null,\"absent\":false,\"same_as\":\"host\",\"container_id\":\"c1\",\"image\":\"web:1\",\"started_ns\":4,"
	"\"stopped_ns\":5,\"packets\":6,\"bytes\":7,\"received\":8,\"dropped_kernel\":9,"
	"\"dropped_agent\":10,\"truncated\":11,\"interfaces\":[{\"name\":\"eth0\",\"index\":12,"
	"\"mac\":\"02:42:0a:00:01:05\",\"mtu\":1450,\"link_type\":\"EN10MB\","
	"\"addresses\":[\"10.0.1.5/24\"],\"peer\":13,\"master\":\"br0\",\"vni\":4097,"
	"\"offloads\":[\"tx-checksum\"]}],"
	"\"files\":[{\"name\":\"0-000.pcapng\",\"bytes\":13,\"packets\":14,\"first_ns\":15,"
	"\"last_ns\":16,\"xxh128\":\"" HEX "\",\"segment\":0,\"suffix\":null,"
	"\"recovered\":false}],"
	"\"gaps\":[{\"from_ns\":17,\"to_ns\":18,\"why\":\"away\"}],\"notes\":[\"one\"]}],"
	"\"joined\":[{\"key\":\"web.3.k7x2a9\",\"service\":\"web\",\"service_id\":\"s1\","
	"\"task\":\"web.3\",\"task_id\":\"t1\",\"slot\":3,\"joined_ns\":17,\"networks\":[]}],"
	"\"not_joined\":18}";

static json_t *parse(const char *text)
{
	json_t *j = NULL;
	struct err err = ERR_INIT;

	if (jx_parse(text, strlen(text), "test", &j, &err) < 0)
		fail_msg("%s", err.text);
	return j;
}

static json_t *child(json_t *j, const char *part)
{
	if (json_is_array(j))
		return json_array_get(j, (size_t)atoi(part));
	return json_object_get(j, part);
}

/* Sets the value at a path like "targets/0/key"; NULL removes it. Takes value. */
static void change(json_t *root, const char *path, json_t *value)
{
	cleanup_free char *copy = xstrdup(path);
	char *rest = copy, *part, *slash;
	json_t *j = root;

	while ((slash = strchr(rest, '/'))) {
		part = rest;
		*slash = '\0';
		rest = slash + 1;
		j = child(j, part);
		assert_non_null(j);
	}
	if (!value)
		assert_int_equal(json_object_del(j, rest), 0);
	else if (json_is_array(j))
		assert_int_equal(json_array_set_new(j, (size_t)atoi(rest), value), 0);
	else
		assert_int_equal(json_object_set_new(j, rest, value), 0);
}

static json_t *list_of(size_t n, const char *element)
{
	json_t *list = json_array();

	while (n--)
		json_array_append_new(list, parse(element));
	return list;
}

static json_t *long_text(size_t n)
{
	cleanup_free char *s = xmalloc(n + 1);

	memset(s, 'a', n);
	s[n] = '\0';
	return json_string(s);
}

static int arm_result(json_t *j, char text[ERR_TEXT_MAX])
{
	struct err err = ERR_INIT;
	struct wire_arm a;
	int r = wire_arm_decode(j, &a, &err);

	wire_arm_release(&a);
	json_decref(j);
	memcpy(text, err.text, sizeof(err.text));
	return r;
}

static int report_result(json_t *j, char text[ERR_TEXT_MAX])
{
	struct err err = ERR_INIT;
	struct wire_report r;
	int result = wire_report_decode(j, &r, &err);

	wire_report_release(&r);
	json_decref(j);
	memcpy(text, err.text, sizeof(err.text));
	return result;
}

struct refusal {
	const char *path;
	json_t *value;
	const char *sentence;
};

static void assert_refused(const char *base, int (*result)(json_t *, char *),
			   const struct refusal *list, size_t n)
{
	char text[ERR_TEXT_MAX];

	for (size_t i = 0; i < n; i++) {
		json_t *j = parse(base);

		change(j, list[i].path, list[i].value);
		assert_int_equal(result(j, text), -EINVAL);
		assert_string_equal(text, list[i].sentence);
	}
}

static void arm_round_trip(void **state)
{
	cleanup_json json_t *in = parse(arm_text), *out = NULL;
	cleanup_free char *dumped = NULL;
	struct err err = ERR_INIT;
	struct wire_arm a;

	assert_int_equal(wire_arm_decode(in, &a, &err), 0);
	assert_string_equal(err.text, "");
	assert_string_equal(a.id, "20261123T143905Z-3fa9c1");
	assert_true(a.attached);
	assert_int_equal(a.deadline_ms, 40000);
	assert_string_equal(a.filter, "tcp port 80");
	assert_null(a.interface);
	assert_int_equal(a.snaplen, 262144);
	assert_int_equal(a.max_bytes, 0);
	assert_int_equal(a.max_packets, 100);
	assert_int_equal(a.n_targets, 2);
	assert_int_equal(a.targets[0].kind, WIRE_TASK);
	assert_int_equal(a.targets[0].networks[0].vni, 4097);
	assert_string_equal(a.targets[0].networks[0].addresses[0], "10.0.1.5/24");
	assert_int_equal(a.targets[1].kind, WIRE_HOST);
	assert_null(a.targets[1].container_id);
	assert_string_equal(a.hosts[0].address, "10.0.1.5");
	assert_string_equal(jx_str(a.context, "cluster", ""), "c");

	out = wire_arm_encode(&a);
	dumped = jx_dump(out);
	assert_string_equal(dumped, arm_text);
	wire_arm_release(&a);
	wire_arm_release(&a);
}

static void report_round_trip(void **state)
{
	cleanup_json json_t *in = parse(report_text), *out = NULL;
	cleanup_free char *dumped = NULL;
	struct err err = ERR_INIT;
	struct wire_report r;

	assert_int_equal(wire_report_decode(in, &r, &err), 0);
	assert_true(r.running);
	assert_int_equal(r.targets[0].end, WIRE_END_TASK_ENDED);
	assert_int_equal(r.targets[0].dropped_agent, 10);
	assert_int_equal(r.targets[0].interfaces[0].mtu, 1450);
	assert_string_equal(r.targets[0].files[0].xxh128, HEX);

	out = wire_report_encode(&r);
	dumped = jx_dump(out);
	assert_string_equal(dumped, report_text);
	wire_report_release(&r);
}

static void token_and_context_are_left_out_when_absent(void **state)
{
	struct wire_report r = { .id = "20261123T143905Z-3fa9c1", .running = false };
	cleanup_json json_t *j = wire_report_encode(&r);
	struct err err = ERR_INIT;
	struct wire_report back;

	assert_null(json_object_get(j, "token"));
	assert_null(json_object_get(j, "context"));
	assert_string_equal(jx_str(j, "state", ""), "finished");
	assert_int_equal(wire_report_decode(j, &back, &err), 0);
	assert_string_equal(back.token, "");
	assert_string_equal(back.node_id, "");
	assert_null(back.context);
	wire_report_release(&back);
}

static void info_round_trip(void **state)
{
	struct wire_info i = {
		.version = (char *)"0.1.0", .hostname = (char *)"node1", .api = 1,
		.spool_free = 5, .netns_ok = false, .netns_note = (char *)"no propagation",
	};
	cleanup_json json_t *j = wire_info_encode(&i);
	struct err err = ERR_INIT;
	struct wire_info back;

	assert_int_equal(wire_info_decode(j, &back, &err), 0);
	assert_string_equal(back.hostname, "node1");
	assert_string_equal(back.engine, "");
	assert_string_equal(back.netns_note, "no propagation");
	assert_int_equal(back.spool_free, 5);
	assert_false(back.netns_ok);
	wire_info_release(&back);
}

static void bad_arms_are_refused_by_field(void **state)
{
	const struct refusal list[] = {
		{ "version", NULL, "version: is missing" },
		{ "id", json_string("../../etc/passwd"), "id: is no capture id" },
		{ "id", json_string(""), "id: is no capture id" },
		{ "id", json_integer(1), "id: is no string" },
		{ "node_id", NULL, "node_id: is missing" },
		{ "node_name", long_text(1025), "node_name: more than 1024 bytes" },
		{ "attached", json_integer(1), "attached: is neither true nor false" },
		{ "lease_ms", json_null(),
		  "lease_ms: is missing, and the capture is attached" },
		{ "lease_ms", json_integer(-1), "lease_ms: is negative" },
		{ "deadline_ms", json_integer(0), "deadline_ms: is less than 1" },
		{ "deadline_ms", json_integer(WIRE_DEADLINE_MAX_MS + 1),
		  "deadline_ms: more than 86400000" },
		{ "deadline_ms", json_real(5), "deadline_ms: is no integer" },
		{ "filter", long_text(FILTER_MAX + 1), "filter: more than 16384 bytes" },
		{ "snaplen", json_integer(0), "snaplen: is less than 1" },
		{ "snaplen", json_integer(WIRE_SNAPLEN_MAX + 1), "snaplen: more than 262144" },
		{ "format", json_string("erf"), "format: is none of the known words" },
		{ "limits", json_array(), "limits: is no object" },
		{ "limits/max_bytes", json_integer(-1), "limits.max_bytes: is negative" },
		{ "limits/max_packets", json_integer(WIRE_COUNT_MAX + 1),
		  "limits.max_packets: more than 281474976710656" },
		{ "limits/rotate_bytes", json_string("1M"), "limits.rotate_bytes: is no integer" },
		{ "limits/rotate_ms", json_integer(WIRE_DEADLINE_MAX_MS + 1),
		  "limits.rotate_ms: more than 86400000" },
		{ "limits/keep_files", json_integer(WIRE_FILES_MAX + 1),
		  "limits.keep_files: more than 4096" },
		{ "targets", json_object(), "targets: is no list" },
		{ "targets", list_of(513, "{}"), "targets: more than 512 elements" },
		{ "follow", list_of(513, "{}"), "follow: more than 512 elements" },
		{ "follow/0/id", json_null(), "follow[0].id: is missing" },
		{ "follow/0/id", json_string("s/1"),
		  "follow[0].id: is not 1 to 128 characters of A-Za-z0-9" },
		{ "targets/1", json_integer(1), "targets[1]: is no object" },
		{ "targets/1/key", json_string("a/b"),
		  "targets[1].key: is not 1 to 128 characters of A-Za-z0-9._-" },
		{ "targets/1/key", long_text(129),
		  "targets[1].key: is not 1 to 128 characters of A-Za-z0-9._-" },
		{ "targets/1/key", json_string("web.3.k7x2a9"),
		  "targets[1].key: web.3.k7x2a9 was there before" },
		{ "targets/0/kind", json_string("pod"),
		  "targets[0].kind: is none of the known words" },
		{ "targets/0/container_id", json_string("../x"),
		  "targets[0].container_id: is not 1 to 128 characters of A-Za-z0-9" },
		{ "targets/0/container_id", json_null(), "targets[0].container_id: is missing" },
		{ "targets/0/networks", list_of(65, "{}"),
		  "targets[0].networks: more than 64 elements" },
		{ "targets/0/networks/0/addresses", list_of(65, "\"a\""),
		  "targets[0].networks[0].addresses: more than 64 elements" },
		{ "targets/0/networks/0/addresses/0", json_null(),
		  "targets[0].networks[0].addresses[0]: is no string" },
		{ "hosts", list_of(8193, "{}"), "hosts: more than 8192 elements" },
		{ "hosts/0/name", long_text(1025), "hosts[0].name: more than 1024 bytes" },
		{ "hosts/0/name", json_stringn("a\0b", 3), "hosts[0].name: has a NUL in it" },
		{ "context", json_array(), "context: is no object" },
		{ "context/x", long_text(WIRE_CONTEXT_MAX),
		  "context: more than 1048576 bytes as text" },
	};

	assert_refused(arm_text, arm_result, list, ARRAY_SIZE(list));
}

static void bad_reports_are_refused_by_field(void **state)
{
	const struct refusal list[] = {
		{ "token", json_string("zz"), "token: is not 32 hex digits" },
		{ "state", json_string("sleeping"), "state: is none of the known words" },
		{ "state", json_null(), "state: is missing" },
		{ "now_ns", json_integer(-1), "now_ns: is negative" },
		{ "targets/0/packets", json_integer(-1), "targets[0].packets: is negative" },
		{ "targets/0/end", json_string("bored"),
		  "targets[0].end: is none of the known words" },
		{ "targets/0/interfaces", list_of(257, "{}"),
		  "targets[0].interfaces: more than 256 elements" },
		{ "targets/0/files", list_of(4097, "{}"),
		  "targets[0].files: more than 4096 elements" },
		{ "targets/0/notes", list_of(65, "\"a\""),
		  "targets[0].notes: more than 64 elements" },
		{ "targets/0/files/0/name", json_string("../x"),
		  "targets[0].files[0].name: is not 1 to 127 characters of A-Za-z0-9._- "
		  "with no dot in front" },
		{ "targets/0/files/0/name", json_string("x?y=1"),
		  "targets[0].files[0].name: is not 1 to 127 characters of A-Za-z0-9._- "
		  "with no dot in front" },
		{ "targets/0/files/0/xxh128", json_string(HEX HEX),
		  "targets[0].files[0].xxh128: is no XXH128 in hex" },
		{ "targets/0/files/0/bytes", json_integer(-5),
		  "targets[0].files[0].bytes: is negative" },
		{ "targets/0/files/0/segment", json_integer(1LL << 31),
		  "targets[0].files[0].segment: more than 2147483647" },
	};

	assert_refused(report_text, report_result, list, ARRAY_SIZE(list));
}

static void another_version_is_told_apart(void **state)
{
	char text[ERR_TEXT_MAX];
	json_t *j = parse("{\"version\":2,\"id\":[]}");

	assert_int_equal(arm_result(j, text), WIRE_E_VERSION);
	assert_string_equal(text, "version: 2 is not spoken here, only 1");
	assert_int_equal(arm_result(parse("[]"), text), -EINVAL);
	assert_string_equal(text, "body: is no object");
}

static void unknown_and_optional_fields(void **state)
{
	char text[ERR_TEXT_MAX];
	json_t *j = parse(arm_text);

	change(j, "colour", json_string("blue"));
	change(j, "targets/0/colour", json_integer(1));
	change(j, "format", NULL);
	change(j, "hosts", NULL);
	change(j, "limits", NULL);
	change(j, "context", NULL);
	change(j, "targets/1/task_id", json_string(""));
	assert_int_equal(arm_result(j, text), 0);
}

static void hostile_bytes_become_text(void **state)
{
	char *notes[WIRE_NOTES_MAX + 1];
	char sentence[3001] = "";
	struct wire_target t = {
		.key = (char *)"k", .error = sentence, .image = (char *)"bad\xff\x1b[31m",
		.notes = notes, .n_notes = ARRAY_SIZE(notes),
	};
	struct wire_report r = { .id = "20261123T143905Z-3fa9c1", .targets = &t, .n_targets = 1 };
	cleanup_json json_t *j = NULL;
	struct err err = ERR_INIT;
	struct wire_report back;

	for (size_t i = 0; i < ARRAY_SIZE(notes); i++)
		notes[i] = (char *)"note";
	for (size_t i = 0; i < 1500; i++)
		memcpy(sentence + 2 * i, "\xc3\xa4", 3);
	memmove(sentence + 1, sentence, 2999);
	sentence[0] = 'a';

	j = wire_report_encode(&r);
	assert_int_equal(wire_report_decode(j, &back, &err), 0);
	assert_string_equal(back.targets[0].image, "bad\\xff\x1b[31m");
	assert_int_equal(strlen(back.targets[0].error), WIRE_TEXT_MAX - 1);
	assert_int_equal(back.targets[0].n_notes, WIRE_NOTES_MAX);
	wire_report_release(&back);
}

static void errors_become_sentences(void **state)
{
	cleanup_json json_t *j = wire_error_encode("quota", "the spool is full\x1b[2J");
	cleanup_free char *body = jx_dump(j);
	cleanup_free char *text = wire_error_text(body, strlen(body), "def");
	cleanup_free char *none = wire_error_text("<html>", 6, "def");
	cleanup_free char *other = wire_error_text("{\"error\":1}", 11, "def");
	cleanup_free char *null = wire_error_text("[]", 2, NULL);

	assert_string_equal(text, "quota: the spool is full\\x1b[2J");
	assert_string_equal(none, "def");
	assert_string_equal(other, "def");
	assert_null(null);
}

static void words(void **state)
{
	assert_string_equal(wire_kind_text(WIRE_NETWORK), "network");
	assert_string_equal(wire_end_text(WIRE_END_DISK_FLOOR), "disk-floor");
	assert_string_equal(wire_end_text(WIRE_END_ERROR), "error");
	assert_null(wire_end_text(WIRE_END_NONE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arm_round_trip),
		cmocka_unit_test(report_round_trip),
		cmocka_unit_test(token_and_context_are_left_out_when_absent),
		cmocka_unit_test(info_round_trip),
		cmocka_unit_test(bad_arms_are_refused_by_field),
		cmocka_unit_test(bad_reports_are_refused_by_field),
		cmocka_unit_test(another_version_is_told_apart),
		cmocka_unit_test(unknown_and_optional_fields),
		cmocka_unit_test(hostile_bytes_become_text),
		cmocka_unit_test(errors_become_sentences),
		cmocka_unit_test(words),
	};

	return cmocka_run_group_tests_name("wire", tests, NULL, NULL);
}
