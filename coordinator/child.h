/* SPDX-License-Identifier: Apache-2.0
 *
 * child.h - the command of `run`: a process that cannot tell that we are there
 *
 * It has our stdin, stdout, stderr, working directory, environment, session and process group, and
 * what we changed for ourselves is as it was when we were started: signal mask and
 * dispositions, umask, limits, and which of stdin, stdout and stderr were closed.
 *
 *	child_remember(&before)			first thing in main: nothing of ours is open yet
 *	child_start(&c, argv, &before, &err)
 *	c.fd					readable once it has ended
 *	child_status(&c)			reaps it
 *
 * Signals. What the terminal sends reaches the whole process group, the command included; what
 * somebody sends to us alone is passed on (child_pass). We never end because of one.
 */
#ifndef CHILD_H
#define CHILD_H

#include "err.h"

#include <signal.h>
#include <sys/resource.h>

#define CHILD_SIGNALS 3
#define CHILD_INHERITED 64	/* descriptors that we were started with; more are not told apart */
#define CHILD_NOT_FOUND 127	/* as shells have it */
#define CHILD_NOT_RUN 126

struct child_before {
	sigset_t mask;
	struct sigaction actions[CHILD_SIGNALS];
	mode_t umask;
	struct rlimit files;
	bool closed[3];			/* stdin, stdout, stderr */
	/* open beside those, as make's job server; rising. Everything else is ours. */
	unsigned int inherited[CHILD_INHERITED];
	size_t n_inherited;
};

struct child {
	pid_t pid;
	int fd;			/* pidfd; -1: none */
};

#define CHILD_INIT { 0, -1 }

void child_remember(struct child_before *out);
/*
 * 0, or -errno with err: of exec (-ENOENT: no such command), or there is no process for it.
 * Threads may run. No descriptor of ours is passed on, not even what libraries open.
 */
int child_start(struct child *c, char *const *argv, const struct child_before *before,
		struct err *err);
/* A signal that only we got. */
void child_pass(const struct child *c, int signal);
/* Waits. Its exit status, 128 + n where signal n ended it. */
int child_status(struct child *c);
void child_release(struct child *c);

/* ---- exit status; pure ---- */

/* What child_start's failure means to who called us. */
int child_failed_status(int rc);
/*
 * Of `run`: the command's, unless that succeeded; then what became of the capture (an enum
 * exit_status: 0, 1 no archive, 3 partial).
 */
int child_run_status(int command, int capture);

#endif
