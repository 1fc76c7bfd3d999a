/* SPDX-License-Identifier: Apache-2.0
 *
 * filter.h - pcap-filter expressions: checked early, host names resolved once
 *
 * The coordinator checks the user's expression with pcap's own compiler before any node is
 * contacted (filter_check), and replaces host and service names by numbers (filter_resolve),
 * so that every node captures the same thing. Agents resolve nothing: filter_has_names
 * tells them to refuse. Not thread-safe below libpcap 1.8; ours is newer.
 */
#ifndef FILTER_H
#define FILTER_H

#include "err.h"

#define FILTER_MAX 16384	/* bytes of an expression, resolved or not */
/* joined by and, or: libpcap takes 0.2 s for 128 ports (portrange 2 s), and that is cubic */
#define FILTER_TERMS_MAX 128

/*
 * Compiles for Ethernet (link type 1), snaplen 262144. -EINVAL with pcap's words in err.
 * Looks nothing up: names are taken for granted, and only the form is judged. Names that are
 * refused whatever they mean (networks, stations, gateways) are refused here already.
 */
int filter_check(const char *expr, struct err *err);
/*
 * *out: the same expression with numbers for names; free it. Checks the form before any
 * look-up, and what came out after it (-EINVAL as above). -ENOENT: a name has no number that
 * fits.
 */
int filter_resolve(const char *expr, char **out, struct err *err);
/*
 * True when a word is left that libpcap would look up (host, network, port or protocol name),
 * and for what is longer than FILTER_MAX.
 */
bool filter_has_names(const char *expr);

#endif
