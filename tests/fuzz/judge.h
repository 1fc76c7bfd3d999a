/* SPDX-License-Identifier: Apache-2.0
 *
 * judge.h - for the fuzzers of what merges: what is in a capture file, and what has become of it
 */
#ifndef FUZZ_JUDGE_H
#define FUZZ_JUDGE_H

#include <sys/mman.h>
#include <unistd.h>

#include "capfile.h"
#include "fuzz.h"
#include "pcapng.h"

/* At its beginning. */
static inline int file_of(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	expect(fd >= 0 && util_write_full(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

/* Those that can be read. */
static inline uint64_t packets_of(const void *data, size_t size)
{
	cleanup_close int fd = file_of(data, size);
	struct capfile *c = capfile_new(fd);
	struct pcapng_block b;
	uint64_t n = 0;

	while (capfile_next(c, &b, NULL) == 0)
		n += b.kind == PCAPNG_PACKET;
	capfile_free(c);
	return n;
}

/* It must be whole, with so many of each. How often time goes back in it. */
static inline uint64_t judge(int fd, uint64_t packets, uint32_t interfaces)
{
	struct pcapng_reader *reader = pcapng_reader_new(fd);
	struct pcapng_block b;
	int64_t latest = 0;
	uint64_t back = 0;
	int n;

	while ((n = pcapng_next(reader, &b, NULL)) == 0) {
		interfaces -= b.kind == PCAPNG_INTERFACE;
		if (b.kind != PCAPNG_PACKET)
			continue;
		packets--;
		back += b.packet.ts_ns < latest;
		latest = b.packet.ts_ns > latest ? b.packet.ts_ns : latest;
	}
	expect(n == PCAPNG_E_END && packets == 0 && interfaces == 0);
	pcapng_reader_free(reader);
	return back;
}

#endif
