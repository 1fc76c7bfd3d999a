/* SPDX-License-Identifier: Apache-2.0
 *
 * listen.h - listening sockets of our own making: never a wildcard, never readable by others
 */
#ifndef LISTEN_H
#define LISTEN_H

#include "err.h"

/* A unix socket of mode 0600; a dead agent's is replaced. */
int listen_unix(const char *path, int *out, struct err *err);
/* address: numeric; a wildcard is refused (-EINVAL). */
int listen_tcp(const char *address, uint16_t port, int *out, struct err *err);
/* The own address within a network ("10.0.0.0/8"). Free it. NULL: none, or no CIDR. */
char *listen_find_address(const char *cidr);

#endif
