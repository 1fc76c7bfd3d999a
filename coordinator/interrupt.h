/* SPDX-License-Identifier: Apache-2.0
 *
 * interrupt.h - ^C as data
 *
 * From interrupt_open on, SIGINT, SIGTERM and SIGHUP (unless it is ignored, as under nohup)
 * no longer end the program: they wait in a descriptor. Call it before any thread starts.
 */
#ifndef INTERRUPT_H
#define INTERRUPT_H

#include "err.h"

/* A descriptor that is readable while a signal waits, or -errno. */
int interrupt_open(struct err *err);
/* The same, with SIGQUIT, SIGUSR1 and SIGUSR2: for who passes them on to a command. */
int interrupt_open_all(struct err *err);
/* Takes one; false when none waits. */
bool interrupt_take(int fd);
/* Takes one and tells which; 0: none waits. from_terminal: the whole process group got it. */
int interrupt_which(int fd, bool *from_terminal);

#endif
