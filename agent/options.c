/* SPDX-License-Identifier: Apache-2.0
 *
 * options.c - the agent's command line
 */
#include "options.h"
#include "captures.h"
#include "pour.h"
#include "units.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <string.h>

#define LINGER_MS (30 * 60 * 1000)

static const char help[] =
"swarmcap-agent captures on one node of a Docker Swarm for swarmcap\n"
"\n"
"usage: swarmcap-agent [options]               serve\n"
"       swarmcap-agent health [--socket PATH]  exit status 0 when the agent answers\n"
"       swarmcap-agent drop-volume NAME        remove a volume of this node's engine\n"
"       swarmcap-agent dial SOCKET             stdin and stdout to an agent's socket\n"
"       swarmcap-agent sniff [options]         this network namespace as pcapng on stdout\n"
"\n"
"  --listen ADDRESS:PORT    TCP with mutual TLS 1.3 on this address, never on a wildcard\n"
"  --listen-swarm PORT      the same on the node's own address in the Swarm\n"
"  --listen-net CIDR        with --listen-swarm: on the node's address within this network\n"
"  --socket PATH            unix socket, mode 0600 (" OPTIONS_SOCKET "; \"\": none)\n"
"  --tls-dir DIR            ca.pem, agent.pem, agent-key.pem (" OPTIONS_TLS_DIR ")\n"
"  --spool DIR              captures not yet fetched (" OPTIONS_SPOOL ")\n"
"  --netns-dir DIR          the engine's network namespaces (" OPTIONS_NETNS_DIR ")\n"
"  --engine HOST            the engine's API (" OPTIONS_ENGINE ")\n"
"  --node-id ID             this node's id in the Swarm ($SWARMCAP_NODE_ID; as the engine says)\n"
"  --quota SIZE             the spool's most (10 % of its file system, at most 10G)\n"
"  --floor SIZE             what stays free of its file system (5 %)\n"
"  --keep DURATION          finished captures are dropped when so old (24h)\n"
"  --ring-bytes SIZE        memory for packets on their way to the disk, all captures together (256M)\n"
"\n"
"sniff:\n"
"  --interface NAME         only this one (all that are up)\n"
"  --filter EXPRESSION      pcap-filter, without names (everything)\n"
"  --snaplen BYTES          of each packet (262144)\n"
"  --beat SECONDS           ends when nothing comes on stdin for so long (60), or when it ends\n"
"\n"
"  --temporary DIR          socket and spool in DIR, which is removed at the end: when stdin is at its\n"
"                           end and nothing unfetched is left, or nobody asked for it any more\n"
"  --linger DURATION        so long unfetched captures are kept then (30m)\n"
"  -v, --verbose            more on stderr\n"
"  --help, --version\n";

void options_print_help(FILE *f)
{
	fputs(help, f);
}

enum {
	OPT_LISTEN = 256, OPT_LISTEN_SWARM, OPT_LISTEN_NET, OPT_SOCKET, OPT_TLS_DIR, OPT_SPOOL,
	OPT_NETNS_DIR, OPT_ENGINE, OPT_NODE_ID, OPT_QUOTA, OPT_FLOOR, OPT_KEEP, OPT_RING_BYTES,
	OPT_INTERFACE, OPT_FILTER, OPT_SNAPLEN, OPT_BEAT, OPT_TEMPORARY, OPT_LINGER, OPT_HELP, OPT_VERSION,
};

static const struct option longs[] = {
	{ "listen", required_argument, NULL, OPT_LISTEN },
	{ "listen-swarm", required_argument, NULL, OPT_LISTEN_SWARM },
	{ "listen-net", required_argument, NULL, OPT_LISTEN_NET },
	{ "socket", required_argument, NULL, OPT_SOCKET },
	{ "tls-dir", required_argument, NULL, OPT_TLS_DIR },
	{ "spool", required_argument, NULL, OPT_SPOOL },
	{ "netns-dir", required_argument, NULL, OPT_NETNS_DIR },
	{ "engine", required_argument, NULL, OPT_ENGINE },
	{ "node-id", required_argument, NULL, OPT_NODE_ID },
	{ "quota", required_argument, NULL, OPT_QUOTA },
	{ "floor", required_argument, NULL, OPT_FLOOR },
	{ "keep", required_argument, NULL, OPT_KEEP },
	{ "ring-bytes", required_argument, NULL, OPT_RING_BYTES },
	{ "temporary", required_argument, NULL, OPT_TEMPORARY },
	{ "linger", required_argument, NULL, OPT_LINGER },
	{ "interface", required_argument, NULL, OPT_INTERFACE },
	{ "filter", required_argument, NULL, OPT_FILTER },
	{ "snaplen", required_argument, NULL, OPT_SNAPLEN },
	{ "beat", required_argument, NULL, OPT_BEAT },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ NULL, 0, NULL, 0 },
};

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static int parse_port(const char *text, uint16_t *out, struct err *err)
{
	uint64_t n;

	if (units_parse_u64(text, 1, 65535, &n))
		return err_set(err, -EINVAL, "not a port: '%s'", text);
	*out = (uint16_t)n;
	return 0;
}

/* 10.99.0.11:9473 or [fd00::1]:9473 */
static int parse_listen(struct options *o, const char *text, struct err *err)
{
	const char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[' && colon && colon > text + 1 && colon[-1] == ']';

	if (!colon || colon == text)
		return err_set(err, -EINVAL, "not ADDRESS:PORT: '%s'", text);
	free(o->listen);
	o->listen = xasprintf("%.*s", (int)(colon - text) - 2 * brackets, text + brackets);
	return parse_port(colon + 1, &o->port, err);
}

static int parse_bytes(const char *name, const char *text, int64_t *out, struct err *err)
{
	uint64_t n;

	if (units_parse_size(text, &n) || n > INT64_MAX)
		return err_set(err, -EINVAL, "--%s: not a size: '%s'", name, text);
	*out = (int64_t)n;
	return 0;
}

static int parse_ring_bytes(const char *text, int64_t *out, struct err *err)
{
	int64_t n = 0;
	int r = parse_bytes("ring-bytes", text, &n, err);

	if (r)
		return r;
	if (n < OPTIONS_RING_BYTES_MIN || n > OPTIONS_RING_BYTES_MAX)
		return err_set(err, -EINVAL, "--ring-bytes: not from 1M to 1024G: '%s'", text);
	*out = n;
	return 0;
}

static int take_text(struct options *o, int c, const char *value)
{
	switch (c) {
	case OPT_LISTEN_NET:
		set(&o->listen_net, value);
		return 1;
	case OPT_TEMPORARY:
		set(&o->temporary, value);
		return 1;
	case OPT_SOCKET:
		set(&o->socket, value);
		return 1;
	case OPT_TLS_DIR:
		set(&o->tls_dir, value);
		return 1;
	case OPT_SPOOL:
		set(&o->spool, value);
		return 1;
	case OPT_NETNS_DIR:
		set(&o->netns_dir, value);
		return 1;
	case OPT_ENGINE:
		set(&o->engine, value);
		return 1;
	case OPT_NODE_ID:
		set(&o->node_id, value);
		return 1;
	default:
		return 0;
	}
}

static int take_number(const char *name, const char *text, uint64_t max, uint64_t *out,
		       struct err *err)
{
	if (!units_parse_u64(text, 1, max, out))
		return 0;
	return err_set(err, -EINVAL, "--%s: not a number from 1 to %llu: '%s'", name,
		       (unsigned long long)max, text);
}

/* 1: none of these */
static int take_sniff(struct options *o, int c, const char *value, struct err *err)
{
	uint64_t n = 0;
	int r;

	switch (c) {
	case OPT_INTERFACE:
		set(&o->interface, value);
		return 0;
	case OPT_FILTER:
		set(&o->filter, value);
		return 0;
	case OPT_SNAPLEN:
		r = take_number("snaplen", value, WIRE_SNAPLEN_MAX, &n, err);
		o->snaplen = (uint32_t)n;
		return r;
	case OPT_BEAT:
		r = take_number("beat", value, 3600, &n, err);
		o->beat_s = (int64_t)n;
		return r;
	default:
		return 1;
	}
}

static int take(struct options *o, int c, const char *value, struct err *err)
{
	int r = take_text(o, c, value) ? 0 : take_sniff(o, c, value, err);

	if (r != 1)
		return r;
	switch (c) {
	case OPT_LISTEN:
		return parse_listen(o, value, err);
	case OPT_LISTEN_SWARM:
		o->listen_swarm = true;
		return parse_port(value, &o->port, err);
	case OPT_QUOTA:
		return parse_bytes("quota", value, &o->quota, err);
	case OPT_FLOOR:
		return parse_bytes("floor", value, &o->floor, err);
	case OPT_RING_BYTES:
		return parse_ring_bytes(value, &o->ring_bytes, err);
	case OPT_KEEP:
		if (!units_parse_duration(value, &o->keep_ms))
			return 0;
		return err_set(err, -EINVAL, "--keep: not a duration: '%s'", value);
	case 'v':
		o->verbose = true;
		return 0;
	case OPT_LINGER:
		if (!units_parse_duration(value, &o->linger_ms))
			return 0;
		return err_set(err, -EINVAL, "--linger: not a duration: '%s'", value);
	case OPT_HELP:
		o->mode = OPTIONS_HELP;
		return 0;
	case OPT_VERSION:
		o->mode = OPTIONS_VERSION;
		return 0;
	default:
		return err_set(err, -EINVAL,
			       "unknown option or missing value: see swarmcap-agent --help");
	}
}

static int take_mode(struct options *o, int argc, char *const *argv, struct err *err)
{
	if (!argc || o->mode != OPTIONS_SERVE)
		return 0;
	if (!strcmp(argv[0], "health") && argc == 1) {
		o->mode = OPTIONS_HEALTH;
		return 0;
	}
	if (!strcmp(argv[0], "dial") && argc == 2) {
		o->mode = OPTIONS_DIAL;
		set(&o->socket, argv[1]);
		return 0;
	}
	if (!strcmp(argv[0], "sniff") && argc == 1) {
		o->mode = OPTIONS_SNIFF;
		return 0;
	}
	if (!strcmp(argv[0], "drop-volume") && argc == 2) {
		o->mode = OPTIONS_DROP_VOLUME;
		set(&o->volume, argv[1]);
		return 0;
	}
	return err_set(err, -EINVAL, "unknown argument '%s': see swarmcap-agent --help", argv[0]);
}

/* Its socket and its spool lie in the directory that goes with it. */
static int settle_temporary(struct options *o, struct err *err)
{
	if (!o->temporary)
		return 0;
	if (*o->temporary != '/')
		return err_set(err, -EINVAL, "--temporary: not an absolute path: '%s'", o->temporary);
	if (o->listen || o->listen_swarm)
		return err_set(err, -EINVAL, "--temporary serves its socket only: no --listen");
	free(o->socket);
	free(o->spool);
	o->socket = xasprintf("%s/agent.sock", o->temporary);
	o->spool = xasprintf("%s/spool", o->temporary);
	return 0;
}

static int check(struct options *o, struct err *err)
{
	uint8_t any[16] = { 0 }, address[16] = { 0 };

	if (!*o->socket) {
		free(o->socket);
		o->socket = NULL;
	}
	if (o->listen && o->listen_swarm)
		return err_set(err, -EINVAL, "--listen and --listen-swarm exclude each other");
	if (o->listen_net && !o->listen_swarm)
		return err_set(err, -EINVAL, "--listen-net needs --listen-swarm");
	if (o->listen && inet_pton(AF_INET, o->listen, address) != 1 &&
	    inet_pton(AF_INET6, o->listen, address) != 1)
		return err_set(err, -EINVAL, "--listen: not an address: '%s'", o->listen);
	if (o->listen && !memcmp(any, address, sizeof(any)))
		return err_set(err, -EINVAL,
			       "--listen: a wildcard address would serve every network");
	if (o->filter && filter_has_names(o->filter))
		return err_set(err, -EINVAL, "--filter: names are not looked up here: give numbers");
	if (o->mode == OPTIONS_SERVE && !o->socket && !o->listen && !o->listen_swarm)
		return err_set(err, -EINVAL, "nothing to listen on: --socket or --listen");
	return 0;
}

int options_parse(struct options *o, int argc, char *const *argv, struct err *err)
{
	const char *id = getenv("SWARMCAP_NODE_ID");
	int c, r = 0;

	*o = (struct options){
		.socket = xstrdup(OPTIONS_SOCKET), .tls_dir = xstrdup(OPTIONS_TLS_DIR),
		.spool = xstrdup(OPTIONS_SPOOL), .netns_dir = xstrdup(OPTIONS_NETNS_DIR),
		.engine = xstrdup(OPTIONS_ENGINE), .node_id = xstrdup_null(id && *id ? id : NULL),
		.quota = -1, .floor = -1, .keep_ms = CAPTURES_KEEP_MS,
		.linger_ms = LINGER_MS, .ring_bytes = OPTIONS_RING_BYTES,
		.snaplen = WIRE_SNAPLEN_MAX, .beat_s = POUR_BEAT_S,
	};
	optind = 0;
	while (!r && (c = getopt_long(argc, argv, ":v", longs, NULL)) != -1)
		r = take(o, c, optarg, err);
	if (!r)
		r = take_mode(o, argc - optind, argv + optind, err);
	if (!r)
		r = settle_temporary(o, err);
	return r ? r : check(o, err);
}

void options_release(struct options *o)
{
	char **all[] = { &o->temporary, &o->volume, &o->listen, &o->listen_net, &o->socket, &o->tls_dir, &o->spool,
			 &o->netns_dir, &o->engine, &o->node_id, &o->interface, &o->filter };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		free(*all[i]);
		*all[i] = NULL;
	}
}
