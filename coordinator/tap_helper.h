/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_helper.h - the inside of the route ssh-helper: a container beside the target's
 *
 * tap_helper_open (tap.h) finds a way to the node's Engine over ssh: its socket, else
 * `docker system dial-stdio`, else that under sudo (helper_road.c). All the rest goes through a
 * dialer, and so works with any Engine:
 *
 *	helper_new(&h, &place, err)	sweeps what earlier runs left, finds the image
 *	source->start(h, ...)		creates, attaches, starts; returns when it listens
 *	source->stop(h, &feed)		the container is gone when it returns
 *	source->free(h)			an image that was loaded for this is gone, unless it is in use
 *
 * When the coordinator or ssh dies, stdin ends or falls silent, the capture ends, and the Engine
 * removes the container. What survives even that, the next capture sweeps.
 */
#ifndef TAP_HELPER_H
#define TAP_HELPER_H

#include "http.h"
#include "tap.h"

#define HELPER_LISTEN_MS 15000
#define HELPER_STOP_MS 10000

struct helper;

struct helper_place {
	struct http_dialer dialer;	/* to the Engine */
	bool owns_arg;			/* on success the helper frees the dialer's arg at its end */
	const char *node;		/* in sentences */
	const char *image;		/* --helper-image; NULL: the agent's */
	bool pull;
	volatile bool *cancel;
};

/* Results as of reach_link. */
int helper_new(struct helper **out, const struct helper_place *at, struct err *err);
const struct tap_source *helper_source(const struct helper *h);
/* "swarmcap-agent 0.1.0" or "tcpdump of IMAGE", for tap_place */
const char *helper_version(const struct helper *h);

#endif
