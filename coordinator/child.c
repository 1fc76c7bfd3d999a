/* SPDX-License-Identifier: Apache-2.0
 *
 * child.c - the command of `run`
 *
 * Between fork and exec there are only calls that are safe in a process that has threads. That exec
 * failed is told through a pipe, which a successful exec closes.
 */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whose dispositions main changes. */
static const int signals[CHILD_SIGNALS] = { SIGPIPE, SIGINT, SIGTERM };

void child_remember(struct child_before *out)
{
	sigprocmask(SIG_SETMASK, NULL, &out->mask);
	for (int i = 0; i < CHILD_SIGNALS; i++)
		sigaction(signals[i], NULL, &out->actions[i]);
	out->umask = umask(0);
	umask(out->umask);
	getrlimit(RLIMIT_NOFILE, &out->files);
	for (int fd = 0; fd < 3; fd++)
		out->closed[fd] = fcntl(fd, F_GETFD) < 0;
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
