/* SPDX-License-Identifier: Apache-2.0
 *
 * remote_config.h - what ssh's configuration says of a host, told by `ssh -G`
 *
 * OpenSSH itself reads its files: Match, Include and tokens mean here what they mean to ssh. Where its
 * client is not installed, the defaults stand.
 */
#ifndef REMOTE_CONFIG_H
#define REMOTE_CONFIG_H

#include "err.h"

#define REMOTE_FILES_MAX 32

struct remote_config {
	char *hostname, *user, *host_key_alias;	/* alias NULL: none */
	uint16_t port;
	char *identity_files[REMOTE_FILES_MAX], *certificate_files[REMOTE_FILES_MAX];
	char *user_known_hosts[REMOTE_FILES_MAX], *global_known_hosts[REMOTE_FILES_MAX];
	bool identities_only;
	char *identity_agent;			/* NULL: $SSH_AUTH_SOCK; "none": no agent */
	char *proxy_jump, *proxy_command;	/* NULL: none */
};

/* Pure. home replaces "~". -EINVAL: not what `ssh -G` prints. Always to be released. */
int remote_config_decode(struct remote_config *out, const char *text, const char *home,
			 struct err *err);
/* host: refused (-EINVAL) when it could be an option or has anything odd in it. user, port: 0 none. */
int remote_config_load(struct remote_config *out, const char *host, const char *user, uint16_t port,
		       struct err *err);
void remote_config_release(struct remote_config *c);
/* Our own name, by the passwd file. Free it. */
char *remote_config_own_name(void);
/* Letters, digits and -._:%@ (IPv6 with a zone), not beginning with '-'. */
bool remote_config_is_host(const char *host);

#endif
