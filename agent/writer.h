/* SPDX-License-Identifier: Apache-2.0
 *
 * writer.h - the files of one target: a segment per link type, and the limits over all
 *
 * tcpdump -r refuses a file whose interfaces differ in link type, so interfaces of another
 * link type than the first have a file of their own ("-raw"), opened with its first packet.
 * Limits by bytes and packets count over all files of the target and are exact.
 */
#ifndef WRITER_H
#define WRITER_H

#include "sniff.h"
#include "spool.h"

#define WRITER_E_PACKETS 1	/* taken, and it was the last one of max_packets */
#define WRITER_E_BYTES 2	/* not taken: max_bytes would be passed */

struct writer_plan {
	struct spool *spool;
	int dirfd;
	size_t target;			/* number in the capture: the first part of file names */
	const struct iface *ifaces;
	size_t n_ifaces;
	const struct wire_arm *arm;	/* format, limits, filter, snaplen, names */
	const struct wire_wanted *wanted;	/* label and networks */
	const char *node_name, *kernel;
};

struct writer;

/* Everything in the plan but dirfd, spool and arm may go away afterwards. */
int writer_open(struct writer **out, const struct writer_plan *p, struct err *err);
void writer_free(struct writer *w);
/* 0, WRITER_E_*, or -errno (not taken): -EDQUOT, -ENOSPC, -EIO... */
int writer_add(struct writer *w, const struct pcapng_packet *p, struct err *err);
int writer_flush_aged(struct writer *w, int age_ms, struct err *err);
/* Nothing waits in memory to be written. */
bool writer_is_flushed(const struct writer *w);
/* A file of the target will not tell which interface a packet is from. */
bool writer_loses_interfaces(const struct writer *w);
int64_t writer_bytes(const struct writer *w);
int64_t writer_packets(const struct writer *w);
int64_t writer_truncated(const struct writer *w);
/*
 * Ends all files. counts: per interface, in the plan's order. A file that cannot be ended is
 * cut after its last whole block and counted in notes. *files (malloc'd) is what there is.
 */
struct writer_end {
	const struct sniff_counts *counts;
	int64_t start_ns, end_ns;
	struct wire_file *files;
	size_t n_files;
};
int writer_finish(struct writer *w, struct writer_end *end, struct err *err);

#endif
