/* SPDX-License-Identifier: Apache-2.0
 *
 * child.c - the command of `run`
 *
 * Between fork and exec there are only calls that are safe in a process that has threads. That exec
 * failed is told through a pipe, which a successful exec closes.
 */
#include "child.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whose dispositions main changes. */
static const int signals[CHILD_SIGNALS] = { SIGPIPE, SIGINT, SIGTERM };

static int by_number(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static void remember_inherited(struct child_before *out)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;

	out->n_inherited = 0;
	while (d && (e = readdir(d)) && out->n_inherited < CHILD_INHERITED) {
		unsigned int fd = (unsigned int)strtoul(e->d_name, NULL, 10);

		if (isdigit((unsigned char)*e->d_name) && fd > 2 && fd != (unsigned int)dirfd(d))
			out->inherited[out->n_inherited++] = fd;
	}
	if (d)
		closedir(d);
	qsort(out->inherited, out->n_inherited, sizeof(*out->inherited), by_number);
}

void child_remember(struct child_before *out)
{
	remember_inherited(out);
	sigprocmask(SIG_SETMASK, NULL, &out->mask);
	for (int i = 0; i < CHILD_SIGNALS; i++)
		sigaction(signals[i], NULL, &out->actions[i]);
	out->umask = umask(0);
	umask(out->umask);
	getrlimit(RLIMIT_NOFILE, &out->files);
	for (int fd = 0; fd < 3; fd++)
		out->closed[fd] = fcntl(fd, F_GETFD) < 0;
}

/* From first to last: closed by exec. Kernels before 5.11 leave it to who opened them. */
static void ours(unsigned int first, unsigned int last)
{
	if (first <= last)
		syscall(SYS_close_range, first, last, CLOSE_RANGE_CLOEXEC);
}

/* libcurl's pipes and libssh's sockets are open without O_CLOEXEC. */
static void keep_ours(const struct child_before *before)
{
	unsigned int next = 3;

	for (size_t i = 0; i < before->n_inherited; i++) {
		ours(next, before->inherited[i] - 1);
		next = before->inherited[i] + 1;
	}
	ours(next, UINT_MAX);
}

/* In the child. Returns only to say why not. */
static int become(char *const *argv, const struct child_before *before)
{
	for (int i = 0; i < CHILD_SIGNALS; i++)
		sigaction(signals[i], &before->actions[i], NULL);
	umask(before->umask);
	setrlimit(RLIMIT_NOFILE, &before->files);
	for (int fd = 0; fd < 3; fd++)
		if (before->closed[fd])
			close(fd);
	keep_ours(before);
	sigprocmask(SIG_SETMASK, &before->mask, NULL);
	execvp(argv[0], argv);
	return errno;
}

static int fork_and_exec(struct child *c, char *const *argv, const struct child_before *before,
			 struct err *err)
{
	int ends[2], why = 0;
	ssize_t n;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_errno(err, "cannot make a pipe");
	c->pid = fork();
	if (c->pid == 0) {
		why = become(argv, before);
		(void)!write(ends[1], &why, sizeof(why));
		_exit(CHILD_NOT_FOUND);
	}
	close(ends[1]);
	if (c->pid < 0) {
		close(ends[0]);
		return err_errno(err, "cannot start a process for '%s'", argv[0]);
	}
	do
		n = read(ends[0], &why, sizeof(why));
	while (n < 0 && errno == EINTR);
	close(ends[0]);
	if (n <= 0)
		return 0;
	waitpid(c->pid, NULL, 0);
	return err_set(err, -why, "cannot run '%s': %s", argv[0], strerror(why));
}

int child_start(struct child *c, char *const *argv, const struct child_before *before,
		struct err *err)
{
	int rc = fork_and_exec(c, argv, before, err);

	if (rc < 0)
		return rc;
	c->fd = (int)syscall(SYS_pidfd_open, c->pid, 0);
	if (c->fd >= 0)
		return 0;
	err_errno(err, "cannot watch '%s'", argv[0]);
	kill(c->pid, SIGKILL);
	waitpid(c->pid, NULL, 0);
	return err->code;
}

void child_pass(const struct child *c, int signal)
{
	syscall(SYS_pidfd_send_signal, c->fd, signal, NULL, 0);
}

int child_status(struct child *c)
{
	int status = 0;

	while (waitpid(c->pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_release(struct child *c)
{
	c->fd = util_close(c->fd);
}

int child_failed_status(int rc)
{
	return rc == -ENOENT ? CHILD_NOT_FOUND : CHILD_NOT_RUN;
}

int child_run_status(int command, int capture)
{
	return command ? command : capture;
}
