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
 * so it costs a third of what the disk's thread would need for it. A file that is filled fast has none, nor has one with
 * bytes that are lent, which nobody reads here.
 *
 * Copying large packets is limited by the memory. They are gathered in a stage, which the nearest
 * cache holds, and go from there into the buffer past the cache (stream_copy.h): nobody reads the
 * buffer's old bytes for that. With small ones nothing is won.
 */
#include "outfile_parts.h"
#include "stream_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SUM_STEP (32u << 10)
#define SUM_NS (400 * NS_PER_MS)	/* who fills a large buffer sooner (5 MB/s) has something better to do */
#define PUT_STEP (32u << 10)	/* fits behind a page's bytes into the smallest buffer */
#define STAGED_MIN 512		/* bytes that are asked for at once: a large packet */

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

/* ---- filling ---- */

/* All of b is in its data, and in the checksum. */
static void sum_up(struct outfile *o)
{
	size_t n = o->fill - o->summed;

	if (o->b && n) {
		uint8_t *to = o->b->data + o->summed;

		if (o->sum)
			checksum_add(o->sum, o->staged ? o->b->stage : to, n);
		if (o->staged)
			stream_copy(to, o->b->stage, n);
	}
	o->summed = o->fill;
	o->staged = false;
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

/* Of a flood's small packets the checksum is an eighth of what they cost; a file that is fast so far goes on without. */
static void look_at_speed(struct outfile *o, const struct disk_buffer *full)
{
	int64_t now = clock_mono_ns();

	if (full && full->size == DISK_BUFFER && now - o->begun_ns < SUM_NS)
		o->sum = checksum_end(o->sum, NULL);
	o->begun_ns = now;
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
	look_at_speed(o, full);
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

/* The stage has room for n bytes; *room becomes how many it has. */
static uint8_t *reserve_staged(struct outfile *o, size_t n, size_t *room)
{
	if (!o->staged || o->fill - o->summed + n > DISK_STAGE)
		sum_up(o);
	o->staged = true;
	*room = DISK_STAGE - (o->fill - o->summed);
	if (*room > o->room)
		*room = o->room;
	return o->b->stage + (o->fill - o->summed);
}

uint8_t *outfile_reserve(struct outfile *o, size_t n, size_t *room)
{
	size_t some = 0;

	room = room ? room : &some;
	if (o->room < n && !next_buffer(o, n, false))
		return NULL;
	if (o->b->stage && n >= STAGED_MIN && n <= DISK_STAGE)
		return reserve_staged(o, n, room);
	if (o->staged)
		sum_up(o);
	*room = o->room;
	return o->b->data + o->fill;
}

void outfile_advance(struct outfile *o, size_t n)
{
	o->fill += n;
	o->room -= n;
	o->size += n;
	if (!o->staged && o->fill - o->summed >= SUM_STEP)
		sum_up(o);
}

int outfile_put(struct outfile *o, const void *p, size_t n)
{
	const uint8_t *from = p;

	while (n) {
		size_t part = n < PUT_STEP ? n : PUT_STEP;

		if (o->room < part && !next_buffer(o, part, true))
			return outfile_error(o);
		if (o->staged)
			sum_up(o);
		memcpy(o->b->data + o->fill, from, part);
		outfile_advance(o, part);
		from += part;
		n -= part;
	}
	return outfile_error(o);
}

size_t outfile_to_page(const struct outfile *o)
{
	const size_t carry = page_rest(o->size);

	return carry ? DISK_ALIGN - carry : 0;
}

bool outfile_may_lend(const struct outfile *o)
{
	return o->disk && !outfile_error(o);
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

void outfile_lend(struct outfile *o, void *data, size_t n, void (*done)(void *arg), void *arg)
{
	struct disk_buffer *b;

	outfile_flush(o);
	o->sum = checksum_end(o->sum, NULL);
	b = disk_lend(data, n, done, arg);
	b->file = o;
	b->offset = o->size;
	o->size += n;
	o->busy = true;
	disk_submit(o->disk, b);
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
	if (hex)
		hex[0] = '\0';
	o->sum = checksum_end(o->sum, hex);
	if (outfile_error(o))
		return outfile_error(o);
	if (o->file_size != o->size && ftruncate(o->fd, (off_t)o->size))
		return -errno;
	return fdatasync(o->fd) ? -errno : 0;
}
