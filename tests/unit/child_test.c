/* SPDX-License-Identifier: Apache-2.0
 *
 * child_test.c - a command that cannot tell that we are there; /proc and sh say what it sees
 */
#include "../../coordinator/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OUT "/tmp/child_test.out"
#define MARK "/tmp/child_test.mark"

static struct child_before before;

static int start(struct child *c, const char *script, struct err *err)
{
	const char *argv[] = { "sh", "-c", script, NULL };

	*c = (struct child)CHILD_INIT;
	*err = (struct err)ERR_INIT;
	return child_start(c, (char *const *)argv, &before, err);
}

static int wait_for(struct child *c)
{
	struct pollfd ended = { .fd = c->fd, .events = POLLIN };
	int status;

	assert_int_equal(poll(&ended, 1, 60000), 1);
	status = child_status(c);
	child_release(c);
	return status;
}

static int status_of(const char *script)
{
	struct child c;
	struct err err;

	assert_int_equal(start(&c, script, &err), 0);
	return wait_for(&c);
}

/* What it prints, to be freed. */
static char *said(const char *script)
{
	cleanup_free char *all = xasprintf("{ %s; } >" OUT, script);
	char *text;

	assert_int_equal(status_of(all), 0);
	text = util_read_file(OUT, 1 << 16);
	assert_non_null(text);
	unlink(OUT);
	return text;
}

static void its_status(void **state)
{
	assert_int_equal(status_of("exit 0"), 0);
	assert_int_equal(status_of("exit 7"), 7);
	assert_int_equal(status_of("kill -TERM $$"), 128 + SIGTERM);
	assert_int_equal(status_of("kill -KILL $$"), 128 + SIGKILL);
}

static void what_cannot_be_run(void **state)
{
	const char *none[] = { "/nonexistent/x", NULL }, *dir[] = { "/tmp", NULL };
	struct child c = CHILD_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(child_start(&c, (char *const *)none, &before, &err), -ENOENT);
	assert_non_null(strstr(err.text, "/nonexistent/x"));
	assert_int_equal(child_failed_status(err.code), CHILD_NOT_FOUND);
	err_reset(&err);
	assert_int_equal(child_start(&c, (char *const *)dir, &before, &err), -EACCES);
	assert_int_equal(child_failed_status(err.code), CHILD_NOT_RUN);
	child_release(&c);
}

static const int all[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1 };

static void signals_are_passed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		struct child c;
		struct err err;

		assert_int_equal(start(&c, "exec sleep 60", &err), 0);
		child_pass(&c, all[i]);
		assert_int_equal(wait_for(&c), 128 + all[i]);
	}
}

/* We changed all of it, as main and interrupt_open_all do; it sees none of that. */
static void nothing_of_ours_is_seen(void **state)
{
	static const char script[] = "umask; ulimit -n; exec grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status";
	cleanup_free char *want = said(script), *got = NULL;
	struct sigaction ignore = { .sa_handler = SIG_IGN }, pipe, interrupt;
	struct rlimit files = before.files, less = before.files;
	sigset_t set, mask;
	mode_t umask_before;

	less.rlim_cur = before.files.rlim_cur / 2;
	setrlimit(RLIMIT_NOFILE, &less);
	umask_before = umask(0123);
	sigaction(SIGPIPE, &ignore, &pipe);
	sigaction(SIGINT, &ignore, &interrupt);
	sigfillset(&set);
	sigprocmask(SIG_BLOCK, &set, &mask);
	got = said(script);
	sigprocmask(SIG_SETMASK, &mask, NULL);
	sigaction(SIGPIPE, &pipe, NULL);
	sigaction(SIGINT, &interrupt, NULL);
	umask(umask_before);
	setrlimit(RLIMIT_NOFILE, &files);
	assert_string_equal(got, want);
}

static void same_group_session_and_folder(void **state)
{
	cleanup_free char *got = said("cut -d' ' -f5,6 /proc/$$/stat; pwd -P");
	cleanup_free char *cwd = getcwd(NULL, 0);
	cleanup_free char *want = xasprintf("%d %d\n%s\n", getpgrp(), getsid(0), cwd);

	assert_string_equal(got, want);
}

/* Whoever closed stdin had a reason; what main put in its place is not passed on. */
static void closed_stays_closed(void **state)
{
	struct child_before closed = before;
	const char *argv[] = { "sh", "-c", "[ ! -e /proc/$$/fd/0 ] && [ -e /proc/$$/fd/1 ]", NULL };
	struct child c = CHILD_INIT;
	struct err err = ERR_INIT;

	closed.closed[0] = true;
	assert_int_equal(child_start(&c, (char *const *)argv, &closed, &err), 0);
	assert_int_equal(wait_for(&c), 0);
}

/* As of make's job server: what we were started with is its, what we opened is not. */
static void descriptors(void **state)
{
	int first = open(MARK, O_RDONLY | O_CREAT, 0600), last;
	struct child_before with;
	cleanup_free char *got = NULL, *want = NULL;

	dup2(first, 40);
	child_remember(&with);
	last = dup2(first, 41);		/* without FD_CLOEXEC, as a library does */
	assert_true(first >= 0 && last == 41 && dup2(first, 39) == 39);
	want = xasprintf("%d\n40\n", first);
	{
		const char *argv[] = { "sh", "-c", "exec >" OUT "; cd /proc/$$/fd && for f in *; do "
				       "[ $f -lt 3 ] || [ ! " MARK " -ef $f ] || echo $f; done",
				       NULL };
		struct child c = CHILD_INIT;

		assert_int_equal(child_start(&c, (char *const *)argv, &with, NULL), 0);
		assert_int_equal(wait_for(&c), 0);
	}
	got = util_read_file(OUT, 4096);
	assert_string_equal(got, want);
	unlink(OUT);
	unlink(MARK);
	close(first);
	for (int fd = 39; fd <= 41; fd++)
		close(fd);
}

static void whose_status_it_is(void **state)
{
	assert_int_equal(child_run_status(0, 0), 0);
	assert_int_equal(child_run_status(0, 3), 3);
	assert_int_equal(child_run_status(0, 1), 1);
	assert_int_equal(child_run_status(5, 0), 5);
	assert_int_equal(child_run_status(5, 3), 5);
	assert_int_equal(child_run_status(130, 1), 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_status),
		cmocka_unit_test(what_cannot_be_run),
		cmocka_unit_test(signals_are_passed),
		cmocka_unit_test(nothing_of_ours_is_seen),
		cmocka_unit_test(same_group_session_and_folder),
		cmocka_unit_test(closed_stays_closed),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(whose_status_it_is),
	};

	/* as on a terminal, and not as under nohup or in a shell's background */
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		signal(all[i], SIG_DFL);
	child_remember(&before);
	return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
