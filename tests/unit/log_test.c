/* SPDX-License-Identifier: Apache-2.0
 *
 * log_test.c - what reaches stderr
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int caught[2], kept = -1;

/* stderr becomes a packet pipe: one read gives one write. */
static int catch_stderr(void **state)
{
	kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	return pipe2(caught, O_CLOEXEC | O_DIRECT | O_NONBLOCK) < 0 ||
	       dup2(caught[1], STDERR_FILENO) < 0;
}

static int let_stderr_go(void **state)
{
	dup2(kept, STDERR_FILENO);
	kept = util_close(kept);
	caught[0] = util_close(caught[0]);
	caught[1] = util_close(caught[1]);
	log_init("", LOG_INFO);
	return 0;
}

static const char *line(void)
{
	static char text[8192];
	ssize_t n = read(caught[0], text, sizeof(text) - 1);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static void test_lines(void **state)
{
	log_init("swarmcap", LOG_INFO);
	log_warn("node %s", "n1");
	log_info("second");
	log_debug("not shown");
	assert_string_equal(line(), "swarmcap: node n1\n");
	assert_string_equal(line(), "swarmcap: second\n");
	assert_string_equal(line(), "");

	log_init("swarmcap", LOG_ERROR);
	log_warn("not shown");
	log_error("shown");
	assert_string_equal(line(), "swarmcap: shown\n");
	log_init("swarmcap", LOG_DEBUG);
	log_debug("shown");
	assert_string_equal(line(), "swarmcap: shown\n");
}

static void test_hostile(void **state)
{
	log_init("", LOG_INFO);
	log_warn("task '%s'", "\x1b]0;x\x07\nswarmcap: forged");
	assert_string_equal(line(), "task '\\x1b]0;x\\x07\\x0aswarmcap: forged'\n");
	log_warn("\xff");
	assert_string_equal(line(), "\\xff\n");
}

static void test_errno_kept(void **state)
{
	errno = ENOTTY;
	log_warn("x");
	assert_int_equal(errno, ENOTTY);
	assert_string_equal(line(), "x\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_lines, catch_stderr, let_stderr_go),
		cmocka_unit_test_setup_teardown(test_hostile, catch_stderr, let_stderr_go),
		cmocka_unit_test_setup_teardown(test_errno_kept, catch_stderr, let_stderr_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
