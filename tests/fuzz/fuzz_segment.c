/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_segment.c - what a dead agent left: cut after its last whole block, or removed; zeros behind
 * it, as a direct write leaves them, change nothing
 */
#include "segment.h"
#include "fuzz.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/dev/shm/swarmcap-fuzz-XXXXXX";

static void remove_folder(void)
{
	rmdir(dir);
}

/* In memory: the files are synced. */
static int folder(void)
{
	static int fd = -1;

	if (fd >= 0)
		return fd;
	expect(mkdtemp(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	expect(fd >= 0);
	atexit(remove_folder);
	return fd;
}

static void write_hidden(const char *name, const uint8_t *data, size_t size, size_t zeros)
{
	cleanup_free char *hidden = segment_hidden_name(name);
	cleanup_close int fd = openat(folder(), hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
				      0600);

	expect(fd >= 0 && util_write_full(fd, data, size) == 0);
	expect(ftruncate(fd, (off_t)(size + zeros)) == 0);
}

static bool is_there(const char *name, int64_t *size)
{
	struct stat st;

	if (fstatat(folder(), name, &st, 0))
		return false;
	*size = st.st_size;
	return true;
}

static int salvage(const char *name, const uint8_t *data, size_t size, size_t zeros,
		   struct wire_file *out)
{
	cleanup_free char *hidden = segment_hidden_name(name);
	struct wire_file again = { 0 };
	int64_t there = 0;
	int r;

	*out = (struct wire_file){ 0 };
	write_hidden(name, data, size, zeros);
	r = segment_salvage(folder(), name, out, NULL);
	expect(r == 0 || r == -ENODATA);
	expect(!is_there(hidden, &there));
	expect(is_there(name, &there) == (r == 0));
	if (r)
		return r;
	expect(there == out->bytes && out->recovered && checksum_is_hex(out->xxh128));
	expect(segment_inspect(folder(), name, &again, NULL) == 0);
	expect(again.bytes == out->bytes && again.packets == out->packets);
	expect(again.first_ns == out->first_ns && again.last_ns == out->last_ns);
	expect(!strcmp(again.xxh128, out->xxh128));
	free(again.name);
	free(out->name);
	unlinkat(folder(), name, 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "0-000.pcapng", "0-000.pcap" };
	struct wire_file bare, padded;

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		int r = salvage(names[i], data, size, 0, &bare);

		if (r)
			continue;
		/* zeros may end a block that was cut, but never take one away */
		expect(salvage(names[i], data, size, 4096 - size % 4096, &padded) == 0);
		expect(padded.bytes >= bare.bytes && padded.packets >= bare.packets);
	}
	return 0;
}
