/* SPDX-License-Identifier: Apache-2.0
 *
 * cost.c - CPU time, in nanoseconds of user and system together
 *
 *	cost run FILE NAMESPACE-FILE COMMAND...	runs it there ("-": here) and writes into FILE what it took,
 *						all its children included; SIGINT and SIGTERM are passed on as SIGINT
 *	cost of PID...				what these processes took so far, ended threads included
 *
 * The command dies with us, and we with whoever started us.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

static volatile sig_atomic_t child;

static void pass_on(int sig)
{
	(void)sig;
	if (child > 0)
		kill(child, SIGINT);
}

static void enter(const char *file)
{
	int ns;

	if (!strcmp(file, "-"))
		return;
	ns = open(file, O_RDONLY | O_CLOEXEC);
	if (ns < 0 || setns(ns, CLONE_NEWNET) < 0)
		err(1, "%s", file);
	close(ns);
}

static void become(char **command)
{
	sigset_t none;

	signal(SIGINT, SIG_DFL);	/* a shell's background jobs ignore it */
	signal(SIGQUIT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	execvp(command[0], command);
	err(127, "%s", command[0]);
}

static long long nanoseconds(const struct timeval *t)
{
	return t->tv_sec * SECOND + t->tv_usec * 1000LL;
}

static int run(const char *out, const char *namespace, char **command)
{
	const struct sigaction action = { .sa_handler = pass_on };
	sigset_t both, before;
	struct rusage used;
	int status;
	FILE *f;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	enter(namespace);
	sigemptyset(&both);
	sigaddset(&both, SIGINT);
	sigaddset(&both, SIGTERM);
	sigprocmask(SIG_BLOCK, &both, &before);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (!child)
		become(command);
	sigprocmask(SIG_UNBLOCK, &both, NULL);
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			err(1, "waitpid");
	child = 0;
	getrusage(RUSAGE_CHILDREN, &used);
	f = fopen(out, "w");
	if (!f || fprintf(f, "%lld\n", nanoseconds(&used.ru_utime) + nanoseconds(&used.ru_stime)) < 0 ||
	    fclose(f))
		err(1, "%s", out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int of(char **pids)
{
	long long sum = 0;

	for (; *pids; pids++) {
		struct timespec t;
		clockid_t clock;

		errno = clock_getcpuclockid(atoi(*pids), &clock);
		if (errno || clock_gettime(clock, &t))
			err(1, "process %s", *pids);
		sum += t.tv_sec * SECOND + t.tv_nsec;
	}
	printf("%lld\n", sum);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 4 && !strcmp(argv[1], "run"))
		return run(argv[2], argv[3], argv + 4);
	if (argc > 2 && !strcmp(argv[1], "of"))
		return of(argv + 2);
	errx(2, "usage: cost run FILE NAMESPACE-FILE COMMAND... | cost of PID...");
}
