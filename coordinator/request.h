/* SPDX-License-Identifier: Apache-2.0
 *
 * request.h - what is wanted: argv becomes a struct, and nothing is looked at but argv
 *
 * One struct for all commands; options.c fills it from a table that says which command
 * takes which option, so that an option of another command, or of none, is refused with
 * "'rm' has no option '--filter'". Pure: no file, no network, no environment.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include "err.h"
#include "log.h"
#include "service.h"
#include "wire.h"

#define REQUEST_SELECTORS_MAX 256
#define REQUEST_DELAY_MS 200		/* without --delay */
#define REQUEST_MAX_TARGETS 256		/* without --max-targets */

struct child_before;

struct request {
	const char *command;		/* "capture", ...: the row's name in options.c's table */
	/* As selector.h has them, or the operand (an ID); borrowed, from argv or `owned`. */
	char *selectors[REQUEST_SELECTORS_MAX];
	size_t n_selectors;
	char *owned[REQUEST_SELECTORS_MAX];	/* what selector_expand made */
	size_t n_owned;

	/* which of what the selectors mean */
	const char *only_nodes[REQUEST_SELECTORS_MAX];	/* --node LIST, as given */
	size_t n_only_nodes;
	int64_t tasks;			/* --tasks: so many of each service; 0: all */
	int64_t max_targets;		/* --max-targets: more take --yes */
	bool members, yes, watch, interfaces;	/* --members, --yes, --watch, --interfaces */
	bool vxlan;			/* --vxlan: the selectors vxlan: narrow node: */

	/* global options */
	const char *engine_host;	/* -H, NULL: the environment's */
	const char *context;		/* -c, NULL: not given; beside -H it is refused */
	bool tls, tls_verify;		/* --tls, --tlsverify (which means --tls too) */
	const char *tls_ca, *tls_cert, *tls_key;	/* --tlscacert, --tlscert, --tlskey */
	const char *credentials; /* --credentials PLACE, NULL: the environment's or the default */
	enum log_level verbosity;	/* LOG_INFO; -q: LOG_ERROR, -v: LOG_DEBUG */
	bool json;			/* --json: objects on stdout */

	/* how nodes are reached: every command that contacts them */
	const char *route;		/* --route, a name of route.h; NULL: chosen per node */
	const char *ssh_hosts[REQUEST_SELECTORS_MAX];	/* --ssh-host NODE=HOST, in order given */
	size_t n_ssh_hosts;
	bool ssh_accept_new;		/* --ssh-accept-new */
	const char *helper_image;	/* --helper-image, NULL: the agent's */
	bool pull;			/* --pull: the helper's image may be pulled */

	/* capturing */
	char *filter;			/* as the user wrote it; owned; NULL: none */
	char *filter_resolved;		/* numbers for names; filled by the command, owned */
	const char *interface;
	uint32_t snaplen;
	int64_t duration_ms, max_bytes, max_packets;	/* 0: none */
	int64_t rotate_bytes, rotate_ms, keep_files;	/* 0: none; the last needs one of the others */
	enum wire_format format;
	const char *output;		/* -o, NULL: named by the first selector and the id */
	bool no_follow;			/* tasks that start meanwhile stay out */
	bool force, dry_run;
	bool merge;			/* --merge: merged.pcapng beside the capture files */
	int64_t fetch_rate;		/* bytes per second of each node; 0: no limit */

	/* run */
	char *const *child;		/* the command and its arguments, ended by NULL; of argv */
	const struct child_before *before;	/* how main found the process; for the command */
	const char *json_file;		/* --json=FILE */
	const char *summary;		/* --summary FILE; NULL: none */
	int64_t settle_ms;
	bool only_on_failure, require_all;

	/* start */
	bool detached;			/* it goes on without a coordinator; set by the command */

	/* live */
	bool live;			/* packets to who looks on, no files; set by the command */
	int64_t delay_ms;		/* within which packets are put in order */

	/* deploy, undeploy, doctor */
	const char *export_file;	/* deploy --export FILE; NULL: none */
	const char *image;
	const char *listen;		/* --listen ADDRESS or NETWORK; NULL: not given */
	const char *settings[SERVICE_N_SETTINGS];	/* for the agents; NULL: not given */
	uint16_t port;			/* --port; 0: not given */
	bool rotate;

	/* archive info, verify, merge */
	char *const *files;		/* borrowed from argv */
	size_t n_files;
	bool no_clock_correction;	/* of capture and fetch too, with merge */
};

/*
 * The whole of main's argv (options may be reordered to its front); global options may stand
 * before the command too. 0; -EINVAL with err (exit status 2); or, to be printed to stdout,
 * REQUEST_E_HELP (out->command is NULL for the program's own help) or REQUEST_E_VERSION.
 * Duplicated single-valued options: the last wins. out is always released by the caller.
 */
#define REQUEST_E_HELP 1
#define REQUEST_E_VERSION 2
int request_parse(int argc, char **argv, struct request *out, struct err *err);
void request_release(struct request *r);
/* Capture files follow each other, and are numbered. */
bool request_rotates(const struct request *r);
/* The help of one command, or with NULL of the program, from the same tables. */
void request_help(FILE *to, const char *command);

#endif
