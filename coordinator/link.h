/* SPDX-License-Identifier: Apache-2.0
 *
 * link.h - one agent: its API as functions
 *
 * A link belongs to one thread. Results: 0; -errno of the transport (http.h) or of an answer
 * that cannot be understood (-EPROTO), with a sentence that names the agent's address; or one
 * of these, with the agent's own words in err:
 */
#ifndef LINK_H
#define LINK_H

#include "creds.h"
#include "http.h"
#include "wire.h"

#define LINK_E_NOT_FOUND 1	/* no such capture or file here; of arm: it speaks another API */
#define LINK_E_REFUSED 2	/* the agent understood and said no */
#define LINK_E_WRONG_NODE 3	/* another node's agent answers at this address */

struct link;
struct link_word;
struct link_file;

/* offset: agent minus coordinator. error: half the best round trip. probes: that answered. */
struct link_clock {
	int64_t offset_ns, error_ns;
	int probes;
	int64_t at_ns;			/* when, by our wall clock */
	int64_t drift_ppb;		/* how fast the offset grows; 0: not seen to */
};

/* One probe: sent and received by our wall clock, answered by the agent's. */
struct link_probe {
	int64_t sent_ns, agent_ns, received_ns;
};

/* Pure: the probe with the shortest round trip decides; one that makes no sense does not count. */
void link_clock_estimate(const struct link_probe *probes, size_t n, struct link_clock *out);
/*
 * Pure: a later estimate joins the first one. Where they differ by more than both errors the clock
 * drifts, linearly from the first on; by more than a clock can drift (it was set), the difference
 * becomes the error. Where they do not differ, the better one holds.
 */
void link_clock_join(const struct link_clock *first, const struct link_clock *later,
		     struct link_clock *out);
/* Pure: the offset at a time of our wall clock. */
int64_t link_clock_offset(const struct link_clock *c, int64_t at_ns);

/* Where an agent is; copied, but for cancel. */
struct link_place {
	/* 10.99.0.11 or fd00::1; without creds a unix socket's path, or with a dialer any name */
	const char *address;
	uint16_t port;
	const struct creds *creds;	/* mutual TLS with these; NULL: a unix socket */
	const struct http_dialer *dialer; /* copied; NULL: connect to address; TLS as creds say */
	volatile bool *cancel; /* may be NULL; true: every call ends, -ECANCELED, in a second */
};

int link_new(struct link **out, const struct link_place *at, struct err *err);
/* One more to the same agent, for another thread; to be freed before the first one. */
int link_again(struct link **out, const struct link *l, struct err *err);
/* Frees what it stands on too, see link_on_free. */
void link_free(struct link *l);
/* release(arg) is called at the end of link_free: an agent that lives for this link only, say. */
void link_on_free(struct link *l, void (*release)(void *arg), void *arg);

/*
 * What is no agent, but looks like one: a route that captures by other means (tap.h). Each
 * function has the meaning of the link_* function of that name; arg is the object.
 */
struct link_ops {
	int (*clock)(void *arg, int probes, struct link_clock *out, struct err *err);
	int (*arm)(void *arg, const struct wire_arm *a, struct wire_report *out, struct err *err);
	int (*report)(void *arg, const char *id, struct wire_report *out, struct err *err);
	int (*renew)(void *arg, const struct link_word *w, struct wire_report *out,
		     struct err *err);
	int (*stop)(void *arg, const struct link_word *w, struct wire_report *out,
		    struct err *err);
	int (*remove)(void *arg, const char *id, struct err *err);
	int (*fetch)(void *arg, const struct link_file *f, bool *local, struct err *err);
	void (*free)(void *arg);
};
/* peer names it in sentences; copied. The link owns arg. */
struct link *link_wrap(const struct link_ops *ops, void *arg, const char *peer);
/* Of later calls, as a whole; connecting takes at most 5 s of it. 0: 30 s. */
void link_set_timeout(struct link *l, long ms);
/*
 * Of later fetches, bytes per second; 0: no limit. Of an agent's files only: what a tap captures is
 * here already.
 */
void link_set_fetch_rate(struct link *l, int64_t bytes_per_s);

/* out is initialised whatever the result, and always released by the caller. */
int link_info(struct link *l, struct wire_info *out, struct err *err);
int link_clock(struct link *l, int probes, struct link_clock *out, struct err *err);
int link_arm(struct link *l, const struct wire_arm *a, struct wire_report *out, struct err *err);
int link_report(struct link *l, const char *id, struct wire_report *out, struct err *err);
/* The same, without files as long as the capture runs: for who asks every second. */
int link_counters(struct link *l, const char *id, struct wire_report *out, struct err *err);

/* What an agent is told about a running capture. */
struct link_word {
	const char *id;
	const char *token;		/* of renew */
	const char *reason;		/* of stop: "duration", "stopped" */
	int64_t window_ns;		/* of renew its start, of stop its end, by our clock */
};
int link_renew(struct link *l, const struct link_word *w, struct wire_report *out, struct err *err);
int link_stop(struct link *l, const struct link_word *w, struct wire_report *out, struct err *err);
int link_remove(struct link *l, const char *id, struct err *err);
/* Of a live capture: its packets as they come, until it ends; the sink may wait. Not of a tap. */
int link_stream(struct link *l, const char *id, http_sink *sink, void *arg, volatile bool *cancel,
		struct err *err);
/* GET /v1/targets: what is on the node, with interfaces; as the agent says it, not looked at. */
int link_targets(struct link *l, json_t **out, struct err *err);
/* *out: array of *n reports, each to be released, then free; on success only. */
int link_list(struct link *l, struct wire_report **out, size_t *n, struct err *err);

/*
 * Fetches one file to dirfd/name, which must not exist: resumed after errors of the transport
 * (up to `tries` in a row that bring nothing), whole and with the right checksum, or an error
 * and no file. progress is called as bytes arrive.
 * -EBADMSG: the checksum does not match after a second whole fetch. *local is set when it was
 * our own disk that failed (-ENOSPC and so on).
 */
struct link_file {
	const char *id, *spool_name, *name;
	int dirfd;
	int64_t bytes;
	const char *xxh128;	/* as the report says; "": the agent is asked when the bytes are here */
	char *sha256;		/* DIGEST_HEX bytes: computed from what came; may be NULL */
	int tries;
	volatile bool *cancel;
	void (*progress)(void *arg, size_t n);
	void *arg;
};
int link_fetch(struct link *l, const struct link_file *f, bool *local, struct err *err);

#endif
