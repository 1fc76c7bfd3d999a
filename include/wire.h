/* SPDX-License-Identifier: Apache-2.0
 *
 * wire.h - what coordinator and agent say to each other: structs and their JSON
 *
 * docs/PROTOCOL.md shows the JSON; here is its meaning. Evolution: fields may be added, and
 * a reader ignores what it does not know; a field never changes its meaning or unit; an
 * unknown "version" is refused. Times in requests are relative milliseconds; times in answers
 * are nanoseconds since 1970 by the agent's clock (0: has not happened).
 *
 * All strings of a decoded struct are owned by it (wire_*_release). Decoders check every
 * bound below, and refuse with a sentence in err that names the field.
 */
#ifndef WIRE_H
#define WIRE_H

#include "checksum.h"
#include "digest.h"
#include "err.h"
#include "filter.h"
#include "jx.h"
#include "names.h"

#define WIRE_VERSION 1
#define WIRE_TARGETS_MAX 512		/* of one capture on one node */
#define WIRE_FOLLOW_MAX 512		/* services whose new tasks join */
#define WIRE_EXCEPT_MAX 1024		/* tasks of one of them that do not */
#define WIRE_JOINED_MAX 256		/* targets that joined one capture on one node */
#define WIRE_NETWORKS_MAX 64		/* of one target */
#define WIRE_ADDRESSES_MAX 64		/* of one network */
#define WIRE_INTERFACES_MAX 256		/* of one target */
#define WIRE_FILES_MAX 4096		/* of one target */
#define WIRE_HOSTS_MAX 8192		/* names for the name-resolution block */
#define WIRE_NOTES_MAX 64
#define WIRE_GAPS_MAX 64		/* of one target */
#define WIRE_OFFLOADS_MAX 16		/* of one interface */
#define WIRE_TEXT_MAX 1024		/* bytes of a name, a label */
#define WIRE_BODY_MAX (4u << 20)	/* of a request */
#define WIRE_CONTEXT_MAX (1u << 20)	/* of the coordinator's own object, as text */
#define WIRE_SNAPLEN_MAX 262144
#define WIRE_TOKEN_HEX 33		/* a capture's token: 32 digits and NUL */
#define WIRE_DEADLINE_MAX_MS (24 * 3600 * 1000LL)
#define WIRE_COUNT_MAX (1LL << 48)	/* packets, bytes: sums of many stay far from overflow */
#define WIRE_TIME_MAX (1LL << 62)	/* nanoseconds: differences of two cannot overflow */

/* WIRE_NETWORK: an overlay's own namespace; WIRE_LB: the sandbox of its load balancer */
enum wire_kind { WIRE_TASK, WIRE_CONTAINER, WIRE_HOST, WIRE_INGRESS, WIRE_NETWORK, WIRE_LB };
enum wire_format { WIRE_PCAPNG, WIRE_PCAP };
enum wire_state { WIRE_ARMED, WIRE_ENDED, WIRE_FAILED };	/* of one target */
/* Why a target's capture ended; the texts are DESIGN section 5's. */
enum wire_end {
	WIRE_END_NONE, WIRE_END_DURATION, WIRE_END_BYTES, WIRE_END_PACKETS, WIRE_END_STOPPED,
	WIRE_END_TASK_ENDED, WIRE_END_LEASE_EXPIRED, WIRE_END_DISK_FLOOR, WIRE_END_QUOTA,
	WIRE_END_AGENT_LOST, WIRE_END_NODE_LOST, WIRE_END_ERROR,
};

const char *wire_kind_text(enum wire_kind k);
const char *wire_end_text(enum wire_end e);	/* NULL for NONE */

struct wire_network {
	char *name, *id;			/* id NULL: not known */
	int64_t vni;				/* 0: not an overlay, or not known */
	char **addresses;			/* "10.0.1.5/24" */
	size_t n_addresses;
};

/* What the coordinator asks the agent to capture. */
struct wire_wanted {
	char *key;			/* unique in the request: ^[A-Za-z0-9._-]{1,128}$ */
	enum wire_kind kind;
	char *label;			/* "web.3.k7x2a9": into interface descriptions */
	char *container_id, *task_id;	/* full; NULL: none. Tasks and containers have the first */
	char *filter;			/* instead of the request's; NULL: that one */
	struct wire_network *networks;
	size_t n_networks;
};

struct wire_host {
	char *address, *name;
};

/* A service whose tasks join the capture when they start on the node. */
struct wire_service {
	char *id, *name;
	char **except;			/* tasks that do not join: "web.2", or a task's id */
	size_t n_except;
};

struct wire_arm {
	char id[NAMES_ID_MAX];
	char *node_id, *node_name;	/* who is meant: another node refuses (409 wrong-node) */
	bool attached;			/* it lasts as long as its lease is renewed */
	bool live;			/* no files: packets go to who reads its stream */
	int64_t lease_ms;		/* detached: until the window is told; 0: then none */
	int64_t deadline_ms;		/* the capture ends this long after arm, whatever happens */
	char *filter, *interface;	/* NULL: everything, all interfaces */
	uint32_t snaplen;
	enum wire_format format;
	int64_t max_bytes, max_packets;		/* per target, 0: none */
	/* rotation, per file name without its number; 0: none. keep_files: a ring of the last ones */
	int64_t rotate_bytes, rotate_ms, keep_files;
	struct wire_wanted *targets;
	size_t n_targets;		/* 0 where it only follows */
	struct wire_service *follow;	/* none: what starts later is not captured */
	size_t n_follow;
	struct wire_host *hosts;		/* for the name-resolution block */
	size_t n_hosts;
	json_t *context;		/* the coordinator's own, kept and given back; or NULL */
};

struct wire_interface {
	char *name;
	int64_t index, mtu;
	char *mac;				/* "02:42:…", NULL when it has none */
	char *link_type;			/* "EN10MB", pcap's name */
	char **addresses;			/* "10.0.1.5/24" */
	size_t n_addresses;
	int64_t peer;		/* index of a veth's other end, or of what it lies on; 0: none */
	char *master;		/* the bridge that it is a port of; NULL: none */
	int64_t vni;		/* of a vxlan interface, else 0 */
	/* "tx-checksum", "tso", "gso", "gro": what happens to packets after, or before, they are seen */
	char **offloads;
	size_t n_offloads;
};

struct wire_file {
	char *name;			/* in the spool: ^[A-Za-z0-9_-][A-Za-z0-9._-]{0,126}$ */
	int64_t bytes, packets, first_ns, last_ns;
	/* of the bytes: what is fetched is compared with it; "": they were many, and are to be read for it */
	char xxh128[CHECKSUM_HEX];
	char sha256[DIGEST_HEX];	/* not on the wire: the coordinator's, once fetched */
	int segment;			/* counted from 0 per target and suffix */
	char *suffix;			/* "raw" for another link type's, NULL for the first */
	bool recovered;			/* cut after its last whole block by a later agent */
};

/* The agent was away: what came in between was not captured. */
struct wire_gap {
	int64_t from_ns, to_ns;		/* to 0: it did not go on */
	char *why;
};

/* What happened to one target so far. */
struct wire_target {
	char *key;
	enum wire_state state;
	enum wire_end end;
	char *error;				/* NULL: none */
	bool absent;		/* of a failed one: this node has no such namespace, which is no fault */
	char *same_as;		/* of a failed one: key of the target that captures its namespace; NULL */
	char *container_id, *image;		/* NULL: none */
	int64_t started_ns, stopped_ns;
	int64_t packets, bytes;			/* written */
	int64_t received, dropped_kernel, dropped_agent, truncated;
	struct wire_interface *interfaces;
	size_t n_interfaces;
	struct wire_file *files;		/* whole ones only */
	size_t n_files;
	struct wire_gap *gaps;			/* in order of time */
	size_t n_gaps;
	char **notes;
	size_t n_notes;
};

/*
 * A target that was not asked for by the request but joined, with the same key as its entry among the
 * targets. All of it is what the container's labels say, which whoever starts containers may forge.
 */
struct wire_joined {
	char *key;
	char *service, *service_id;
	char *task, *task_id;			/* "web.3" */
	int64_t slot;				/* 0: global */
	int64_t joined_ns;			/* its namespace was open from then on */
	struct wire_network *networks;
	size_t n_networks;
};

/* A capture on one node: the answer to arm, to GET and to stop; the report. */
struct wire_report {
	char id[NAMES_ID_MAX];
	char token[WIRE_TOKEN_HEX];		/* in the answer to arm only, else "" */
	char *node_id, *node_name, *version;
	bool running, attached, fetched;	/* fetched: every file was read to its end */
	bool live;				/* as the request; an agent that knows none says no */
	int64_t armed_ns, now_ns;
	int64_t window_start_ns, window_stop_ns;	/* told by renew and stop; 0: not yet */
	char *dropped;			/* why and when the spool gave it up; NULL: it did not */
	json_t *context;
	struct wire_target *targets;
	size_t n_targets;
	struct wire_joined *joined;		/* what else is known of those that joined */
	size_t n_joined;
	int64_t not_joined;			/* tasks that came when WIRE_JOINED_MAX had joined */
};

/* Answer to /v1/info. */
struct wire_info {
	char *version, *hostname, *node_id, *node_address, *engine, *kernel;
	int64_t api, spool_free, spool_size, spool_used, certificate_expires_ns;
	int64_t captures_running, captures_unfetched;
	bool netns_ok;				/* the netns directory shows nsfs files */
	char *netns_note;			/* what is wrong with it, or NULL */
};

/*
 * New references; never NULL. Texts for people (labels, names, notes, error sentences) are cut
 * to their bound, and notes past WIRE_NOTES_MAX left out, so that no answer is refused for them.
 */
json_t *wire_arm_encode(const struct wire_arm *a);
json_t *wire_report_encode(const struct wire_report *r);
json_t *wire_info_encode(const struct wire_info *i);
json_t *wire_error_encode(const char *code, const char *message);

/* The request speaks another version of the protocol; err says which. Only wire_arm_decode. */
#define WIRE_E_VERSION 1

/*
 * 0 or -EINVAL with err; out is initialised whatever the result, and always released by the
 * caller. Absent optional fields are 0, NULL or "": only ids, errors, filter, interface, image,
 * mac, suffix, dropped, netns_note and context can be NULL; every other text is at least "".
 */
int wire_arm_decode(const json_t *j, struct wire_arm *out, struct err *err);
int wire_report_decode(const json_t *j, struct wire_report *out, struct err *err);
int wire_info_decode(const json_t *j, struct wire_info *out, struct err *err);
/*
 * "code: message" of {"error": {...}}, for people (safe on a terminal); a copy of
 * def, which may be NULL, when it is none. Free it.
 */
char *wire_error_text(const char *body, size_t len, const char *def);

/* Of a target's, to be owned by another. */
struct wire_network *wire_networks_copy(const struct wire_network *list, size_t n);
void wire_networks_release(struct wire_network *list, size_t n);
/* Of an arm request's follow. */
struct wire_service *wire_services_copy(const struct wire_service *list, size_t n);
void wire_services_release(struct wire_service *list, size_t n);
/* The service that a task joins by, NULL: it is of none of these, or left out. task: "web.2". */
const struct wire_service *wire_service_takes(const struct wire_service *list, size_t n,
					      const char *service_id, const char *task,
					      const char *task_id);

void wire_arm_release(struct wire_arm *a);
void wire_report_release(struct wire_report *r);
void wire_info_release(struct wire_info *i);

#endif
