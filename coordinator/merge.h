/* SPDX-License-Identifier: Apache-2.0
 *
 * merge.h - many capture files become one, in order of corrected time
 *
 * Inputs are pcapng or classic pcap files of whatever tool (capfile.h); the output is pcapng, one
 * section, nanoseconds:
 *
 *	section header		with the job's comment
 *	name resolution		the job's names, and those at the beginnings of the inputs
 *	interfaces		one for each interface of each input, or group of inputs, as it comes:
 *				name, description and all other options are the input's, where it has them
 *	packets			in order of corrected time; equal ones in order of the inputs
 *	statistics		the last of each interface, with its drops; of a group their sum
 *
 * corrected = timestamp - offset - drift * (timestamp - from), by the input's clock. Bytes, lengths
 * and options of packets are not touched. Old and simple packet blocks, big-endian ones and classic
 * records become enhanced packet blocks; a simple packet, which has no time, takes that of the packet
 * before it in its file. Other blocks are left out.
 *
 * Memory does not grow with the inputs: each has a window of MERGE_WINDOW_PACKETS packets or
 * MERGE_WINDOW_BYTES, whichever is less (but always two packets), two buffers of 32 KiB at its ends and
 * one that is read ahead, by a thread of its own (common/readahead.h): 176 KiB, unless packets are larger than
 * those. When there are more than MERGE_MANY inputs, the window is MERGE_MANY_WINDOW_PACKETS or _BYTES and
 * the buffers have 8 KiB: 48 KiB. So what is looked at stays in the processor's cache. Packets that wait
 * to be written hold a buffer each, at most MERGE_BATCH (64) of all inputs together.
 *
 * The window is also what puts packets into order that their own file has not in order: one that comes
 * late by up to half a window (64 packets or 32 KiB, of many inputs 16 packets or 4 KiB, whichever is less,
 * but at least one packet) finds its place. What is later is written when it comes, and counted:
 * merge_report.late.
 *
 * A file that ends inside a packet, or is damaged, counts up to there.
 */
#ifndef MERGE_H
#define MERGE_H

#include "err.h"
#include "pcapng.h"
#include "sink.h"

#define MERGE_WINDOW_PACKETS 128u	/* a power of 2 */
#define MERGE_WINDOW_BYTES (64u << 10)
#define MERGE_MANY 128u
#define MERGE_MANY_WINDOW_PACKETS 32u
#define MERGE_MANY_WINDOW_BYTES (8u << 10)
#define MERGE_INTERFACES_MAX 1000000u	/* of the output */

struct merge_clock {
	int64_t offset_ns;		/* the input's clock minus ours, at from_ns */
	double drift;			/* how much it gains, seconds per second; 0: not known */
	int64_t from_ns;		/* by the input's clock */
};

struct merge_input {
	const char *path;		/* for sentences */
	int fd;				/* stays the caller's; is read from where it stands */
	/* Only `size` bytes from `begin` on are the input: one of several in a file. */
	bool is_part;
	int64_t begin, size;
	struct merge_clock clock;
	/* Inputs of one group (not 0) share an interface that is the same: files of a rotation. */
	size_t group;
	/*
	 * Who captured it ("web.3.k7x2a9@node1"): with the interface's name and `where` behind, its
	 * description when that is missing. Its name, where it has none, is `interface`, else this.
	 */
	const char *label;		/* NULL: both stay away */
	const char *interface;		/* may be NULL */
	bool names_all;			/* a description that it has stands behind those, in brackets */
	const char *where;		/* " (app 10.0.1.5/24)", or NULL */
};

struct merge_job {
	const struct merge_input *inputs;
	size_t n;
	const char *comment;		/* of the section; may be NULL */
	const struct pcapng_name *names;
	size_t n_names;
	struct sink *sink;		/* not committed here */
	bool (*cancel)(void *arg);	/* asked often; may be NULL */
	void *arg;
};

/* Of one input. */
struct merge_report {
	uint64_t packets;
	uint64_t late;			/* were written behind one of their file with a later time */
	char *cut;			/* where and how it ended before its end; NULL: it did not */
};

struct merge_result {
	uint64_t packets;
	uint32_t interfaces;
	int64_t first_ns, last_ns;	/* corrected; 0 without packets */
	struct merge_report *reports;	/* one per input */
	size_t n;
};

/*
 * 0; -EINVAL: an input is no capture file (nothing is written then); -ECANCELED; -errno of reading,
 * or of the sink. out is always released by the caller.
 */
int merge_run(const struct merge_job *job, struct merge_result *out, struct err *err);
void merge_result_release(struct merge_result *r);

/* Pure. Between 0 and PCAPNG_TIME_MAX. */
int64_t merge_correct(const struct merge_clock *c, int64_t ts_ns);

#endif
