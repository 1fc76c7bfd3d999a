/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.c - one capture file, hidden until it is whole
 *
 * The file is header, packets, trailer (statistics blocks; a classic file has none). The
 * trailer's size depends on the interfaces alone, so it is measured when the file is opened and
 * counted from then on: the size that a file would have if it ended now is known before each
 * packet, and a limit by bytes is exact.
 *
 * Room is taken ahead of writing: header, trailer and one full buffer at the
 * beginning, then what each flush writes. So whatever was put into the buffer may be written, and
 * a file can be ended when the room is.
 */
#include "segment.h"
#include "pcapfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEADER_MAX (4u << 20)	/* section, interfaces and up to WIRE_HOSTS_MAX names */

struct segment {
	struct segment_room room;
	int dirfd, fd;
	enum wire_format format;
	char *name, *hidden;
	const char *stats_comment;
	bool one_count;
	size_t n_interfaces;		/* with statistics in the trailer */
	uint64_t written;		/* in the file */
	uint64_t trailer;		/* bytes of it */
	int64_t taken;			/* of the spool's room */
	struct digest *digest;
	int64_t packets, first_ns, last_ns;
	int64_t buffered_ns;		/* when the oldest byte of the buffer came; monotonic */
	size_t fill;
	uint8_t buffer[SEGMENT_BUFFER];
};

static int put_header(struct buf *b, const struct segment_plan *p)
{
	int r;

	if (segment_format_of(p->name) == WIRE_PCAP)
		return pcapfile_put_header(b, p->interfaces[0].link_type,
					   p->interfaces[0].snaplen);
	r = pcapng_put_section(b, &p->section);
	for (size_t i = 0; !r && i < p->n_interfaces; i++)
		r = pcapng_put_interface(b, &p->interfaces[i]);
	if (!r && p->n_names)
		r = pcapng_put_names(b, p->names, p->n_names);
	return r;
}

static int put_trailer(struct buf *b, const struct segment *s, const struct pcapng_stats *stats)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->n_interfaces; i++) {
		struct pcapng_stats one = stats[i];

		one.interface = (uint32_t)i;
		if (s->one_count && i)
			one.received = one.dropped = -1;
		one.comment = i ? NULL : s->stats_comment;
		r = pcapng_put_stats(b, &one);
	}
	return r;
}

static int measure_trailer(struct segment *s)
{
	struct buf b = BUF_INIT(HEADER_MAX);
	cleanup_free struct pcapng_stats *some = xcalloc(s->n_interfaces + 1, sizeof(*some));
	int r;

	for (size_t i = 0; i < s->n_interfaces; i++)	/* an absent time would not be written */
		some[i] = (struct pcapng_stats){ .ts_ns = 1, .start_ns = 1, .end_ns = 1 };
	r = put_trailer(&b, s, some);
	s->trailer = b.len;
	buf_release(&b);
	return r;
}

static int write_out(struct segment *s, const void *p, size_t n, struct err *err)
{
	int r = util_write_full(s->fd, p, n);

	if (r) {
		/* a part may be there: the next try writes over it, or the file is not the digest's */
		lseek(s->fd, (off_t)s->written, SEEK_SET);
		errno = -r;
		return err_errno(err, "cannot write %s", s->name);
	}
	digest_add(s->digest, p, n);
	s->written += n;
	return 0;
}

static int take(struct segment *s, uint64_t n, struct err *err)
{
	int r = s->room.take ? s->room.take(s->room.arg, (int64_t)n, err) : 0;

	if (!r)
		s->taken += (int64_t)n;
	return r;
}

static int create(struct segment *s, struct err *err)
{
	s->fd = openat(s->dirfd, s->hidden, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
		       0600);
	if (s->fd < 0)
		return err_errno(err, "cannot create %s", s->name);
	return 0;
}

int segment_open(struct segment **out, const struct segment_plan *p, struct err *err)
{
	cleanup_buf struct buf header = BUF_INIT(HEADER_MAX);
	struct segment *s = xcalloc(1, sizeof(*s));
	int r;

	s->room = p->room;
	s->one_count = p->one_count;
	s->dirfd = p->dirfd;
	s->fd = -1;
	s->name = xstrdup(p->name);
	s->hidden = segment_hidden_name(p->name);
	s->stats_comment = p->stats_comment;
	s->format = segment_format_of(p->name);
	s->n_interfaces = s->format == WIRE_PCAP ? 0 : p->n_interfaces;
	s->digest = digest_new();
	r = put_header(&header, p);
	if (!r)
		r = measure_trailer(s);
	if (r)
		r = err_set(err, r, "the header of %s would be too large", p->name);
	if (!r)
		r = take(s, header.len + s->trailer + SEGMENT_BUFFER, err);
	if (!r)
		r = create(s, err);
	if (!r)
		r = write_out(s, header.data, header.len, err);
	if (r) {
		segment_discard(s);
		return r;
	}
	*out = s;
	return 0;
}

void segment_free(struct segment *s)
{
	char hex[DIGEST_HEX];

	if (!s)
		return;
	if (s->room.give)
		s->room.give(s->room.arg, s->taken - (int64_t)s->written);
	s->digest = digest_end(s->digest, hex);
	util_close(s->fd);
	free(s->name);
	free(s->hidden);
	free(s);
}

void segment_discard(struct segment *s)
{
	if (s && s->fd >= 0 && unlinkat(s->dirfd, s->hidden, 0) == 0)
		s->written = 0;
	segment_free(s);
}

uint64_t segment_size(const struct segment *s)
{
	return s->written + s->fill + s->trailer;
}

/* Writes the buffer and takes room for the next one; without room the buffer stays as it is. */
static int flush(struct segment *s, struct err *err)
{
	int r = take(s, s->fill, err);

	if (!r)
		r = write_out(s, s->buffer, s->fill, err);
	if (!r)
		s->fill = 0;
	return r;
}

static size_t packet_size(const struct segment *s, const struct pcapng_packet *p)
{
	if (s->format == WIRE_PCAP)
		return pcapfile_packet_size(p->caplen);
	return pcapng_packet_size(p->caplen, p->flags);
}

static size_t put_packet(const struct segment *s, void *out, const struct pcapng_packet *p)
{
	return s->format == WIRE_PCAP ? pcapfile_put_packet(out, p) : pcapng_put_packet(out, p);
}

int segment_add(struct segment *s, const struct pcapng_packet *p, uint64_t max_size,
		struct err *err)
{
	size_t size = packet_size(s, p);
	int r;

	if (max_size && segment_size(s) + size > max_size)
		return SEGMENT_E_FULL;
	if (size > sizeof(s->buffer))
		return err_set(err, -EMSGSIZE, "a packet of %u bytes is larger than any snaplen",
			       p->caplen);
	if (s->fill + size > sizeof(s->buffer)) {
		r = flush(s, err);
		if (r)
			return r;
	}
	if (!s->fill)
		s->buffered_ns = clock_mono_ns();
	s->fill += put_packet(s, s->buffer + s->fill, p);
	if (!s->packets || p->ts_ns < s->first_ns)
		s->first_ns = p->ts_ns;
	if (!s->packets || p->ts_ns > s->last_ns)
		s->last_ns = p->ts_ns;
	s->packets++;
	return 0;
}

int segment_add_interface(struct segment *s, const struct pcapng_interface *i, uint64_t max_size,
			  struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(HEADER_MAX);
	uint64_t trailer = s->trailer;
	int r = s->format == WIRE_PCAP ? -EINVAL : pcapng_put_interface(&b, i);

	if (r)
		return err_set(err, r, "%s takes no further interface", s->name);
	s->n_interfaces++;
	r = measure_trailer(s);
	if (!r && max_size && segment_size(s) + b.len > max_size)
		r = SEGMENT_E_FULL;
	if (!r)
		r = take(s, b.len + s->trailer - trailer, err);
	if (!r)
		r = flush(s, err);
	if (!r)
		r = write_out(s, b.data, b.len, err);
	if (!r)
		return 0;
	s->n_interfaces--;
	s->trailer = trailer;
	return r < 0 ? err_set(err, r, "%s takes no further interface", s->name) : r;
}

bool segment_is_flushed(const struct segment *s)
{
	return !s->fill;
}

int segment_flush_aged(struct segment *s, int age_ms, struct err *err)
{
	if (!s->fill || clock_mono_ns() - s->buffered_ns < age_ms * NS_PER_MS)
		return 0;
	return flush(s, err);
}

/* The hidden file gets its name, for good: the data first, then the name. */
static int reveal(int dirfd, int fd, const char *hidden, const char *name, struct err *err)
{
	if (fsync(fd) || renameat(dirfd, hidden, dirfd, name) || fsync(dirfd))
		return err_errno(err, "cannot finish %s", name);
	return 0;
}

int segment_commit(struct segment *s, const struct pcapng_stats *stats, struct wire_file *out,
		   struct err *err)
{
	cleanup_buf struct buf trailer = BUF_INIT(HEADER_MAX);
	int r = put_trailer(&trailer, s, stats);

	if (r)
		return err_set(err, r, "the statistics of %s would be too large", s->name);
	r = write_out(s, s->buffer, s->fill, err);
	if (r)
		return r;
	s->fill = 0;
	r = write_out(s, trailer.data, trailer.len, err);
	s->trailer = 0;
	if (!r)
		r = reveal(s->dirfd, s->fd, s->hidden, s->name, err);
	if (r)
		return r;
	out->name = xstrdup(s->name);
	out->bytes = (int64_t)s->written;
	out->packets = s->packets;
	out->first_ns = s->first_ns;
	out->last_ns = s->last_ns;
	s->digest = digest_end(s->digest, out->sha256);
	return 0;
}

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
	r = digest_fd(fd, out->sha256);
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
