/* SPDX-License-Identifier: Apache-2.0
 *
 * link.h - one agent: its API as functions
 *
 * A link belongs to one thread. Errors name the agent's address; the HTTP errors of the
 * agent come back as their message. Positive results:
 */
#ifndef LINK_H
#define LINK_H

#include "creds.h"
#include "http.h"
#include "wire.h"

#define LINK_E_NOT_FOUND 1	/* no such capture here */
#define LINK_E_REFUSED 2	/* the agent understood and said no; err has its words */

struct link;

/* offset: agent minus coordinator. error: half the best round trip. probes: that answered. */
struct link_clock {
	int64_t offset_ns, error_ns;
	int probes;
};

/* One probe: sent and received by our wall clock, answered by the agent's. */
struct link_probe {
	int64_t sent_ns, agent_ns, received_ns;
};

/* Pure: the probe with the shortest round trip decides. */
void link_clock_estimate(const struct link_probe *probes, size_t n, struct link_clock *out);

/* TLS to address:port when creds is not NULL, else a unix socket at `address`. */
int link_new(struct link **out, const char *address, uint16_t port, const struct creds *creds,
	     struct err *err);
void link_free(struct link *l);
void link_set_timeout(struct link *l, long ms);

int link_info(struct link *l, struct wire_info *out, struct err *err);
int link_clock(struct link *l, int probes, struct link_clock *out, struct err *err);
int link_arm(struct link *l, const struct wire_arm *a, struct wire_report *out, struct err *err);
int link_report(struct link *l, const char *id, struct wire_report *out, struct err *err);
int link_renew(struct link *l, const char *id, const char *token, int64_t window_start_ns,
	       struct wire_report *out, struct err *err);
int link_stop(struct link *l, const char *id, const char *reason, int64_t window_stop_ns,
	      struct wire_report *out, struct err *err);
int link_remove(struct link *l, const char *id, struct err *err);
/* *out: array of *n reports, each to be released, then free. */
int link_list(struct link *l, struct wire_report **out, size_t *n, struct err *err);
/*
 * Fetches one file to dirfd/name: resumed after errors of the transport (up to `tries`), whole
 * and with the right digest, or an error. *progress is raised as bytes arrive.
 * -EBADMSG: the digest does not match after a second whole fetch; -ENOSPC etc. from writing.
 */
struct link_file {
	const char *id, *spool_name, *name;
	int dirfd;
	int64_t bytes;
	const char *sha256;
	int tries;
	volatile bool *cancel;
	void (*progress)(void *arg, size_t n);
	void *arg;
};
int link_fetch(struct link *l, const struct link_file *f, struct err *err);

#endif
