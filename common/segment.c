/* SPDX-License-Identifier: Apache-2.0
 *
 * segment.c - one capture file, hidden until it is whole
 *
 * The file is header, packets, trailer (statistics blocks; a classic file has none). The
 * trailer's size depends on the interfaces alone, so it is measured when the file is opened and
 * counted from then on: the size that a file would have if it ended now is known before each
 * packet, and a limit by bytes is exact.
 *
 * Room is taken ahead of what is put, a step at a time, and the trailer's at the beginning. So
 * whatever was put may be written, and a file can be ended when the room is.
 */
#include "segment_parts.h"
#include "pcapfile.h"
#include "pcapng_packet.h"

#include <errno.h>
#include <unistd.h>

#define NEAR_BY 1024		/* bytes: some ten small packets; measured: 512 and 2048 do as well */
#define AHEAD_MIN 256		/* bytes of a packet: what is less came with its header; */
#define AHEAD_MAX 2048		/* behind that the processor goes on by itself */
#define CACHE_LINE 64

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

static int take(struct segment *s, uint64_t n, struct err *err)
{
	int r = s->room.take ? s->room.take(s->room.arg, (int64_t)n, err) : 0;

	if (!r)
		s->taken += n;
	return r;
}

int segment_take_ahead(struct segment *s, uint64_t n, struct err *err)
{
	uint64_t need = segment_size(s) + n;

	return need <= s->taken ? 0 : take(s, need - s->taken + SEGMENT_ROOM_STEP, err);
}

static void set_interfaces(struct segment *s, size_t n)
{
	s->received = xrealloc(s->received, n + 1, sizeof(*s->received));
	for (size_t i = s->n_interfaces; i < n; i++)
		s->received[i] = 0;
	s->n_interfaces = n;
}

static int begin(struct segment *s, const struct segment_plan *p, struct err *err)
{
	cleanup_buf struct buf header = BUF_INIT(SEGMENT_HEADER_MAX);
	int r = put_header(&header, p);

	if (!r)
		r = segment_measure_trailer(s);
	if (r)
		return err_set(err, r, "the header of %s would be too large", p->name);
	r = take(s, header.len + s->trailer + SEGMENT_ROOM_STEP, err);
	if (!r)
		r = outfile_open(&s->file, p->disk, p->dirfd, s->hidden, err);
	if (r)
		return r;
	r = outfile_put(s->file, header.data, header.len);
	outfile_flush(s->file);
	r = r ? r : outfile_error(s->file);
	return r ? segment_failed(s, r, err) : 0;
}

int segment_open(struct segment **out, const struct segment_plan *p, struct err *err)
{
	struct segment *s = xcalloc(1, sizeof(*s));
	int r;

	s->room = p->room;
	s->dirfd = p->dirfd;
	s->name = xstrdup(p->name);
	s->hidden = segment_hidden_name(p->name);
	s->stats_comment = p->stats_comment;
	s->counts_drops = p->counts_drops;
	s->format = segment_format_of(p->name);
	s->clean_ns = clock_mono_ns();
	s->first_ns = INT64_MAX;
	s->last_ns = INT64_MIN;
	set_interfaces(s, s->format == WIRE_PCAP ? 0 : p->n_interfaces);
	r = begin(s, p, err);
	if (r) {
		segment_discard(s);
		return r;
	}
	s->handed = outfile_handed(s->file);
	*out = s;
	return 0;
}

void segment_free(struct segment *s)
{
	uint64_t kept;

	if (!s)
		return;
	kept = s->file ? outfile_size(s->file) : 0;
	outfile_free(s->file);
	segment_release(s, kept);
}

void segment_discard(struct segment *s)
{
	if (!s)
		return;
	if (s->file)
		unlinkat(s->dirfd, s->hidden, 0);
	outfile_free(s->file);
	segment_release(s, 0);
}

uint64_t segment_size(const struct segment *s)
{
	return outfile_size(s->file) + s->trailer;
}

int64_t segment_packets(const struct segment *s)
{
	return s->packets;
}

int64_t segment_truncated(const struct segment *s)
{
	return s->truncated;
}

/* ---- packets ---- */

static size_t packet_size(enum wire_format format, const struct pcapng_packet *p)
{
	return format == WIRE_PCAP ? pcapfile_packet_size(p->caplen) : pcapng_packet_bytes(p);
}

static bool is_of_run(const struct segment_run *run, const struct pcapng_packet *p)
{
	return run->numbers[p->interface] != SEGMENT_OTHER && p->ts_ns < run->until_ns;
}

/* The processor sees by itself where a stream goes on, but not beyond a page, and packets are not pages. */
static inline void look_ahead(const struct pcapng_packet *p)
{
	const uint32_t n = p->caplen < AHEAD_MIN ? 0 : p->caplen < AHEAD_MAX ? p->caplen : AHEAD_MAX;

	for (uint32_t i = 0; i < n; i += CACHE_LINE)
		__builtin_prefetch(p->data + i);
}

/*
 * Where the packets will stand soon: a buffer that the disk had is in no cache, and a store waits until its line
 * is there. Two lines are more than a small packet takes; large ones go through the stage, which is near.
 */
static inline void make_near(const uint8_t *to)
{
	uintptr_t at = (uintptr_t)to + NEAR_BY;

	__builtin_prefetch((const void *)at, 1);
	__builtin_prefetch((const void *)(at + CACHE_LINE), 1);
}

/*
 * From `to` on, as long as they are of the run and fit into room; returns how many. The packet path
 * is this loop, once for each format.
 */
static inline __attribute__((always_inline)) size_t
put_packets(struct segment *s, enum wire_format format, const struct segment_run *run,
	    const struct pcapng_packet *p, size_t n, uint8_t *to, size_t room)
{
	int64_t first_ns = s->first_ns, last_ns = s->last_ns;
	size_t put = 0, i = 0;
	int64_t truncated = 0;

	for (; i < n && is_of_run(run, &p[i]); i++) {
		const size_t size = packet_size(format, &p[i]);
		const uint32_t number = run->numbers[p[i].interface];

		if (size > room - put)
			break;
		if (i + 1 < n)
			look_ahead(&p[i + 1]);
		make_near(to + put);
		if (format == WIRE_PCAP) {
			pcapfile_put_packet(to + put, &p[i]);
		} else {
			pcapng_packet_write(to + put, &p[i], size, number);
			s->received[number]++;
		}
		put += size;
		truncated += p[i].caplen < p[i].len;
		first_ns = p[i].ts_ns < first_ns ? p[i].ts_ns : first_ns;
		last_ns = p[i].ts_ns > last_ns ? p[i].ts_ns : last_ns;
	}
	s->first_ns = first_ns;
	s->last_ns = last_ns;
	s->packets += (int64_t)i;
	s->truncated += truncated;
	outfile_advance(s->file, put);
	return i;
}

static int no_memory_for(const struct segment *s, struct err *err)
{
	int r = outfile_error(s->file);

	return r ? segment_failed(s, r, err) : SEGMENT_E_BUSY;
}

/* Where the packet can stand, and *room behind that for more. */
static int make_room(struct segment *s, const struct segment_run *run,
		     const struct pcapng_packet *p, uint8_t **to, size_t *room, struct err *err)
{
	uint64_t now = segment_size(s), size = packet_size(s->format, p);
	uint64_t most = run->max_size ? run->max_size : UINT64_MAX;
	int r;

	if (now + size > most)
		return SEGMENT_E_FULL;
	if (size > SEGMENT_ROOM_STEP)
		return err_set(err, -EMSGSIZE, "a packet of %u bytes is larger than any snaplen",
			       p->caplen);
	if (now + size > s->taken) {
		r = take(s, SEGMENT_ROOM_STEP, err);
		if (r)
			return r;
	}
	*to = outfile_reserve(s->file, size, room);
	if (!*to)
		return no_memory_for(s, err);
	most = most < s->taken ? most : s->taken;
	if (*room > most - now)
		*room = (size_t)(most - now);
	return 0;
}

int segment_add(struct segment *s, const struct segment_run *run, const struct pcapng_packet *p,
		size_t n, size_t *taken, struct err *err)
{
	size_t i = 0;
	int r = 0;

	while (i < n && is_of_run(run, &p[i])) {
		uint8_t *to;
		size_t room;

		r = make_room(s, run, &p[i], &to, &room, err);
		if (r)
			break;
		i += s->format == WIRE_PCAP
			? put_packets(s, WIRE_PCAP, run, p + i, n - i, to, room)
			: put_packets(s, WIRE_PCAPNG, run, p + i, n - i, to, room);
	}
	*taken = i;
	return r;
}

int segment_add_interface(struct segment *s, const struct pcapng_interface *i, uint64_t max_size,
			  struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(SEGMENT_HEADER_MAX);
	uint64_t trailer = s->trailer;
	int r = s->format == WIRE_PCAP ? -EINVAL : pcapng_put_interface(&b, i);

	if (r)
		return err_set(err, r, "%s takes no further interface", s->name);
	set_interfaces(s, s->n_interfaces + 1);
	r = segment_measure_trailer(s);
	if (!r && max_size && segment_size(s) + b.len > max_size)
		r = SEGMENT_E_FULL;
	if (!r)
		r = segment_take_ahead(s, b.len, err);
	if (!r)
		r = outfile_put(s->file, b.data, b.len);
	if (!r)
		return 0;
	s->n_interfaces--;
	s->trailer = trailer;
	return r < 0 ? err_set(err, r, "%s takes no further interface", s->name) : r;
}

bool segment_is_flushed(const struct segment *s)
{
	return outfile_is_flushed(s->file);
}

int segment_tick(struct segment *s, int64_t now_ns, int age_ms, struct err *err)
{
	uint64_t handed = outfile_handed(s->file);
	/* where buffers fill by themselves, half a one would cost the disk as much as a full one */
	bool moves = age_ms && handed != s->handed;
	int r;

	if (!moves && (!age_ms || now_ns - s->clean_ns >= age_ms * NS_PER_MS))
		outfile_flush(s->file);
	if (moves || outfile_is_flushed(s->file))
		s->clean_ns = now_ns;
	s->handed = outfile_handed(s->file);
	r = outfile_error(s->file);
	return r ? segment_failed(s, r, err) : 0;
}

int segment_share(struct segment *s)
{
	int fd;

	if (s->shared == outfile_size(s->file))
		return -1;
	fd = outfile_share(s->file);
	if (fd < 0)
		return -1;
	s->shared = outfile_size(s->file);
	return fd;
}
