/* SPDX-License-Identifier: Apache-2.0
 *
 * server.h - the HTTP servers: a unix socket, and TCP with mutual TLS
 */
#ifndef SERVER_H
#define SERVER_H

#include "api.h"
#include "auth.h"

#define SERVER_CONNECTIONS 64		/* of one listener; over TCP see guests.h */
#define SERVER_PER_ADDRESS (8 + CAPTURES_LIVE_MAX)	/* a live view has one more beside its conversation */
#define SERVER_IDLE_S 5			/* handshake, and silence until a request needs longer */
#define SERVER_MEMORY (64u << 10)	/* of one connection: headers and pieces of bodies */

struct server;

/*
 * Serves on a listening socket, which is taken over. tls NULL: everybody who can connect may
 * speak (a unix socket of mode 0600). env and tls are borrowed for the server's life.
 */
int server_start(struct server **out, int listen_fd, const struct auth_files *tls,
		 const struct api_env *env, struct err *err);
/* Waits for answers that are going out. NULL is accepted. */
void server_stop(struct server *s);

#endif
