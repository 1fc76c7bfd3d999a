/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_merge.c - files that are anything become one that is whole: every packet that could be read is
 * in it, and in order, but for those that the merge itself calls late
 *
 * The first two bytes say where the second file begins, the third how wrong its clock is. Two files, or for
 * sizes that three divides the first one once more and often enough that a thread reads ahead.
 */
#include "../../coordinator/merge.h"
#include "judge.h"

#include <errno.h>
#include <fcntl.h>

#define FILES 5u

struct piece {
	const uint8_t *data;
	size_t size;
};

/* Into a file, which is judged; or in pieces, which nobody reads: path is NULL. */
static void merge(struct merge_input *in, size_t n, const struct piece *of, const char *path)
{
	struct merge_job job = { .inputs = in, .n = n, .comment = "fuzz" };
	struct err err = ERR_INIT;
	struct merge_result r;
	uint64_t late = 0;
	int rc, fd;

	expect(sink_open(&job.sink, path ? path : "/dev/null", true, &err) == 0);
	rc = merge_run(&job, &r, &err);
	expect(rc == 0 || rc == -EINVAL);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		expect(r.reports[i].packets == packets_of(of[i].data, of[i].size));
		late += r.reports[i].late;
	}
	expect(rc || sink_commit(job.sink, &err) == 0);
	if (rc == 0 && path) {
		fd = open(path, O_RDONLY | O_CLOEXEC);
		expect(judge(fd, r.packets, r.interfaces) <= late);
		close(fd);
		unlink(path);
	}
	sink_free(job.sink);
	merge_result_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t at = size < 4 ? 0 : 3 + (size_t)(data[0] | data[1] << 8) % (size - 3);
	size_t n = size % 3 ? 2 : FILES;
	struct merge_input in[FILES];
	struct piece of[FILES];
	char path[64];

	if (size < 4)
		return 0;
	for (size_t i = 0; i < n; i++) {
		of[i] = i == 1 ? (struct piece){ data + at, size - at }
			       : (struct piece){ data + 3, at - 3 };
		in[i] = (struct merge_input){
			.path = "a", .label = "x", .group = 1, .fd = file_of(of[i].data, of[i].size),
		};
	}
	in[1].clock.offset_ns = ((int64_t)data[2] - 128) * NS_PER_S;
	snprintf(path, sizeof(path), "/dev/shm/fuzz-merge-%d", (int)getpid());
	merge(in, n, of, size % 2 ? path : NULL);
	for (size_t i = 0; i < n; i++)
		close(in[i].fd);
	return 0;
}
