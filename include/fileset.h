/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset.h - the files of one target: a file per link type, limits over all, rotation
 *
 *	fileset_new		nothing is on disk yet
 *	fileset_declare		its interfaces, as far as they are known; more may come at any time
 *	fileset_begin		the first file, of the first interface's link type
 *	fileset_add		packets, as far as the limits let them
 *	fileset_tick		from time to time: rotation by time, old bytes go to the disk
 *	fileset_finish		statistics; whole files under their names
 *
 * tcpdump -r refuses a file whose interfaces differ in link type, so interfaces of another
 * link type than the first have a file of their own ("-raw"), opened with its first packet.
 * Limits by bytes and packets count over all files of the target, rotated ones too, and are
 * exact. An interface that a file does not know yet gets its block in the middle of it; classic
 * files know no interfaces at all.
 *
 * Rotation. A file that would be larger than rotate_bytes with the next packet ends, and so does
 * one whose interval of rotate_ms is over: by the packets' timestamps, or where none comes, by the
 * timer 2 s later (an empty file waits for its first packet). The next one (-001, -002, ...) begins
 * with the next packet. A packet that no file of rotate_bytes could hold has a larger
 * file for itself. The old file is finished (written, synced, renamed) by plan.defer's thread, so
 * that packets never wait for it; then plan.ended is told. With keep_files N, at most N files of
 * a link type are there, the one that is being written included: when the next one begins,
 * older ones are removed, and plan.removed is told. At WIRE_FILES_MAX files of a target the last
 * one grows on.
 *
 * Statistics, at the end of each file: the packets taken of each interface, and on the first
 * interface of the first link type the drops while the file was written, of all interfaces
 * together.
 *
 * One thread at a time uses a fileset; ended and removed are called from defer's threads too.
 */
#ifndef FILESET_H
#define FILESET_H

#include "segment.h"

#define FILESET_E_PACKETS 1	/* the last one that was taken is the last one of max_packets */
#define FILESET_E_BYTES 2	/* not taken: max_bytes would be passed */
#define FILESET_E_BUSY 3	/* not taken: the disk is behind; ask again, or drop it */

struct fileset_interface {
	const char *name;
	uint16_t link_type;		/* LINKTYPE_*; its text is filter_link_text's */
	const char *link_text;		/* "EN10MB", "RAW": the suffix of a further file's name */
	const uint8_t *mac;		/* 6 bytes; NULL: none */
	char *const *addresses;		/* "10.0.1.5/24" */
	size_t n_addresses;
	bool loopback;
};

/* "web.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)", safe for a terminal. Free it. */
char *fileset_describe(const struct wire_wanted *w, const char *node_name,
		       const struct fileset_interface *i);

struct fileset_plan {
	struct segment_room room;	/* zeros: nobody */
	struct disk *disk;		/* NULL: written by the caller's thread */
	int dirfd;			/* borrowed */
	size_t target;			/* number in the capture: the first part of file names */
	const struct wire_arm *arm;	/* borrowed: format, limits, rotation, filter, snaplen, names */
	const struct wire_wanted *wanted;	/* borrowed: label and networks */
	/* of the section and the interfaces; comment may be NULL; copied */
	const char *node_name, *os, *comment;
	/* Runs fn(job) in another thread, soon; NULL: rotation is finished by the caller's thread. */
	void (*defer)(void *arg, void (*fn)(void *job), void *job);
	/*
	 * Needed where the request rotates: a rotated file is whole (f's texts are taken over). The
	 * last ones come from finish.
	 */
	void (*ended)(void *arg, struct wire_file *f);
	void (*removed)(void *arg, const char *name);
	/* A rotated file could not be finished; what could be saved of it was told by ended. */
	void (*failed)(void *arg, const struct err *err, int64_t packets_lost);
	void *arg;
};

/*
 * What a former life of the program left of the same target: the limits count it, numbers go on
 * behind its files, and a ring counts and removes them. Copied.
 */
struct fileset_former {
	const struct wire_file *files;
	size_t n_files;
	int64_t removed_packets, removed_bytes;	/* of files that a ring let go */
	int64_t truncated;
};

struct fileset;

struct fileset *fileset_new(const struct fileset_plan *p);
/* Waits for deferred files; what was not finished stays hidden, unless begin failed. */
void fileset_free(struct fileset *f);
/* The same of one that took no packet: what it began is removed. NULL is accepted. */
void fileset_discard(struct fileset *f);
/* Before the first fileset_declare. */
void fileset_go_on(struct fileset *f, const struct fileset_former *former);
/*
 * Interfaces count from 0 in the order of their declaration. 0, FILESET_E_BYTES, -errno (in both
 * cases it counts, and its packets are not to be added); before fileset_begin always 0. Copied.
 */
int fileset_declare(struct fileset *f, const struct fileset_interface *i, struct err *err);
size_t fileset_interfaces(const struct fileset *f);
const char *fileset_interface_name(const struct fileset *f, size_t number);
uint16_t fileset_link_type(const struct fileset *f, size_t number);
/* -EFBIG: max_bytes is less than an empty capture needs. Nothing is left on disk then. */
int fileset_begin(struct fileset *f, struct err *err);
/*
 * n packets in order; their interface is the number of the declaration. *taken becomes how many were
 * taken. 0: all; else why the one behind them was not (but see FILESET_E_PACKETS): FILESET_E_*, or
 * -errno: -EDQUOT and -ENOSPC are the room's.
 */
int fileset_add(struct fileset *f, const struct pcapng_packet *p, size_t n, size_t *taken,
		struct err *err);
/*
 * As fileset_add, of packets that need not be copied (segment.h), all of them or none. False: they are to be added one
 * by one, since they are not all of one file that has packets already, or a limit, or the file's end, may be among
 * them, or the disk is behind.
 */
bool fileset_lend(struct fileset *f, struct segment_lent *l);
/*
 * now_ns: monotonic. What lies in memory longer than age_ms is handed to the disk (0: all of it).
 * 0, or -errno of a write that failed.
 */
int fileset_tick(struct fileset *f, int64_t now_ns, int age_ms, struct err *err);
/*
 * Descriptors of the files that something was put into since the last call, for another thread that
 * syncs and closes them. Free the array.
 */
size_t fileset_share(struct fileset *f, int **fds);
/* All drops so far, for the statistics of files that end from now on; < 0, or never: unknown. */
void fileset_set_dropped(struct fileset *f, int64_t dropped);
/* Nothing waits in memory to be written. */
bool fileset_is_flushed(const struct fileset *f);
/* A file will not tell which interface a packet is from. */
bool fileset_loses_interfaces(const struct fileset *f);
/* What all files weigh, removed ones included, as if they ended now. */
int64_t fileset_bytes(const struct fileset *f);
int64_t fileset_packets(const struct fileset *f);	/* taken, those of removed files included */
int64_t fileset_truncated(const struct fileset *f);

/* What was in files that a ring let go, those of former lives included. From any thread. */
void fileset_removed(struct fileset *f, int64_t *packets, int64_t *bytes);

struct fileset_end {
	int64_t start_ns, end_ns;	/* of the capture, wall clock */
	struct wire_file *files;	/* what ends now; malloc'd. Rotated ones were told by ended */
	size_t n_files;
	int64_t packets_lost;		/* taken, but not in a file that could be saved */
};
/*
 * Ends all files; blocks until the deferred ones are whole too. A file that cannot be ended is cut
 * after its last whole block.
 */
int fileset_finish(struct fileset *f, struct fileset_end *end, struct err *err);

#endif
