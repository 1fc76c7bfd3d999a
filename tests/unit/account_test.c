/* SPDX-License-Identifier: Apache-2.0
 *
 * account_test.c - manifests that are read back: one of ours, and those that somebody changed
 */
#include "../../coordinator/account.h"
#include "wire.h"

#include <errno.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define START_NS 1795444745000000000LL

/* %s: more nodes, targets. */
#define MANIFEST "{\"schema\": 1, \"window\": {\"start\": \"2026-11-23T14:39:05Z\"}, \"nodes\": [" \
	"{\"id\": \"i1\", \"name\": \"twin\", \"clock_offset_ns\": -41210, \"clock_error_ns\": 88000, " \
	"\"clock_drift_ppb\": 2500}, " \
	"{\"id\": \"i2\", \"name\": \"twin\", \"clock_offset_ns\": 7, \"clock_error_ns\": 1}, " \
	"{\"id\": \"i3\", \"name\": \"mute\", \"clock_offset_ns\": null, \"clock_error_ns\": null}], " \
	"\"targets\": [%s]}"
#define FILE_OF(name, bytes) "{\"name\": \"" name "\", \"bytes\": " bytes ", \"packets\": 3, \"sha256\": \"" SHA "\"}"

static int decode(const char *targets, struct account *a, struct err *err)
{
	cleanup_free char *text = xasprintf(MANIFEST, targets);

	*err = (struct err)ERR_INIT;
	return account_decode(text, strlen(text), a, err);
}

static void assert_refused(const char *targets, const char *sentence)
{
	struct account a;
	struct err err;

	assert_int_equal(decode(targets, &a, &err), -EINVAL);
	assert_string_equal(err.text, sentence);
	account_release(&a);
}

static void who_and_by_which_clock(void **state)
{
	struct account a;
	struct err err;
	const struct account_node *n;

	if (decode("{\"task\": \"web.3\", \"task_id\": \"k7x2a9zzz\", \"node\": \"twin\", \"node_id\": \"i2\", "
		   "\"interfaces\": [{\"name\": \"lo\"}, {\"name\": \"eth0\"}], "
		   "\"networks\": [{\"name\": \"app\", \"addresses\": [\"10.0.1.5/24\", \"fd00::5/64\"]}], "
		   "\"packets\": 6, \"files\": [" FILE_OF("a.pcapng", "10") ", " FILE_OF("b.pcapng", "11") "]}, "
		   "{\"kind\": \"container\", \"container_id\": \"0123456789abcdef\", \"node\": \"gone\", "
		   "\"interfaces\": [{\"name\": \"eth0\"}, {\"name\": \"eth1\"}], \"files\": []}", &a, &err))
		fail_msg("%s", err.text);
	assert_int_equal(a.n_targets, 2);
	assert_int_equal(a.n_files, 2);
	assert_int_equal(a.bytes, 21);
	assert_string_equal(a.targets[0].label, "web.3.k7x2a9");
	assert_string_equal(a.targets[0].where, " (app 10.0.1.5/24, app fd00::5/64)");
	assert_string_equal(a.targets[0].interface, "eth0");
	assert_int_equal(a.targets[0].received, -1);
	assert_string_equal(a.targets[1].label, "container 0123456789ab");
	assert_string_equal(a.targets[1].where, "");
	assert_null(a.targets[1].interface);
	assert_int_equal(account_file(&a, "b.pcapng")->bytes, 11);
	assert_null(account_file(&a, "c.pcapng"));

	n = account_node(&a, &a.targets[0]);
	assert_string_equal(n->id, "i2");
	assert_int_equal(n->offset_ns, 7);
	assert_int_equal(n->n_targets, 1);
	assert_true(n->drift == 0);
	assert_null(account_node(&a, &a.targets[1]));
	assert_true(a.nodes[0].has_clock);
	assert_true(a.nodes[0].drift > 2.4e-6 && a.nodes[0].drift < 2.6e-6);
	assert_int_equal(a.nodes[0].from_ns, START_NS - 41210);
	assert_int_equal(a.nodes[0].n_targets, 0);
	assert_false(a.nodes[2].has_clock);
	account_release(&a);
	account_release(&a);
}

static void changed_ones_are_refused(void **state)
{
	assert_refused("{\"files\": [" FILE_OF("../x", "1") "]}",
		       "the manifest is damaged: the name of a file of entry 0");
	assert_refused("{\"files\": [" FILE_OF("", "1") "]}",
		       "the manifest is damaged: the name of a file of entry 0");
	assert_refused("{}, {\"files\": [" FILE_OF("x", "-1") "]}",
		       "the manifest is damaged: the size of a file of entry 1");
	assert_refused("{\"files\": [" FILE_OF("x", "1e30") "]}",
		       "the manifest is damaged: the size of a file of entry 0");
	assert_refused("{\"files\": [" FILE_OF("x", "1") ", " FILE_OF("x", "1") "]}",
		       "the manifest is damaged: a file of two targets, or one that is there twice "
		       "of entry 0");
	assert_refused("{\"files\": [{\"name\": \"x\", \"bytes\": 1, \"packets\": 1, \"sha256\": \"no\"}]}",
		       "the manifest is damaged: the digest of a file of entry 0");
	assert_refused("{\"files\": [" FILE_OF("x", "281474976710656") ", " FILE_OF("y", "1") "]}",
		       "the manifest is damaged: too many files, up to those of entry 0");
}

static void what_is_no_manifest(void **state)
{
	static const char *const texts[] = { "", "[]", "7", "{}", "{\"schema\": 2, \"targets\": []}",
					     "{\"schema\": 1}", "{\"schema\": 1, \"targets\": {}}" };

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		struct account a;
		struct err err = ERR_INIT;

		assert_int_equal(account_decode(texts[i], strlen(texts[i]), &a, &err), -EINVAL);
		assert_true(*err.text);
		account_release(&a);
	}
}

/* What manifest.c writes, from the test of that. */
static void our_own(void **state)
{
	cleanup_free char *text = util_read_file("tests/unit/data/manifest.json", 1 << 20);
	struct account a;
	struct err err = ERR_INIT;

	assert_non_null(text);
	if (account_decode(text, strlen(text), &a, &err) < 0)
		fail_msg("%s", err.text);
	assert_true(a.n_targets > 0 && a.n_files > 0 && a.n_nodes > 0);
	assert_non_null(account_node(&a, &a.targets[0]));
	account_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_and_by_which_clock),
		cmocka_unit_test(changed_ones_are_refused),
		cmocka_unit_test(what_is_no_manifest),
		cmocka_unit_test(our_own),
	};

	return cmocka_run_group_tests_name("account", tests, NULL, NULL);
}
