/* SPDX-License-Identifier: Apache-2.0
 *
 * secrets.h - the agent's certificates as secrets of the Swarm
 *
 * A secret never changes, so its name carries a digest of its content:
 * swarmcap-key-1f2e3d4c. New content is a new secret; the old ones are removed once no
 * service uses them. All carry the label swarmcap=1, and only those are ever touched.
 */
#ifndef SECRETS_H
#define SECRETS_H

#include "creds.h"
#include "engine.h"
#include "service.h"

struct secrets {
	struct service_secret items[SERVICE_N_SECRETS];
};

#define SECRETS_INIT { { { 0 } } }
#define cleanup_secrets cleanup(secrets_release)

/* Finds or makes the three secrets of these credentials. */
int secrets_ensure(struct engine *e, const struct creds *c, struct secrets *out, struct err *err);
/* Removes all that are not in keep (NULL: all). */
int secrets_sweep(struct engine *e, const struct secrets *keep, struct err *err);
void secrets_release(struct secrets *s);

#endif
