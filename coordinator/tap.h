/* SPDX-License-Identifier: Apache-2.0
 *
 * tap.h - capturing without an agent: packets come home as a stream, files are written here
 *
 * For the routes ssh-nsenter and ssh-helper. A tap behaves as an agent does (link_ops): arm
 * starts one source per target, report counts, stop ends them and closes the files, fetch moves a
 * file into the archive's staging folder. A source is whatever brings a pcap or pcapng stream:
 *
 *	tap_nsenter	nsenter --net=... tcpdump -i any -U -w - over ssh
 *	tap_helper	a container in the target's namespace, attached through the Engine over ssh
 *
 * Limits (max_bytes, max_packets), the name-resolution block, interface names, counters and digests
 * are the tap's; what the route cannot do is a note of the target.
 */
#ifndef TAP_H
#define TAP_H

#include "link.h"
#include "remote.h"

struct tap_talk;

/* One running source. fds are the tap's to close; -1: none. */
struct tap_feed {
	int packets;			/* pcap or pcapng */
	int talk;			/* tcpdump's stderr */
	int stdin_fd;			/* a heartbeat; its end is the order to stop */
	struct tap_talk *heard;		/* the tap's: what was read of talk so far (tap_talk.h) */
	void *arg;			/* the source's own */
};

#define TAP_ADDRESSES_MAX 8

struct tap_interface {
	int64_t index, mtu;
	char name[64];
	uint8_t mac[6];
	bool has_mac, up;
	char addresses[TAP_ADDRESSES_MAX][64];	/* "10.0.1.5/24" */
	size_t n_addresses;
};

/*
 * How a route brings packets. Each may take up to its own time-outs; called by several threads.
 * start returns once packets are captured (it read "listening on" from talk into heard); the
 * container's state and the interfaces may be in heard or in *interfaces.
 */
struct tap_source {
	/* checks once that the node can do it. REACH_E_CLOSED with err: what is missing. */
	int (*check)(void *arg, struct err *err);
	/* *interfaces is to be freed; target's networks etc. are in w */
	int (*start)(void *arg, const struct wire_arm *a, const struct wire_wanted *w,
		     struct tap_feed *out, struct tap_interface **interfaces, size_t *n,
		     struct err *err);
	/*
	 * After the stream ended or was told to: waits, tidies up, leaves nothing. Where the talk does not
	 * say why it ended (tap_talk.h), it may say so in feed->heard->why.
	 */
	void (*stop)(void *arg, struct tap_feed *feed);
	/* false: the node is no longer there. May be NULL: as tap_place's remote. */
	bool (*alive)(void *arg, const struct tap_feed *feed);
	/*
	 * Words into stdin_fd (may be NULL): "h\n" as a heartbeat, "x\n" stop at once, "l\n" list the
	 * interfaces again. Without them the end of stdin says all.
	 */
	const char *beat, *halt, *list;
	void (*free)(void *arg);
	const char *note;		/* what the files of this route lack */
};

struct tap_place {
	const struct tap_source *source;
	void *arg;			/* owned by the tap from now on */
	struct remote *remote;		/* for the clock */
	const char *node_id, *node_name, *peer, *version;	/* version: "tcpdump 4.99.3"; copied */
	int staging_fd;			/* borrowed: files lie here, hidden, until they are fetched */
	volatile bool *cancel;
	/* One more session to the same place (sshd takes 10 channels on each); NULL: there is none. */
	int (*more)(void *arg, struct remote **out, struct err *err);
	void *more_arg;
};

/*
 * For a source's start: reads feed->talk into feed->heard until tcpdump (or our agent) says that it
 * listens. 0, or with err what it said instead: -ETIMEDOUT, -ECANCELED, and as tap_talk_blame.
 */
int tap_await_listening(struct tap_feed *feed, int timeout_ms, volatile bool *cancel,
			struct err *err);

int tap_open(struct link **out, const struct tap_place *at, struct err *err);

struct plan_node;
struct request;
/* The two routes; check is done. See reach.h for results. */
int tap_nsenter_open(struct link **out, const struct tap_place *base, struct remote *r,
		     const struct request *request, struct err *err);
int tap_helper_open(struct link **out, const struct tap_place *base, struct remote *r,
		    const struct request *request, struct err *err);

#endif
