/* SPDX-License-Identifier: Apache-2.0
 *
 * ssh_host.h - which machine ssh means by a node: --ssh-host NODE=[USER@]HOST[:PORT]; pure
 *
 * NODE is a node's name, its id, or % for every node; a % in HOST stands for the node's name. A
 * name or an id wins over %, and of several that fit the last wins. An IPv6 address stands in
 * brackets where a port follows.
 */
#ifndef SSH_HOST_H
#define SSH_HOST_H

#include "err.h"

struct ssh_host {
	char *user;			/* NULL: not given */
	char *host;
	uint16_t port;			/* 0: not given */
};

#define SSH_HOST_INIT { NULL, NULL, 0 }
#define cleanup_ssh_host cleanup(ssh_host_release)

/* -EINVAL with err: not of that shape, or nothing that a host may be called. */
int ssh_host_check(const char *text, struct err *err);
/*
 * Of a list of such texts: 0 and *out, 1 when none is about this node, or -EINVAL: the node's name
 * makes no host (hostile, or odd).
 */
#define SSH_HOST_E_NONE 1
int ssh_host_find(const char *const *list, size_t n, const char *node_id, const char *node_name,
		  struct ssh_host *out, struct err *err);
void ssh_host_release(struct ssh_host *h);

#endif
