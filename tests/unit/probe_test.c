/* SPDX-License-Identifier: Apache-2.0
 *
 * probe_test.c - from what a node says of itself to what its routes need
 */
#include "../../coordinator/probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const char whole[] =
	"uid=0\nmachine=x86_64\nhas=tar\nhas=sha256sum\nhas=nsenter\nhas=tcpdump\nsocket=yes\n"
	"docker=yes\nexecutes=yes\n";

/* The words of the three ssh routes after text, as "push/nsenter/helper"; "" is ok. */
static void assert_words(const char *text, const char *image, const char *wanted)
{
	struct probe_facts facts;
	struct probe p = { 0 };
	char words[128];

	probe_decode(text, &facts);
	probe_judge(&facts, "admin@node1", image, &p);
	snprintf(words, sizeof(words), "%s/%s/%s", p.routes[ROUTE_SSH_PUSH].word,
		 p.routes[ROUTE_SSH_NSENTER].word, p.routes[ROUTE_SSH_HELPER].word);
	assert_string_equal(words, wanted);
	for (int r = ROUTE_SSH_PUSH; r <= ROUTE_SSH_HELPER; r++) {
		const struct probe_verdict *v = &p.routes[r];

		assert_int_equal(v->state, *v->word ? PROBE_NO : PROBE_OK);
		assert_int_equal(*v->word != '\0', *v->why != '\0');
	}
}

static void test_a_node_that_lacks_nothing(void **state)
{
	assert_words(whole, "amd64", "//");
}

static void test_what_is_in_the_way(void **state)
{
	assert_words("", NULL, "sudo/sudo/docker");
	assert_words("uid=0\nmachine=x86_64\n", "amd64", "docker/docker/docker");
	assert_words("uid=1000\nmachine=x86_64\nsocket=yes\ndocker=yes\n", "amd64", "sudo/sudo/");
	assert_words("uid=1000\nsudo=yes\nmachine=x86_64\nsocket=yes\ndocker=sudo\nhas=nsenter\n", "amd64",
		     "tar/tcpdump/");
	assert_words("uid=0\nmachine=aarch64\nsocket=yes\ndocker=yes\nhas=tcpdump\n", "amd64",
		     "arch/nsenter/arch");
	assert_words("uid=0\nmachine=x86_64\nsocket=yes\ndocker=yes\nhas=tcpdump\nhas=nsenter\n", NULL,
		     "image//image");
	assert_words("uid=0\nmachine=x86_64\nsocket=yes\ndocker=yes\nhas=tar\nhas=sha256sum\n", "amd64",
		     "noexec/nsenter/");
}

/* uid=01 is not root, and a long line is not read past its end. */
static void test_only_whole_lines_count(void **state)
{
	struct probe_facts f;

	probe_decode("uid=01\nxsudo=yes\ndocker=yesterday\nmachine=0123456789012345678901234567890123456789",
		     &f);
	assert_false(f.root || f.sudo || f.docker);
	assert_int_equal(strlen(f.machine), sizeof(f.machine) - 1);
}

static void test_no_session(void **state)
{
	static const struct {
		int rc;
		const char *word;
	} rows[] = { { -ECONNREFUSED, "refused" }, { -EKEYREJECTED, "host key" },
		     { -EACCES, "login" }, { -ETIMEDOUT, "timeout" }, { -EIO, "no ssh" } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct probe p = { 0 };

		probe_judge_session(rows[i].rc, "words", &p);
		assert_string_equal(p.routes[ROUTE_SSH_HELPER].word, rows[i].word);
		assert_string_equal(p.routes[ROUTE_SSH_PUSH].why, "words");
		assert_int_equal(probe_best(&p), ROUTE_NONE);
		p.routes[ROUTE_LOCAL].state = PROBE_OK;
		assert_int_equal(probe_best(&p), ROUTE_LOCAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_node_that_lacks_nothing),
		cmocka_unit_test(test_what_is_in_the_way),
		cmocka_unit_test(test_only_whole_lines_count),
		cmocka_unit_test(test_no_session),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
