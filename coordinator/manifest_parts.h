/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_parts.h - what the manifest's own files share; of no use to others
 */
#ifndef MANIFEST_PARTS_H
#define MANIFEST_PARTS_H

#include "manifest.h"

/* The work in progress: arrays that grow, and the result with its files and sums. */
struct manifest_work {
	const struct manifest_input *in;
	struct manifest *out;
	json_t *targets, *missing, *notes;
	json_t *names;			/* of files given so far: an object used as a set */
};

/* Why something is not here, for "missing"; all borrowed. */
struct manifest_gap {
	const char *what, *node, *reason, *error;
	int64_t from_ns, to_ns;		/* 0: null */
};

void manifest_add_missing(struct manifest_work *w, const struct manifest_gap *gap);
/* RFC 3339, or null for 0. New reference. */
json_t *manifest_time(int64_t ns);
/* A node's time by the coordinator's clock; 0 stays 0, "has not happened". */
int64_t manifest_corrected(const struct fleet_node *n, int64_t ns);
/* a + b, INT64_MAX where that is too much: the numbers come from agents. */
int64_t manifest_sum(int64_t a, int64_t b);

/* manifest_target.c: one target becomes an entry, or missing, or an entry with missing files. */
void manifest_add_target(struct manifest_work *w, const struct fleet_node *n,
			 const struct target *t);

/* manifest_where.c: as the plan knows them, and as the agent saw them. New references. */
json_t *manifest_networks(const struct target *t);
json_t *manifest_interfaces(const struct wire_target *r);

/* manifest_joined.c: the targets of the node that joined during the capture, and what could not. */
void manifest_add_joined(struct manifest_work *w, const struct fleet_node *n);
/* Addresses of those that joined and are real. Free the addresses, and the array. */
struct wire_host *manifest_joined_hosts(const struct manifest_input *in, size_t *n);

/* A target in plan and report. */
struct manifest_source {
	const struct fleet_node *node;
	const struct target *target;
	const struct wire_target *report;
};

/* manifest_files.c: names a fetched file, adds it to out->files; its entry. New reference. */
json_t *manifest_add_file(struct manifest_work *w, const struct manifest_source *from, size_t file,
			  const char *staged);
/* The text of the hosts file. Free it. */
char *manifest_hosts(const struct manifest_input *in);

#endif
