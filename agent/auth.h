/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.h - who may speak over TCP: the client's certificate, and our own
 *
 * libmicrohttpd asks for a certificate but does not insist on one, so nothing that a request
 * says is looked at before auth_check has said yes.
 */
#ifndef AUTH_H
#define AUTH_H

#include <gnutls/gnutls.h>

#include "err.h"

#define AUTH_SERIAL_MAX 65	/* hex digits and NUL */
#define AUTH_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3"

/*
 * Of this CA, within its dates, for clientAuth by its own words, with the client's name. -EACCES
 * with which of these is missing. serial[AUTH_SERIAL_MAX] is written on success.
 */
int auth_check(gnutls_session_t session, char *serial, struct err *err);

/* ca.pem, agent.pem and agent-key.pem of a directory, as texts. */
struct auth_files {
	char *ca, *cert, *key;
	int64_t expires_ns;	/* of cert */
};

int auth_load(struct auth_files *out, const char *dir, struct err *err);
void auth_release(struct auth_files *a);

#endif
