/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_file.h - the files of one tapped target: as an agent's, written here
 *
 *	tap_file_new		nothing is on disk yet
 *	tap_file_declare	its interfaces, as far as they are known; more may come at any time
 *	tap_file_begin		the first file, of the first interface's link type
 *	tap_file_add		packets, as far as the limits let them
 *	tap_file_finish		statistics; whole files under their names
 *
 * As in an agent's spool: a file per link type, limits over all of them and exact, hidden names
 * until a file is whole (segment.h).
 */
#ifndef TAP_FILE_H
#define TAP_FILE_H

#include "segment.h"
#include "tap.h"

#define TAP_FILE_E_PACKETS 1	/* taken, and it was the last one of max_packets */
#define TAP_FILE_E_BYTES 2	/* not taken: max_bytes would be passed */

struct tap_file_plan {
	int dirfd;			/* borrowed */
	size_t target;			/* number in the capture: the first part of file names */
	const struct wire_arm *arm;	/* borrowed: format, limits, filter, snaplen, names */
	const struct wire_wanted *wanted;	/* borrowed: label and networks */
	const char *node_name, *comment;	/* borrowed; comment: of the section, may be NULL */
	bool one_count;			/* counts are known of all interfaces together only */
};

struct tap_file;

struct tap_file *tap_file_new(const struct tap_file_plan *p);
void tap_file_free(struct tap_file *f);
/*
 * Interfaces count from 0 in the order of their declaration. 0, TAP_FILE_E_BYTES, -errno; before
 * tap_file_begin always 0.
 */
int tap_file_declare(struct tap_file *f, uint16_t link_type, const struct tap_interface *i,
		     struct err *err);
size_t tap_file_interfaces(const struct tap_file *f);
const char *tap_file_interface_name(const struct tap_file *f, size_t number);
uint16_t tap_file_link_type(const struct tap_file *f, size_t number);
/* -EFBIG: max_bytes is less than an empty capture needs. Nothing is left on disk then. */
int tap_file_begin(struct tap_file *f, struct err *err);
/* p->interface is the number of the declaration. 0, TAP_FILE_E_*, or -errno (not taken). */
int tap_file_add(struct tap_file *f, const struct pcapng_packet *p, struct err *err);
int tap_file_flush_aged(struct tap_file *f, int age_ms, struct err *err);
/* A file will not tell which interface a packet is from. */
bool tap_file_loses_interfaces(const struct tap_file *f);
int64_t tap_file_bytes(const struct tap_file *f);
int64_t tap_file_packets(const struct tap_file *f);
int64_t tap_file_truncated(const struct tap_file *f);

struct tap_file_end {
	int64_t start_ns, end_ns;
	const struct pcapng_stats *stats;	/* received and dropped, per interface; NULL: none */
	size_t n_stats;			/* the others': not known */
	struct wire_file *files;	/* what there is; malloc'd */
	size_t n_files;
};
int tap_file_finish(struct tap_file *f, struct tap_file_end *end, struct err *err);

#endif
