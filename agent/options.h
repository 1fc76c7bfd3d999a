/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h - the agent's command line
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "err.h"

#define OPTIONS_SPOOL "/var/lib/swarmcap"
#define OPTIONS_SOCKET "/run/swarmcap-agent.sock"
#define OPTIONS_NETNS_DIR "/var/run/docker/netns"
#define OPTIONS_ENGINE "unix:///var/run/docker.sock"
#define OPTIONS_TLS_DIR "/run/secrets/swarmcap"
#define OPTIONS_RING_BYTES (256LL << 20)
#define OPTIONS_RING_BYTES_MIN (1LL << 20)
#define OPTIONS_RING_BYTES_MAX (1LL << 40)

enum options_mode {
	OPTIONS_SERVE, OPTIONS_HEALTH, OPTIONS_DROP_VOLUME, OPTIONS_SNIFF, OPTIONS_DIAL,
	OPTIONS_HELP, OPTIONS_VERSION,
};

struct options {
	enum options_mode mode;
	char *volume;			/* of drop-volume */
	char *listen;			/* address for TCP, NULL: none (or listen_swarm) */
	uint16_t port;
	bool listen_swarm;		/* on the node's advertise address, as the engine says */
	char *listen_net;		/* CIDR: on the own address within it; NULL */
	char *socket;			/* NULL: no unix socket */
	char *tls_dir, *spool, *netns_dir, *engine;
	char *node_id;			/* NULL: as the engine says */
	int64_t quota, floor;		/* bytes; -1: by the file system */
	int64_t keep_ms;
	int64_t ring_bytes;		/* memory of all packet rings together */
	char *temporary;		/* --temporary: a directory for this life only; or NULL */
	int64_t linger_ms;
	/* of sniff */
	char *interface, *filter;	/* NULL: all, everything */
	uint32_t snaplen;
	int64_t beat_s;
	bool verbose;
};

/* -EINVAL with a sentence about the option. Release whatever the result. */
int options_parse(struct options *o, int argc, char *const *argv, struct err *err);
void options_release(struct options *o);
void options_print_help(FILE *f);

#endif
