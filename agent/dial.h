/* SPDX-License-Identifier: Apache-2.0
 *
 * dial.h - stdin and stdout as a connection to an agent's socket
 */
#ifndef DIAL_H
#define DIAL_H

#include "err.h"

/* Until the agent closes its side; the end of stdin is passed on. For ssh, where sockets are not forwarded. */
int dial(const char *path, struct err *err);

#endif
