/* SPDX-License-Identifier: Apache-2.0
 *
 * consent_test.c - many targets are asked for on a terminal, and refused without one
 */
#include "../../coordinator/consent.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static int answer(const char *typed, bool terminal, struct request *r, char **asked, struct err *err)
{
	struct plan_node nodes[2] = { { .n_targets = 200 }, { .n_targets = 57 } };
	const struct plan p = { .nodes = nodes, .n_nodes = 2 };
	size_t n = 0;
	FILE *in = *typed ? fmemopen((void *)(uintptr_t)typed, strlen(typed), "r") : fopen("/dev/null", "re");
	FILE *out = open_memstream(asked, &n);
	int rc;

	err_reset(err);
	rc = consent_targets(r, &p, terminal, in, out, err);
	fclose(in);
	fclose(out);
	return rc;
}

static void test_consent(void **state)
{
	struct request r = { .max_targets = REQUEST_MAX_TARGETS };
	struct err err = ERR_INIT;
	cleanup_free char *asked = NULL;

	assert_int_equal(answer("y\n", true, &r, &asked, &err), 0);
	assert_string_equal(asked, "257 targets on 2 nodes will be captured. Go on? [y/N] ");
	free(asked);
	assert_int_equal(answer("\n", true, &r, &asked, &err), -ECANCELED);
	free(asked);
	assert_int_equal(answer("", true, &r, &asked, &err), -ECANCELED);
	free(asked);
	assert_int_equal(answer("y\n", false, &r, &asked, &err), -EINVAL);
	assert_string_equal(err.text, "257 targets on 2 nodes are more than --max-targets 256: narrow it "
				      "with --node or --tasks, or say --yes");
	assert_string_equal(asked, "");
	free(asked);
	r.max_targets = 257;
	assert_int_equal(answer("", false, &r, &asked, &err), 0);
	free(asked);
	r = (struct request){ .max_targets = 1, .yes = true };
	assert_int_equal(answer("", false, &r, &asked, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_consent) };

	return cmocka_run_group_tests_name("consent", tests, NULL, NULL);
}
