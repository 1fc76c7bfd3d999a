/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_salvage.c - a capture file that somebody else left: what is whole of it
 *
 * Its writer was killed, or its disk refused. The file is cut after its last whole block; its facts
 * (packets, times, checksum) are read from its bytes alone.
 */
#include "segment.h"
#include "pcapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

static int sum_up(int fd, const char *name, struct pcapng_summary *out, struct err *err)
{
	if (segment_format_of(name) == WIRE_PCAP)
		return pcapfile_summarize(fd, out, err);
	return pcapng_summarize(fd, out, err);
}

/* Cuts the file after its last whole block. */
static int read_facts(int fd, const char *name, struct wire_file *out, struct err *err)
{
	struct pcapng_summary sum;
	int r = sum_up(fd, name, &sum, err);

	if (r)
		return r;
	if (!sum.whole)
		return err_set(err, -ENODATA, "nothing whole is in the file");
	if (ftruncate(fd, (off_t)sum.whole) || lseek(fd, 0, SEEK_SET))
		return err_errno(err, "cannot cut a file");
	r = checksum_fd(fd, out->xxh128);
	if (r) {
		errno = -r;
		return err_errno(err, "cannot read a file");
	}
	out->bytes = (int64_t)sum.whole;
	out->packets = (int64_t)sum.packets;
	out->first_ns = sum.first_ns;
	out->last_ns = sum.last_ns;
	return 0;
}

int segment_inspect(int dirfd, const char *name, struct wire_file *out, struct err *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return err_errno(err, "cannot open %s", name);
	r = read_facts(fd, name, out, err);
	if (r)
		return r;
	out->name = xstrdup(name);
	return 0;
}

/* The hidden file gets its name, for good: the data first, then the name. */
static int reveal(int dirfd, int fd, const char *hidden, const char *name, struct err *err)
{
	if (fsync(fd) || renameat(dirfd, hidden, dirfd, name) || fsync(dirfd))
		return err_errno(err, "cannot finish %s", name);
	return 0;
}

int segment_salvage(int dirfd, const char *name, struct wire_file *out, struct err *err)
{
	cleanup_free char *hidden = segment_hidden_name(name);
	cleanup_close int fd = openat(dirfd, hidden, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	int r;

	if (fd < 0)
		return err_errno(err, "cannot open %s", hidden);
	r = read_facts(fd, name, out, err);
	if (r == -ENODATA)
		unlinkat(dirfd, hidden, 0);
	if (r)
		return r;
	r = reveal(dirfd, fd, hidden, name, err);
	if (r)
		return r;
	out->name = xstrdup(name);
	out->recovered = true;
	return 0;
}
