/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.c - ^C as data
 */
#include "interrupt.h"

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

static int open_these(sigset_t set, struct err *err)
{
	struct sigaction hangup;
	int fd;

	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN)
		sigaddset(&set, SIGHUP);

	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? err_errno(err, "cannot read signals") : fd;
}

int interrupt_open(struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	return open_these(set, err);
}

int interrupt_open_all(struct err *err)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGQUIT);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	return open_these(set, err);
}

int interrupt_which(int fd, bool *from_terminal)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	*from_terminal = info.ssi_code == SI_KERNEL;
	return (int)info.ssi_signo;
}

bool interrupt_take(int fd)
{
	bool from_terminal;

	return interrupt_which(fd, &from_terminal) != 0;
}
