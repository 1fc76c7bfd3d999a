/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_tap_stream.c - a stream of packets, pcap or pcapng, from a node that may lie
 */
#include "../../coordinator/tap_stream.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int fd = memfd_create("stream", MFD_CLOEXEC);
	struct tap_stream *s;
	struct tap_event event;

	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		abort();
	lseek(fd, 0, SEEK_SET);
	s = tap_stream_new(fd);
	for (size_t i = 0; i <= size && tap_stream_next(s, &event, NULL) == 0; i++)
		;
	tap_stream_free(s);
	close(fd);
	return 0;
}
