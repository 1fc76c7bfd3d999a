/* SPDX-License-Identifier: Apache-2.0
 *
 * guests.h - who is connected over TCP, and who leaves: strangers, for room or out of patience
 *
 * Until a connection has shown the right certificate it is a stranger's. Where a bound would
 * be passed, the oldest stranger leaves: of the same address first, else of all. So neither
 * silent connections nor slow handshakes keep a coordinator out, not even those that come from
 * the coordinator's own address (a container beside it). Known peers never leave for others.
 * And no stranger stays longer than patience_ms, however busy it keeps its connection.
 */
#ifndef GUESTS_H
#define GUESTS_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "util.h"

struct guests;
struct guest;

struct guests *guests_new(size_t all, size_t per_address, long patience_ms);
/* Every guest must have been removed. NULL is accepted. */
void guests_free(struct guests *g);

/*
 * A connection came; fd stays the caller's. Whoever has to leave, perhaps the new one because all
 * others are known, is shut down: its owner sees the end of the stream and removes it.
 */
struct guest *guests_add(struct guests *g, int fd, const struct sockaddr *from);
/* It has shown who it is. */
void guests_know(struct guests *g, struct guest *guest);
void guests_remove(struct guests *g, struct guest *guest);

#endif
