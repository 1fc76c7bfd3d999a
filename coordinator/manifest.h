/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest.h - the account of the whole capture; pure
 *
 * manifest_make turns plan, request, cluster and the fleet's outcomes into the JSON of
 * DESIGN section 5, and decides the names of files in the archive and the exit status.
 * Nothing that was asked for is absent: each target of the plan is in "targets" or "missing",
 * and a recorded file that could not be fetched is in "missing" beside its target.
 *
 * Clocks: started and stopped are corrected to the coordinator's clock; first and last of a
 * file are the packets' own timestamps, as tshark shows them, by the node's clock.
 *
 * Of fleet_node this reads plan, report (when has_report), reason, err, fetch_err, clock,
 * version and fetched: entry i is the report's i-th file, counted through its targets.
 */
#ifndef MANIFEST_H
#define MANIFEST_H

#include "fleet.h"

struct manifest_input {
	const struct plan *plan;
	const struct request *request;
	const struct cluster *cluster;
	const struct fleet_node *nodes;
	size_t n_nodes;
	int64_t start_ns, stop_ns;	/* of the window; 0: not known */
	int64_t arm_spread_ns;		/* < 0: not known */
	const struct confirm *confirm;	/* whether those that joined are real; NULL: not asked */
	const struct missing_list *late;	/* what came to be missing meanwhile; or NULL */
};

/* One file of the archive: where it lies in the staging folder, and what it is called. */
struct manifest_file {
	char *staged, *name;
	int64_t bytes;
	char sha256[DIGEST_HEX];
};

struct manifest {
	json_t *json;
	struct manifest_file *files;
	size_t n_files;
	char *hosts;			/* the hosts file's text */
	bool partial;			/* something missing, or an end that exit status 3 is for */
	size_t n_targets, n_missing;
	int64_t packets, bytes, dropped_kernel, dropped_agent;
	int64_t stop_ns;		/* of the window; 0: it is open still */
};

#define MANIFEST_INIT { 0 }

void manifest_make(const struct manifest_input *in, struct manifest *out);
int64_t manifest_dropped(const struct manifest *m);	/* by kernel and agent */
void manifest_release(struct manifest *m);

#endif
