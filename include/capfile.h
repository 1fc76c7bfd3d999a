/* SPDX-License-Identifier: Apache-2.0
 *
 * capfile.h - a capture file of whatever tool: pcapng or classic pcap, read as pcapng's blocks
 *
 *	struct capfile *c = capfile_new(fd);
 *	while ((n = capfile_next(c, &block, &err)) == 0)
 *		...
 *	capfile_free(c);
 *
 * A classic file (both byte orders, micro- and nanoseconds, and the one of Kuznetzov's patch) reads as
 * one section and one interface without a name, and then packets. Other modified forms, which libpcap
 * does not read either, and versions before 2.3 are refused in words.
 *
 * Who looks ahead sets capfile_keep: then blocks, and what points into them, stay where they are until
 * capfile_drop says from which offset on they are still wanted, and until capfile_settle after that.
 * Memory is that, a block (PCAPNG_BLOCK_MAX), and two buffers of read_size.
 */
#ifndef CAPFILE_H
#define CAPFILE_H

#include "pcapng.h"

struct capfile;

struct capfile_source {
	/* As read(2), but -errno; NULL: fd is read. */
	ssize_t (*read)(void *arg, void *p, size_t n);
	void *arg;
	int fd;
	size_t read_size;		/* 0: 256 KiB */
	/* Of a regular file that is kept (capfile_keep): only size bytes from begin on. */
	bool is_part;
	int64_t begin, size;
};

/* fd, and what stands behind arg, stay the caller's. NULL is never returned. */
struct capfile *capfile_new(int fd);
struct capfile *capfile_new_from(const struct capfile_source *from);
void capfile_free(struct capfile *c);
/*
 * 0, PCAPNG_E_END, PCAPNG_E_CUT (the file ends inside a packet; err says where), -EINVAL damaged,
 * or no capture file (err says how), or -errno of reading. Whatever is not 0 stays so, but for -EAGAIN
 * of a source that has nothing now.
 * An empty file is PCAPNG_E_CUT.
 */
int capfile_next(struct capfile *c, struct pcapng_block *out, struct err *err);
/*
 * The next block, when it is what nearly all are: an enhanced packet block in our byte order, without
 * fault, already in memory. False: ask capfile_next, which tells all of it; nothing has changed.
 * This one tells only what is needed to put packets into order, and is several times as fast.
 */
bool capfile_next_plain(struct capfile *c, struct pcapng_plain *out);

/* Of many files that are read in turns by one thread: what they keep their blocks in. */
struct capfile_memory;

/* For so many files at most at a time. Regular ones are read ahead, by a thread (common/readahead.h). */
struct capfile_memory *capfile_memory_new(size_t read_size, size_t files);
/* After the files. */
void capfile_memory_free(struct capfile_memory *m);
/* What was dropped is used again from now on. */
void capfile_settle(struct capfile_memory *m);

/* Before the first block; read_size is the memory's then. */
void capfile_keep(struct capfile *c, struct capfile_memory *m);
/* Nothing before this offset is wanted any more. */
void capfile_drop(struct capfile *c, uint64_t offset);
/* The offset behind the block that was read last. */
uint64_t capfile_offset(const struct capfile *c);

/* Do these first bytes of a file (4 or more) begin a capture file, of whatever form? */
bool capfile_is(const uint8_t *head, size_t n);

#endif
