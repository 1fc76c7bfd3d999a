/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_pcapng.c - capture files: what is read stays inside the file, and what is whole stays whole
 */
#include "pcapfile.h"
#include "fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Touches every byte that the reader hands out. */
static void use_block(const struct pcapng_block *b, uint64_t *at)
{
	uint64_t sum = 0;
	const char *texts[] = {
		b->section.hardware, b->section.os, b->section.application, b->section.comment,
		b->interface.name, b->interface.description, b->interface.filter, b->stats.comment,
	};

	expect(b->offset == *at && b->size >= 12 && b->size % 4 == 0);
	*at += b->size;
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		sum += texts[i] ? strlen(texts[i]) : 0;
	if (b->kind != PCAPNG_PACKET)
		return;
	expect(b->packet.caplen < b->size);
	expect(b->packet.ts_ns >= 0 && b->packet.ts_ns <= PCAPNG_TIME_MAX);
	for (uint32_t i = 0; i < b->packet.caplen; i++)
		sum += b->packet.data[i];
	expect(sum < UINT64_MAX);
}

/* Where the last whole block ends. */
static uint64_t read_all(int fd)
{
	struct pcapng_reader *r = pcapng_reader_new(fd);
	struct pcapng_block block;
	struct err err = ERR_INIT;
	uint64_t at = 0;
	int n;

	while ((n = pcapng_next(r, &block, &err)) == 0)
		use_block(&block, &at);
	expect((n == PCAPNG_E_END) == !*err.text);
	pcapng_reader_free(r);
	return at;
}

/* Cut after `whole`, a file is whole and has the same packets. */
static void cut_and_again(int fd, const struct pcapng_summary *before,
			  int (*summarize)(int, struct pcapng_summary *, struct err *))
{
	struct pcapng_summary after;

	expect(ftruncate(fd, (off_t)before->whole) == 0);
	expect(summarize(fd, &after, NULL) == 0);
	expect(!after.cut && after.whole == before->whole && after.packets == before->packets);
	expect(after.first_ns == before->first_ns && after.last_ns == before->last_ns);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcapng_summary ng, classic;
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	expect(fd >= 0 && util_write_full(fd, data, size) == 0);
	expect(pcapng_summarize(fd, &ng, NULL) == 0 && ng.whole <= size);
	expect(pcapfile_summarize(fd, &classic, NULL) == 0 && classic.whole <= size);
	expect(ng.cut == (ng.whole < size) && classic.cut == (classic.whole < size));
	expect(lseek(fd, 0, SEEK_SET) == 0 && read_all(fd) == ng.whole);

	if (ng.whole)
		cut_and_again(fd, &ng, pcapng_summarize);
	else
		cut_and_again(fd, &classic, pcapfile_summarize);
	close(fd);
	return 0;
}
