/* SPDX-License-Identifier: Apache-2.0
 *
 * outfile.c - one file that grows at its end, through aligned buffers past the page cache
 *
 * A buffer stands for the file from `start` on, a whole number of pages. When it is full, its whole
 * pages are handed over, and the bytes behind them begin the next buffer. When it is flushed, all
 * of it is, and the last page's bytes begin the next buffer too (the page's beginning is `skip`, in
 * the file already), so that a direct write always begins with a page.
 *
 * The checksum is taken by who fills the buffer, in steps that are still in the processor's cache:
 * so it costs a third of what the disk's thread would need for it.
 *
 * Of the fields that the writing thread changes, `pending` is under the disk's lock, `error` is
 * atomic, and the others are touched by one write at a time, and by others only when pending is 0.
 */
#include "outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "disk_parts.h"

#define SUM_STEP (32u << 10)
#define PUT_STEP (32u << 10)	/* fits behind a page's bytes into the smallest buffer */

struct outfile {
	struct disk *disk;
	struct disk_buffer *b;		/* NULL: all is handed over */
	size_t fill, summed;		/* bytes in b; those that the checksum knows */
	size_t room;			/* behind them; 0 without a buffer */
	uint64_t size;
	struct checksum *sum;
	bool busy;			/* the last buffer was much used: the next is a large one */
	uint8_t tail[DISK_ALIGN];	/* without a buffer: the last page's bytes */
	struct disk_buffer own;		/* without a disk */

	unsigned pending;
	pthread_cond_t idle;
	atomic_int error;
	/* the writing thread's */
	int fd;
	bool can_direct, is_direct;
	uint64_t file_size;
};

static size_t page_rest(uint64_t n)
{
	return (size_t)(n % DISK_ALIGN);
}

int outfile_open(struct outfile **out, struct disk *d, int dirfd, const char *name,
		 struct err *err)
{
	struct outfile *o;
	int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_errno(err, "cannot create %s", name);
	o = xcalloc(1, sizeof(*o));
	o->disk = d;
	o->fd = fd;
	o->can_direct = true;
	o->sum = checksum_new();
	pthread_cond_init(&o->idle, NULL);
	*out = o;
	return 0;
}

static void wait_idle(struct outfile *o)
{
	if (o->disk)
		disk_wait(o->disk, &o->pending, &o->idle);
}

static void give(struct outfile *o, struct disk_buffer *b)
{
	if (o->disk)
		disk_give(o->disk, b);
}

void outfile_free(struct outfile *o)
{
	if (!o)
		return;
	if (o->b)
		give(o, o->b);
	wait_idle(o);
	if (o->own.data)
		munmap(o->own.data, o->own.size);
	util_close(o->fd);
	checksum_end(o->sum, NULL);
	pthread_cond_destroy(&o->idle);
	free(o);
}

/* ---- writing: the disk's thread, or the caller's without a disk and at the end ---- */

void outfile_count(struct outfile *o, int by)
{
	o->pending += (unsigned)by;
	if (!o->pending)
		pthread_cond_signal(&o->idle);
}

unsigned outfile_pending(const struct outfile *o)
{
	return o->pending;
}

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

/* ---- filling ---- */

static void sum_up(struct outfile *o)
{
	if (o->b && o->fill > o->summed)
		checksum_add(o->sum, o->b->data + o->summed, o->fill - o->summed);
	o->summed = o->fill;
}

/* b up to len; behind the call it is not ours. */
static void hand_over(struct outfile *o, struct disk_buffer *b, size_t len)
{
	b->len = len;
	if (o->disk)
		disk_submit(o->disk, b);
	else
		outfile_write(b);
}

/* The same of a full buffer: its whole pages, where there are any. */
static void pass_on(struct outfile *o, struct disk_buffer *b, size_t len)
{
	if (len)
		hand_over(o, b, len);
	else
		give(o, b);
}

static struct disk_buffer *take_own(struct outfile *o)
{
	if (o->own.data)
		return &o->own;
	o->own.size = DISK_BUFFER;
	o->own.data = mmap(NULL, DISK_BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			   -1, 0);
	if (o->own.data == MAP_FAILED)
		util_out_of_memory();
	return &o->own;
}

/* The buffer is full, or there is none. */
static bool next_buffer(struct outfile *o, size_t n, bool must)
{
	size_t carry = page_rest(o->size), skip = carry;
	struct disk_buffer *b, *full = o->b;

	if (outfile_error(o))
		return false;
	if (!o->disk) {
		outfile_flush(o);
		full = NULL;
	}
	b = o->disk ? disk_take(o->disk, o, carry + n, full || o->busy, must)
		    : take_own(o);
	if (!b) {
		outfile_flush(o);	/* or all might wait with full buffers for ever */
		return false;
	}
	sum_up(o);
	if (full) {
		memcpy(b->data, full->data + o->fill - carry, carry);
		skip = o->fill > carry ? 0 : full->skip;
		pass_on(o, full, o->fill - carry);
		o->busy = true;
	} else {
		memcpy(b->data, o->tail, carry);
	}
	b->file = o;
	b->offset = o->size - carry;
	b->skip = skip;
	o->b = b;
	o->fill = o->summed = carry;
	o->room = b->size - carry;
	return true;
}

uint8_t *outfile_reserve(struct outfile *o, size_t n, size_t *room)
{
	if (o->room < n && !next_buffer(o, n, false))
		return NULL;
	if (room)
		*room = o->room;
	return o->b->data + o->fill;
}

void outfile_advance(struct outfile *o, size_t n)
{
	o->fill += n;
	o->room -= n;
	o->size += n;
	if (o->fill - o->summed >= SUM_STEP)
		sum_up(o);
}

int outfile_put(struct outfile *o, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		size_t part = n < PUT_STEP ? n : PUT_STEP;

		if (o->room < part && !next_buffer(o, part, true))
			return outfile_error(o);
		memcpy(o->b->data + o->fill, from, part);
		outfile_advance(o, part);
		from += part;
		n -= part;
	}
	return outfile_error(o);
}

int outfile_error(const struct outfile *o)
{
	return atomic_load_explicit(&o->error, memory_order_relaxed);
}

uint64_t outfile_size(const struct outfile *o)
{
	return o->size;
}

bool outfile_is_flushed(const struct outfile *o)
{
	return !o->b || o->fill == o->b->skip;
}

uint64_t outfile_handed(const struct outfile *o)
{
	return o->b ? o->b->offset + o->b->skip : o->size;
}

/* The buffer leaves the file; its last page's bytes stay. NULL: nothing new is in it. */
static struct disk_buffer *detach(struct outfile *o)
{
	struct disk_buffer *b = o->b;
	size_t carry = page_rest(o->size);

	if (!b)
		return NULL;
	sum_up(o);
	memcpy(o->tail, b->data + o->fill - carry, carry);
	o->b = NULL;
	o->room = 0;
	b->len = o->fill;
	if (b->len > b->skip)
		return b;
	give(o, b);
	return NULL;
}

void outfile_flush(struct outfile *o)
{
	struct disk_buffer *b = detach(o);

	if (!b)
		return;
	o->busy = b->len - b->skip >= DISK_SMALL;
	hand_over(o, b, b->len);
}

int outfile_share(const struct outfile *o)
{
	int fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int outfile_finish(struct outfile *o, char hex[CHECKSUM_HEX])
{
	struct disk_buffer *b = detach(o);

	/* this thread waits anyhow, and many that end at once write side by side */
	wait_idle(o);
	if (b) {
		outfile_write(b);
		give(o, b);
	}
	o->sum = checksum_end(o->sum, hex);
	if (outfile_error(o))
		return outfile_error(o);
	if (o->file_size != o->size && ftruncate(o->fd, (off_t)o->size))
		return -errno;
	return fdatasync(o->fd) ? -errno : 0;
}
