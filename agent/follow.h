/* SPDX-License-Identifier: Apache-2.0
 *
 * follow.h - tasks that start on this node find the captures that follow their service
 *
 *	a new file in the netns directory	each capture that follows anything is offered the namespace
 *	an event of the engine			its container is asked about; the captures that follow its
 *						service take it, the others let the namespace go
 *	a capture begins, events were missed	the running containers are asked about
 *
 * While no capture follows anything nothing is opened and nobody is asked.
 */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "captures.h"

struct follow;

int follow_start(struct follow **out, const struct node *n, struct captures *r, struct err *err);
/* Waits for what is under way. NULL is accepted. */
void follow_stop(struct follow *f);
/* The engine says that a container is about to start, or has. Returns at once. */
void follow_container(struct follow *f, const char *id);
/* Events may have been missed: what runs is looked through, soon. */
void follow_missed(struct follow *f);

#endif
