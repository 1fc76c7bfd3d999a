/* SPDX-License-Identifier: Apache-2.0
 *
 * outfile_write.c - a file's full buffers go to the disk: its thread, or the caller's without one and at the end
 */
#include "outfile_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

static void set_direct(struct outfile *o, bool direct)
{
	if (!o->can_direct || o->is_direct == direct)
		return;
	if (fcntl(o->fd, F_SETFL, O_WRONLY | (direct ? O_DIRECT : 0)) == 0)
		o->is_direct = direct;
	else
		o->can_direct = false;
}

/* EINVAL of a direct write is a file system that promised too much, or has larger pages. */
static int write_at(struct outfile *o, const uint8_t *p, size_t n, uint64_t at)
{
	while (n) {
		ssize_t put = pwrite(o->fd, p, n, (off_t)at);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0 && errno == EINVAL && o->is_direct) {
			set_direct(o, false);
			o->can_direct = false;
			continue;
		}
		if (put <= 0)
			return put < 0 ? -errno : -EIO;
		p += put;
		n -= (size_t)put;
		at += (uint64_t)put;
		if (o->file_size < at)
			o->file_size = at;
	}
	return 0;
}

bool outfile_joins(const struct disk_buffer *b, const struct disk_buffer *next)
{
	return next->file == b->file && !next->skip && next->offset == b->offset + b->len &&
	       b->len - b->skip >= OUTFILE_DIRECT_MIN && next->len >= OUTFILE_DIRECT_MIN;
}

/* From its first new byte, or page, to its last. */
static struct iovec span(const struct outfile *o, const struct disk_buffer *b)
{
	size_t whole = (b->len + DISK_ALIGN - 1) / DISK_ALIGN * DISK_ALIGN;

	if (!o->is_direct)
		return (struct iovec){ b->data + b->skip, b->len - b->skip };
	memset(b->data + b->len, 0, whole - b->len);
	return (struct iovec){ b->data, whole };
}

/* What one call does not write whole is written anew, each part by itself. */
static int write_spans(struct outfile *o, const struct iovec *v, int n, uint64_t at)
{
	const uint64_t end = at + v[0].iov_len + (n > 1 ? v[1].iov_len : 0);
	int r = 0;

	if (n > 1 && pwritev(o->fd, v, n, (off_t)at) == (ssize_t)(end - at)) {
		o->file_size = o->file_size < end ? end : o->file_size;
		return 0;
	}
	for (int i = 0; !r && i < n; at += v[i++].iov_len)
		r = write_at(o, v[i].iov_base, v[i].iov_len, at);
	return r;
}

void outfile_write(struct disk_buffer *b)
{
	struct outfile *o = b->file;
	struct iovec v[2];
	int r, n = 0;

	if (outfile_error(o))
		return;
	set_direct(o, b->len - b->skip >= OUTFILE_DIRECT_MIN);
	v[n++] = span(o, b);
	if (b->next)
		v[n++] = span(o, b->next);
	r = write_spans(o, v, n, b->offset + (o->is_direct ? 0 : b->skip));
	if (r)
		atomic_store_explicit(&o->error, r, memory_order_relaxed);
}
