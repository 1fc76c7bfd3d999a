/* SPDX-License-Identifier: Apache-2.0
 *
 * filter_names.h - which words of a pcap-filter expression libpcap would look up, and as what
 *
 *	struct filter_scan s = FILTER_SCAN_INIT(expr);
 *	struct filter_token t;
 *
 *	while (filter_next(&s, &t))
 *		t.kind ...
 *
 * Tokens come in order; what lies between two of them is white space.
 */
#ifndef FILTER_NAMES_H
#define FILTER_NAMES_H

#include "util.h"

enum filter_kind {
	FILTER_PLAIN,		/* keyword, number, address, operator: libpcap knows it by itself */
	FILTER_HOST,
	FILTER_PORT,
	FILTER_PORTRANGE,	/* "ftp-http", "20-http" */
	FILTER_PROTO,		/* of IP */
	FILTER_NET,
	FILTER_LINK,		/* a station: /etc/ethers */
	FILTER_GATEWAY,
};

/* The protocol that qualifies a word; FILTER_OF_REST: one without addresses or ports. */
enum filter_of {
	FILTER_OF_ANY, FILTER_OF_IP, FILTER_OF_IP6, FILTER_OF_ARP, FILTER_OF_TCP, FILTER_OF_UDP,
	FILTER_OF_SCTP, FILTER_OF_LINK, FILTER_OF_REST,
};

struct filter_token {
	enum filter_kind kind;
	enum filter_of of;
	bool joins;		/* "and", "or", "&&", "||" */
	const char *start;	/* in the expression, len bytes */
	size_t len;
	const char *name;	/* the same without the '\' that escapes a keyword */
	size_t name_len;
};

struct filter_scan {
	const char *at;
	enum filter_kind kind;	/* of an unknown word that comes now */
	enum filter_of of;
	bool head;		/* between a qualifier and its word */
	int last;		/* class of the last token */
};

#define FILTER_SCAN_INIT(expr) { (expr), FILTER_HOST, FILTER_OF_ANY, false, 0 }

bool filter_next(struct filter_scan *s, struct filter_token *t);

#endif
