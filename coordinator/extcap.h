/* SPDX-License-Identifier: Apache-2.0
 *
 * extcap.h - swarmcap as an external capture of Wireshark: called by the name swarmcap-extcap
 *
 * Wireshark runs each program of its extcap folder (extcap(4)):
 *
 *	--extcap-interfaces			what there is
 *	--extcap-dlts --extcap-interface X	link types of X
 *	--extcap-config --extcap-interface X	options of X
 *	--extcap-capture-filter F --extcap-interface X		is F a filter?
 *	--capture --extcap-interface X --fifo PATH [--extcap-capture-filter F] [options of X]
 *
 * What extcap(4) does not say, from Wireshark's extcap.c, extcap_parser.c, extcap_spawn.c and dumpcap.c:
 *
 * - An answer counts only with status 0. So a filter is refused by a line on stdout and status 0.
 * - Wireshark waits for the interfaces of all programs before it is there, and tshark before it
 *   prints a word: they come within EXTCAP_LIST_MS, or none do.
 * - tshark asks for the options of every interface whenever it begins: no network there.
 * - While it captures, what stands on stderr is told as an error: what is missing or was dropped
 *   belongs there, and a capture that lacks nothing says nothing.
 * - dumpcap waits for the first byte in the pipe for ever, but not past its end: so it is opened
 *   before anything that may fail, and closed by our end.
 * - dumpcap gives up at a packet's block of more than 262144 bytes, which is the largest packet
 *   without its block: so packets are cut earlier (EXTCAP_SNAPLEN_MAX).
 * - The interface's name becomes part of the pipe's name, and of the options' names in the
 *   preferences, where all but A-Za-z1-9_ becomes '_'.
 *
 * An interface is "swarmcap:" and a selector (selector.h) of one name: swarmcap:web,
 * swarmcap:stack:shop, swarmcap:node:n1. The names listed have no other characters than A-Za-z0-9_.- ; a
 * service or node that is called otherwise, or as another one, is listed by its id. Whoever calls by
 * hand may name any selector.
 */
#ifndef EXTCAP_H
#define EXTCAP_H

#include "cluster.h"

#define EXTCAP_PROGRAM "swarmcap-extcap"
#define EXTCAP_LIST_MS 1500	/* of the 2 s that are promised, start of the program included */
#define EXTCAP_OPTIONS_MAX 16
#define EXTCAP_SNAPLEN_MAX (262144 - 1024)	/* what is left is for the block and its options */

struct request;

/* The whole program, main's argv in, exit status out. */
bool extcap_is_called(const char *argv0);
int extcap_main(int argc, char **argv);

/* ---- its parts, for tests and the fuzzer ---- */

enum extcap_action {
	EXTCAP_HELP, EXTCAP_VERSION, EXTCAP_INTERFACES, EXTCAP_DLTS, EXTCAP_CONFIG, EXTCAP_CHECK,
	EXTCAP_CAPTURE,
};

struct extcap_call {
	enum extcap_action action;
	const char *interface;		/* a proper one, for all but the first three */
	const char *filter;		/* NULL: none */
	const char *fifo;		/* of EXTCAP_CAPTURE, never NULL there */
	bool verbose;
	/* By the row of extcap_options.c's table; NULL: not given. Of an option without value: "". */
	const char *values[EXTCAP_OPTIONS_MAX];
};

/* Pure; borrows from argv, whose order may change. 0, or -EINVAL. */
int extcap_parse(int argc, char **argv, struct extcap_call *out, struct err *err);
/* The selector in an interface's name, borrowed; NULL: it is none of ours. */
const char *extcap_selector(const char *interface);
/*
 * The request that `swarmcap live` would make of it, with warnings as all that it says; request_release it
 * in any case. It borrows from the call. 0, or -EINVAL: an option's value, or the selector.
 */
int extcap_request(const struct extcap_call *c, struct request *out, struct err *err);

/* Lines for Wireshark; pure. NULL: there is nothing. */
void extcap_print_interfaces(FILE *to, const struct cluster *c);
void extcap_print_dlts(FILE *to);
void extcap_print_config(FILE *to);
void extcap_help(FILE *to);

/*
 * Asks the Engine of the environment, and prints. ms after the call, if there is no answer by then, the
 * process ends with status 0 and the empty list, whatever it waits for: a name server, ssh, the
 * Engine. An Engine that fails gives the empty list at once; err says why. tell: being late is told on
 * stderr. Once in a process: it takes SIGALRM and keeps it.
 */
int extcap_list(long ms, bool tell, struct err *err);

#endif
