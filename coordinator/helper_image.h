/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_image.h - the image that a helper container is made of
 *
 * The agent's, as `deploy` put it there (swarmcap-agent:VERSION); else our image.tar, loaded through
 * the Engine, under a name that only helpers use (swarmcap-helper:VERSION): so whoever ends last
 * may remove it, and one that was left behind is taken up by the next capture. Or any image that
 * the user names, which has to be there, or is pulled if that was asked for, and stays.
 */
#ifndef HELPER_IMAGE_H
#define HELPER_IMAGE_H

#include "engine.h"
#include "http.h"
#include "version.h"

#define HELPER_IMAGE_OURS "swarmcap-agent:" SWARMCAP_VERSION
#define HELPER_IMAGE_LOADED "swarmcap-helper:" SWARMCAP_VERSION
#define HELPER_LOAD_MS 300000
#define HELPER_PULL_MS 600000

struct helper_image {
	const struct http_dialer *dialer;
	struct engine *engine;
	volatile bool *cancel;
	const char *wanted;		/* --helper-image; NULL: the agent's */
	bool pull;
	char *name;			/* out: what to run; owned */
	bool loaded;			/* out: to be removed when nobody uses it */
};

/* HELPER_IMAGE_E_NONE: it cannot be had here; err says why and what to do. Else 0 or -errno. */
#define HELPER_IMAGE_E_NONE 1
int helper_image_find(struct helper_image *i, struct err *err);
/* One that is in use stays. */
void helper_image_drop(struct engine *e);

#endif
