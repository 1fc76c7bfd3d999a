/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_make.h - the names of the credentials' files, and the certificates themselves
 */
#ifndef CREDS_MAKE_H
#define CREDS_MAKE_H

#include "err.h"

#define CREDS_CA "ca.pem"
#define CREDS_CA_KEY "ca-key.pem"
#define CREDS_CLIENT "client.pem"
#define CREDS_CLIENT_KEY "client-key.pem"
#define CREDS_AGENT "agent.pem"
#define CREDS_AGENT_KEY "agent-key.pem"

/* A new CA, and a client's and an agent's certificate of it, as the six files in dirfd. */
int creds_make(int dirfd, struct err *err);

#endif
