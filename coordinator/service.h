/* SPDX-License-Identifier: Apache-2.0
 *
 * service.h - the agent as a Swarm service: its specification as JSON; pure
 *
 * What a service is made of (DESIGN section 7) is here and nowhere else. Its labels tell
 * later commands what they need to know without asking anyone:
 *
 *	swarmcap.version	of the program that deployed
 *	swarmcap.ca		SHA-256 of the CA certificate
 *	swarmcap.port		where the agents listen
 *	swarmcap.listen		the network that --listen named, "" for the advertise address
 *	swarmcap.keep, .quota, .floor, .ring-bytes	the agents' own options, "" for their defaults
 *	swarmcap.spec		digest of all the rest: equal digests need no update
 */
#ifndef SERVICE_H
#define SERVICE_H

#include "err.h"
#include "jx.h"

#define SERVICE_JOB "swarmcap-undeploy"
#define SERVICE_SPOOL "swarmcap-spool"		/* the volume */
#define SERVICE_LABEL_CA "swarmcap.ca"
#define SERVICE_LABEL_PORT "swarmcap.port"
#define SERVICE_LABEL_LISTEN "swarmcap.listen"
#define SERVICE_LABEL_SPEC "swarmcap.spec"
#define SERVICE_LABEL_VERSION "swarmcap.version"

/* A secret of the Swarm, and the file that it is in the agent's container. */
struct service_secret {
	char *id, *name;
	const char *file;
};

enum { SERVICE_CA, SERVICE_CERT, SERVICE_KEY, SERVICE_N_SECRETS };

/* Options that go to the agents as they are: service_settings[i] names one, "keep" for --keep. */
enum { SERVICE_KEEP, SERVICE_QUOTA, SERVICE_FLOOR, SERVICE_RING_BYTES, SERVICE_N_SETTINGS };
extern const char *const service_settings[SERVICE_N_SETTINGS];

/* What is wanted; everything is borrowed. */
struct service_want {
	const char *image;
	const char *listen;		/* a network (CIDR) or address; NULL: advertise address */
	const char *settings[SERVICE_N_SETTINGS];	/* NULL or "": the agent's default */
	uint16_t port;
	const char *api_version;	/* negotiated with the engine: "1.41" */
	const char *ca_fingerprint;
	const struct service_secret *secrets;	/* SERVICE_N_SECRETS of them */
	int64_t force_update;		/* raised to restart all tasks; not in the digest */
};

/* What is there. */
struct service_now {
	char *id, *name, *image;
	char *listen, *ca, *spec;	/* the labels; "" where one is missing */
	char *settings[SERVICE_N_SETTINGS];
	uint16_t port;
	int64_t index;			/* of its version: an update names it */
	int64_t force_update;
};

#define SERVICE_NOW_INIT { 0 }
#define cleanup_service_now cleanup(service_now_release)

/* The agent's service. New reference. */
json_t *service_spec(const struct service_want *w);
/* The job that removes each node's spool volume. New reference. */
json_t *service_job_spec(const char *image);
/* The digest in a specification that service_spec made; borrowed. */
const char *service_digest(const json_t *spec);
/* From GET /services/X. -EINVAL: its label of the port is none. */
int service_decode(const json_t *service, struct service_now *out, struct err *err);
/* Others are not ours to change (deploy/stack.yml makes such): -EPERM, err says so. */
int service_check_ours(const struct service_now *s, struct err *err);
void service_now_release(struct service_now *s);

#endif
