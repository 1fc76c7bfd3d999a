/* SPDX-License-Identifier: Apache-2.0
 *
 * creds.h - the deployer's directory: CA, client and agent certificate
 *
 * $XDG_CONFIG_HOME/swarmcap/<cluster id>/ (default ~/.config), or --credentials DIR, or
 * $SWARMCAP_CREDENTIALS. Files, all 0600 in a 0700 directory: ca.pem ca-key.pem client.pem
 * client-key.pem agent.pem agent-key.pem. ECDSA P-256 by GnuTLS; valid from 24 h ago for one
 * year. A client needs ca.pem, client.pem and client-key.pem only; as one file, which stands in
 * the directory's place, they are creds_file.h's.
 *
 * Renewal (`deploy --rotate`) makes a second directory beside it, creds_new_dir(), and swaps
 * the two once the agents answer under the new certificates. Whoever finds that directory
 * knows that a renewal was interrupted; the service's label swarmcap.ca tells how far it got.
 */
#ifndef CREDS_H
#define CREDS_H

#include "err.h"

struct creds {
	char *dir;			/* or the file */
	int fds[3];			/* of a file's parts: its names are /proc/self/fd/N */
	size_t n_fds;
	char *ca_file, *client_file, *client_key_file, *agent_file, *agent_key_file;
	char ca_fingerprint[65];	/* SHA-256 of the CA certificate, hex */
	int64_t client_expires_ns, agent_expires_ns;	/* agent: 0 when the file is not here */
};

#define CREDS_INIT { 0 }
#define cleanup_creds cleanup(creds_release)

/* The place's name, whether it exists or not. explicit_dir: --credentials or NULL. Free it. */
char *creds_dir(const char *explicit_dir, const char *cluster_id);
/* Is it a file of a client's credentials, and no directory? */
bool creds_is_file(const char *place);
/*
 * -ENOENT: not there (err says to run `swarmcap deploy`); -EACCES; -EINVAL: broken, or a key
 * that others may read.
 */
int creds_load(struct creds *out, const char *dir, struct err *err);
/*
 * Makes a new CA and both certificates in dir (created, with the folders above it); whole or
 * absent. Refuses to overwrite (-EEXIST); an empty directory is taken over.
 */
int creds_create(const char *dir, struct err *err);
void creds_release(struct creds *c);

/* "DIR.new", where a renewal prepares its files. Free it. */
char *creds_new_dir(const char *dir);
/* The new directory takes the place of the old one, whose files are removed. */
int creds_swap(const char *dir, struct err *err);
/* Removes our files from dir, and dir when nothing else is in it; what is not there is fine. */
int creds_discard(const char *dir, struct err *err);

#endif
