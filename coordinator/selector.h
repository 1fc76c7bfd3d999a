/* SPDX-License-Identifier: Apache-2.0
 *
 * selector.h - what the user names, as text and as a struct; pure
 *
 * A word of the command line is a list: '[!][KIND:]NAME,...'. The kind holds for the names after
 * it until one has its own, '!' for the rest of the word. selector_expand makes of it what a
 * request holds: one text per name, "[!][KIND:]NAME", with service: left out.
 */
#ifndef SELECTOR_H
#define SELECTOR_H

#include "err.h"

enum selector_kind {
	SELECTOR_SERVICE, SELECTOR_STACK, SELECTOR_TASK, SELECTOR_CONTAINER, SELECTOR_NODE,
	SELECTOR_NETWORK, SELECTOR_INGRESS, SELECTOR_VXLAN, SELECTOR_PATH,
};

struct selector {
	enum selector_kind kind;
	bool exclude;			/* '!' */
	bool glob;			/* name has '*' or '?' */
	const char *name;		/* borrowed from the text; "ingress" of SELECTOR_INGRESS */
};

/* -EINVAL: a kind that does not exist, a name that none can have. */
int selector_parse(const char *text, struct selector *out, struct err *err);
/* "service", ... */
const char *selector_kind_text(enum selector_kind k);
/* "vxlan:app", as --vxlan has it, and "path:web". Free it. */
char *selector_text(enum selector_kind k, const char *name);
/*
 * The texts of one word; list has room for max of them, each to be freed. -E2BIG: more; else as
 * selector_parse. *n counts those that were made, also on failure.
 */
int selector_expand(const char *word, char **list, size_t max, size_t *n, struct err *err);

/* '*' is any text, '?' any character; nothing else is special. The time is bounded. */
bool selector_glob(const char *pattern, const char *text);
bool selector_is_glob(const char *pattern);

#endif
