/* SPDX-License-Identifier: Apache-2.0
 *
 * sources.h - what goes into a merge: archives and capture files, opened, each with its clock
 *
 *	struct sources s = SOURCES_INIT;
 *	sources_add(&s, "web.tar.zst", err)	all capture files of an archive or its folder
 *	sources_add(&s, "lb.pcap=edge1,offset=+3ms", err)
 *	comment = sources_comment(&s)
 *	merge_run(&(struct merge_job){ .inputs = s.inputs, ... })
 *	sources_notes(&s, &result, fn, arg)	what a reader of the merged file should know
 *	sources_release(&s)
 *
 * An archive's clocks, labels and names are its manifest's. Its files are read where they are when
 * it is a folder; else they are unpacked into one file without a name beside the output (`scratch`),
 * which goes away with the descriptor. Descriptors: one per archive or file, of a folder one per
 * file in it.
 */
#ifndef SOURCES_H
#define SOURCES_H

#include "account.h"
#include "manifest.h"
#include "merge.h"

struct source_clock {
	char *who;			/* a node, or a file that no manifest speaks of */
	bool is_known;			/* measured, or told with offset= */
	bool is_told;
	int64_t offset_ns;		/* who's clock minus the coordinator's */
	int64_t error_ns;		/* of a measured one */
	double drift;
};

struct sources {
	bool no_clock_correction;	/* measured offsets are told, but not used */
	int scratch;			/* a folder's descriptor for what is unpacked; -1: $TMPDIR */

	struct merge_input *inputs;
	size_t n;
	struct pcapng_name *names;
	size_t n_names;

	struct source_clock *clocks;
	size_t n_clocks;
	struct account **accounts;
	size_t n_accounts;
	char **texts;
	size_t n_texts;
	int *fds;
	size_t n_fds;
	size_t groups;
};

#define SOURCES_INIT { .scratch = -1 }

/* FILE[=LABEL][,offset=TIME]. -EINVAL: bad words, or no capture; else as unbundle.h, or -errno. */
int sources_add(struct sources *s, const char *operand, struct err *err);
/* What is about to become an archive: the manifest's files, as they lie in the folder dirfd. */
int sources_add_staged(struct sources *s, const struct manifest *m, int dirfd, struct err *err);
/* For the section header: how times were corrected, and how well. Free it. */
char *sources_comment(const struct sources *s);
/* One sentence each, not safe for a terminal. */
typedef void sources_note(void *arg, const char *text);
/*
 * Below which distance the order of packets is uncertain; files that end before their end; packets
 * that came too late. Returns how many files did not come whole.
 */
size_t sources_notes(const struct sources *s, const struct merge_result *r, sources_note *note,
		     void *arg);
void sources_release(struct sources *s);

#endif
