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
 * Who looks ahead sets capfile_keep: bytes of blocks stay in memory until capfile_drop says from
 * which offset on they are still wanted; capfile_at finds them again, since they move. Memory is
 * that, a block (PCAPNG_BLOCK_MAX), and a buffer of read_size.
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

void capfile_keep(struct capfile *c);
/* Nothing before this offset is wanted any more. */
void capfile_drop(struct capfile *c, uint64_t offset);
/* The byte at an offset that was read and not dropped; valid until the next capfile_next. */
const uint8_t *capfile_at(const struct capfile *c, uint64_t offset);
/* The offset behind the block that was read last. */
uint64_t capfile_offset(const struct capfile *c);

/* Do these first bytes of a file (4 or more) begin a capture file, of whatever form? */
bool capfile_is(const uint8_t *head, size_t n);

#endif
