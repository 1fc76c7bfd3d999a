/* SPDX-License-Identifier: Apache-2.0
 *
 * account.h - a manifest that is read back: who captured what, and by which clock
 *
 * manifest.h writes it, maybe on another day and machine, and anybody may have changed it since:
 * names of files are clean, numbers within bounds, nodes that targets speak of may be absent. Texts
 * are of the JSON, which lives as long as the account; they are not safe for a terminal.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "jx.h"
#include "unbundle.h"

#define ACCOUNT_TEXT_MAX (64u << 20)	/* of manifest.json, SHA256SUMS and hosts */

struct account_node {
	const char *name, *id;
	bool has_clock;
	int64_t offset_ns, error_ns;	/* node minus coordinator */
	double drift;			/* seconds per second; 0: not known */
	int64_t from_ns;		/* where the offset holds, by the node's clock */
	size_t n_targets;		/* with files */
};

struct account_file {
	const char *name;
	int64_t bytes, packets;
	const char *sha256, *first, *last;	/* first, last: "" without packets */
	size_t target;
};

struct account_target {
	const json_t *json;
	char *label;			/* "web.3.k7x2a9" */
	char *where;			/* " (app 10.0.1.5/24)", or "" */
	const char *node;
	const char *interface;		/* NULL: not exactly one but loopback */
	int64_t packets, received, dropped_kernel, dropped_agent;
	size_t first_file, n_files;	/* of account.files */
};

struct account {
	json_t *json;
	struct account_node *nodes;
	struct account_target *targets;
	struct account_file *files;
	size_t n_nodes, n_targets, n_files;
	int64_t bytes;			/* of all files */
	json_t *index;			/* of files, by name */
	json_t *node_index;		/* by "id ID" and "name NAME" */
	const char *merged;		/* the name of the merged file; NULL: none */
};

#define ACCOUNT_INIT { 0 }

/* -EINVAL: no manifest of schema 1, or not of this form. out is always released by the caller. */
int account_decode(const char *text, size_t len, struct account *out, struct err *err);
/* Looks for the manifest in an archive or folder. -EINVAL: there is none; else as unbundle.h. */
int account_load(const char *path, struct account *out, struct err *err);
void account_release(struct account *a);

/* How many bytes its archive may hold: what it says, twice for the merged file, and its texts. */
int64_t account_limit(const struct account *a);
/* NULL: it does not speak of the target's node, or of that file. */
struct account_node *account_node(const struct account *a, const struct account_target *t);
const struct account_file *account_file(const struct account *a, const char *name);

#endif
