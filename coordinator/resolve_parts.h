/* SPDX-License-Identifier: Apache-2.0
 *
 * resolve_parts.h - what the files of resolve share
 */
#ifndef RESOLVE_PARTS_H
#define RESOLVE_PARTS_H

#include "resolve.h"
#include "selector.h"

/* What was named, and what was named with '!', of one of the cluster's lists. */
struct marks {
	bool *in, *out;
	size_t n;
};

struct work {
	const struct cluster *c;
	bool members;
	struct marks services, tasks, named, containers, hosts, ingress, networks;
	struct marks vxlan;		/* node * networks + network */
	bool path;
};

/* ---- resolve_mark.c ---- */

struct marks marks_new(size_t n);
void marks_set(struct marks *m, size_t i, bool exclude);
/* What is left of it, for the caller. */
bool *marks_end(struct marks *m);
void marks_drop(struct marks *m);

struct item {
	const char *id, *name;
};

typedef struct item get_item(const struct cluster *c, size_t i);

get_item marks_service, marks_node, marks_network, marks_container;

/* Marks what has this very name, however many have it; how many. */
size_t marks_by_name(struct work *w, struct marks *m, get_item *get, const struct selector *s);
/* Marks what s means; how many; -EINVAL: one name of several. */
int marks_find(struct work *w, struct marks *m, get_item *get, const struct selector *s,
	       struct err *err);

/* ---- resolve_kind.c ---- */

/* Marks what one selector means; how many; -EINVAL: one name of several. */
int resolve_one(struct work *w, const struct selector *s, struct err *err);

#endif
