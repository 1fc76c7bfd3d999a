/* SPDX-License-Identifier: Apache-2.0
 *
 * candidate.h - namespaces that are captured before it is known whose they are
 *
 * A task's first packets come within milliseconds after its namespace; who the task is can be asked
 * once its process runs. So each new namespace gets a ring at once, with the capture's own filter, and
 * the packets wait in it. Then either the capture takes it, or it is closed: when it turns
 * out to be nobody's, when it is too old, at the end of the capture.
 *
 * The candidates of one capture; any thread.
 */
#ifndef CANDIDATE_H
#define CANDIDATE_H

#include "netns.h"
#include "sniff.h"

#define CANDIDATES_MAX 128
#define CANDIDATE_RING_BYTES (512u << 10)
#define CANDIDATE_AGE_MS 30000	/* an engine that starts a hundred containers at once takes as long */
#define CANDIDATE_GONE_MS 5000	/* after its file is gone: its task's name may come late */

struct candidate_options {
	const char *netns_dir, *interface, *filter;	/* borrowed, as program and budget */
	const struct program *program;
	uint32_t snaplen;
	struct ring_budget *budget;
	size_t ring_bytes;		/* 0: CANDIDATE_RING_BYTES */
	unsigned retire_ms;		/* 0: SNIFF_RETIRE_MS */
	int64_t age_ms, gone_ms;	/* 0: as above */
};

struct candidates;

/* What a capture takes over. */
struct candidate {
	char *file;
	struct netns_id netns;
	struct sniff *sniff;		/* bound; its interfaces are refreshed */
	int64_t opened_ns;		/* wall clock: packets from then on */
};

struct candidates *candidates_new(const struct candidate_options *o);
void candidates_free(struct candidates *c);
/* A new namespace. One too many is not opened; nor is one without room for its ring. */
void candidates_add(struct candidates *c, const char *file, int ns);
/* Interfaces that came are noted, the old are closed: every few milliseconds while there are any. */
void candidates_tick(struct candidates *c);
size_t candidates_count(struct candidates *c);
/* False: there is none of that file. */
bool candidates_take(struct candidates *c, const char *file, struct candidate *out);
/* It is nobody's. */
void candidates_drop(struct candidates *c, const char *file);
/* Nothing that comes later is captured; those that are added from now on are closed. */
void candidates_halt(struct candidates *c);
/* All, and those that are added from now on. */
void candidates_close(struct candidates *c);
void candidate_release(struct candidate *c);

#endif
