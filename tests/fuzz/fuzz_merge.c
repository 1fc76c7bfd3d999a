/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_merge.c - two files that are anything become one that is whole: every packet that could be read
 * is in it, and in order, but for those that the merge itself calls late
 *
 * The first two bytes say where the second file begins, the third how wrong its clock is.
 */
#include "../../coordinator/merge.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
	if (!holds)
		abort();
}

static int file_of(const uint8_t *data, size_t size)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC);

	expect(fd >= 0 && util_write_full(fd, data, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}

static uint64_t packets_of(const uint8_t *data, size_t size)
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

/* Is it whole, and how often does time go back? */
static uint64_t judge(const char *path, const struct merge_result *r)
{
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct pcapng_reader *reader = pcapng_reader_new(fd);
	struct pcapng_block b;
	uint64_t back = 0, packets = 0;
	uint32_t interfaces = 0;
	int64_t latest = 0;
	int n;

	while ((n = pcapng_next(reader, &b, NULL)) == 0) {
		interfaces += b.kind == PCAPNG_INTERFACE;
		if (b.kind != PCAPNG_PACKET)
			continue;
		packets++;
		back += b.packet.ts_ns < latest;
		latest = b.packet.ts_ns > latest ? b.packet.ts_ns : latest;
	}
	expect(n == PCAPNG_E_END && packets == r->packets && interfaces == r->interfaces);
	pcapng_reader_free(reader);
	return back;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = size < 4 ? 0 : 3 + (size_t)(data[0] | data[1] << 8) % (size - 3);
	struct merge_input in[2] = { { .path = "a", .label = "x", .group = 1 },
				     { .path = "b", .label = "x", .group = 1 } };
	struct merge_job job = { .inputs = in, .n = 2, .comment = "fuzz" };
	bool kept = size % 2;		/* else in pieces, which nobody reads */
	char path[64];
	struct merge_result r;
	struct err err = ERR_INIT;
	uint64_t late = 0;
	int rc;

	if (size < 4)
		return 0;
	snprintf(path, sizeof(path), kept ? "/dev/shm/fuzz-merge-%d" : "/dev/null", (int)getpid());
	in[0].fd = file_of(data + 3, at - 3);
	in[1].fd = file_of(data + at, size - at);
	in[1].clock.offset_ns = ((int64_t)data[2] - 128) * NS_PER_S;
	expect(sink_open(&job.sink, path, true, &err) == 0);
	rc = merge_run(&job, &r, &err);
	expect(rc == 0 || rc == -EINVAL);
	if (rc == 0) {
		expect(sink_commit(job.sink, &err) == 0);
		expect(r.reports[0].packets == packets_of(data + 3, at - 3));
		expect(r.reports[1].packets == packets_of(data + at, size - at));
		late = r.reports[0].late + r.reports[1].late;
		if (kept) {
			expect(judge(path, &r) <= late);
			unlink(path);
		}
	}
	sink_free(job.sink);
	merge_result_release(&r);
	close(in[0].fd);
	close(in[1].fd);
	return 0;
}
