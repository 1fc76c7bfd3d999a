/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_end.c - a capture file gets its statistics and its name, or what is left of it is rescued
 *
 * A name is given by renaming, and the directory is not synced for it: who notes the file in the
 * same directory syncs that (spool_write_json), and a file that nobody noted is found under its
 * hidden name, whole.
 */
#include "segment_parts.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static int put_trailer(struct buf *b, const struct segment *s, const struct segment_end *end)
{
	int r = 0;

	for (size_t i = 0; !r && i < s->n_interfaces; i++) {
		const struct pcapng_stats one = {
			.interface = (uint32_t)i, .ts_ns = end->end_ns,
			.start_ns = end->start_ns, .end_ns = end->end_ns,
			.received = s->received[i],
			.dropped = i || !s->counts_drops ? -1 : end->dropped,
			.comment = i ? NULL : s->stats_comment,
		};

		r = pcapng_put_stats(b, &one);
	}
	return r;
}

int segment_measure_trailer(struct segment *s)
{
	/* an absent time would not be written */
	const struct segment_end some = { .start_ns = 1, .end_ns = 1 };
	struct buf b = BUF_INIT(SEGMENT_HEADER_MAX);
	int r = put_trailer(&b, s, &some);

	s->trailer = b.len;
	buf_release(&b);
	return r;
}

int segment_failed(const struct segment *s, int r, struct err *err)
{
	errno = -r;
	return err_errno(err, "cannot write %s", s->name);
}

void segment_release(struct segment *s, uint64_t kept)
{
	if (s->room.give)
		s->room.give(s->room.arg, (int64_t)(s->taken - kept));
	free(s->received);
	free(s->name);
	free(s->hidden);
	free(s);
}

int segment_commit(struct segment *s, const struct segment_end *end, struct wire_file *out,
		   struct err *err)
{
	cleanup_buf struct buf trailer = BUF_INIT(SEGMENT_HEADER_MAX);
	int r = put_trailer(&trailer, s, end);

	if (r)
		return err_set(err, r, "the statistics of %s would be too large", s->name);
	r = outfile_put(s->file, trailer.data, trailer.len);
	s->trailer = 0;
	if (!r)
		r = outfile_finish(s->file, out->xxh128);
	if (!r && renameat(s->dirfd, s->hidden, s->dirfd, s->name))
		r = -errno;
	if (r)
		return segment_failed(s, r, err);
	out->name = xstrdup(s->name);
	out->bytes = (int64_t)outfile_size(s->file);
	out->packets = s->packets;
	out->first_ns = s->packets ? s->first_ns : 0;
	out->last_ns = s->packets ? s->last_ns : 0;
	return 0;
}

int segment_rescue(struct segment *s, struct wire_file *out, struct err *err)
{
	int r;

	/* what is with the disk comes first */
	outfile_free(s->file);
	r = segment_salvage(s->dirfd, s->name, out, err);
	segment_release(s, r ? 0 : (uint64_t)out->bytes);
	return r;
}
