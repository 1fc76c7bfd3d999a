// SPDX-License-Identifier: Apache-2.0
/*
 * enter - run a command in all namespaces of a lab's node
 *
 *   enter PID CMD...    PID: the node's process 1
 *
 * nsenter does the same, but stands between the command and its signals: killing it leaves the command behind. Here a
 * signal for us becomes one for the command, our death is its death, and its end is ours: same status, or same signal.
 */
#define _GNU_SOURCE
#include <err.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const int forwarded[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT };
#define FORWARDED (sizeof(forwarded) / sizeof(forwarded[0]))

static volatile pid_t child;

static void forward(int sig, siginfo_t *from, void *context)
{
	(void)context;
	/* The terminal sends to the whole group: the command has had it. */
	if (from->si_code <= 0 && child > 0)
		kill(child, sig);
}

static void enter(int node)
{
	if (setns(node, CLONE_NEWNET | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNS))
		err(125, "cannot enter the node");
}

static void run(int node, char **cmd, const sigset_t *mask)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	enter(node);
	sigprocmask(SIG_SETMASK, mask, NULL);
	execvp(cmd[0], cmd);
	warn("%s", cmd[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

static int end_like(int status)
{
	if (!WIFSIGNALED(status))
		return WEXITSTATUS(status);
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	signal(WTERMSIG(status), SIG_DFL);
	raise(WTERMSIG(status));
	return 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_sigaction = forward, .sa_flags = SA_SIGINFO | SA_RESTART };
	sigset_t held, before;
	int node, status;
	size_t i;

	if (argc < 3)
		errx(125, "usage: enter PID CMD...");
	node = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (node < 0 || setns(node, CLONE_NEWPID))
		err(125, "cannot enter the node");
	sigemptyset(&held);
	for (i = 0; i < FORWARDED; i++)
		sigaddset(&held, forwarded[i]);
	sigprocmask(SIG_BLOCK, &held, &before);
	child = fork();
	if (child < 0)
		err(125, "fork");
	if (!child)
		run(node, argv + 2, &before);
	/* Also one that we were started to ignore (a shell's `&` ignores SIGINT): whether to is the command's to say. */
	for (i = 0; i < FORWARDED; i++)
		sigaction(forwarded[i], &action, NULL);
	sigprocmask(SIG_SETMASK, &before, NULL);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	return end_like(status);
}
