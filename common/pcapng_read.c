/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_read.c - blocks from a descriptor, and where the last whole one ends
 *
 * A block is looked at in place: it stays in the stream until the next call, which skips it.
 * A section header tells its byte order itself, and its type reads the same in both; any
 * other block is of its section's. A block that cannot be taken stays where it is, so that
 * asking again answers the same.
 */
#include "pcapng.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "instream.h"
#include "pcapng_format.h"
#include "pcapng_parse.h"

struct pcapng_reader {
	struct instream in;
	struct pcapng_scope scope;
	uint32_t taken;			/* bytes of the block handed out last */
};

struct pcapng_reader *pcapng_reader_new(int fd)
{
	struct pcapng_reader *r = xcalloc(1, sizeof(*r));

	r->in = (struct instream)INSTREAM_INIT(fd);
	return r;
}

struct pcapng_reader *pcapng_reader_take(struct instream *in)
{
	struct pcapng_reader *r = xcalloc(1, sizeof(*r));

	r->in = *in;
	*in = (struct instream)INSTREAM_INIT(-1);
	return r;
}

struct instream *pcapng_reader_stream(struct pcapng_reader *r, uint32_t *taken)
{
	*taken = r->taken;
	return &r->in;
}

void pcapng_reader_free(struct pcapng_reader *r)
{
	if (!r)
		return;
	pcapng_scope_release(&r->scope);
	instream_release(&r->in);
	free(r);
}

static int damaged(const struct pcapng_reader *r, struct err *err, const char *why)
{
	return err_set(err, -EINVAL, "damaged at byte %llu: %s",
		       (unsigned long long)r->in.offset, why);
}

/* n bytes of the block at the position. */
static int need(struct pcapng_reader *r, size_t n, struct err *err)
{
	int got = instream_need(&r->in, n);

	if (got < 0)
		return err_set(err, got, "cannot read the capture: %s", strerror(-got));
	if (got == 0)
		return 0;
	if (r->in.have == 0)
		return PCAPNG_E_END;
	err_set(err, -EINVAL, "the capture ends inside a block, at byte %llu",
		(unsigned long long)(r->in.offset + r->in.have));
	return PCAPNG_E_CUT;
}

/* The length that the frame tells, with `big` the order that it is in; 0: none that can be. */
static uint32_t block_size(const uint8_t *p, bool big)
{
	uint32_t size = get32(p + 4, big);

	return size < PCAPNG_FRAME || size % 4 || size > PCAPNG_BLOCK_MAX ? 0 : size;
}

/* All of the block into the stream's memory, and its frame right. */
static int frame(struct pcapng_reader *r, uint32_t *size, struct err *err)
{
	bool section, big = r->scope.big;
	int n = need(r, PCAPNG_FRAME, err);

	if (n != 0)
		return n;
	section = get32(r->in.data, false) == PCAPNG_BLOCK_SECTION;
	if (!section && !r->scope.open)
		return damaged(r, err, "no pcapng file");
	if (section)
		big = get32(r->in.data + 8, true) == PCAPNG_BYTE_ORDER;
	if (section && get32(r->in.data + 8, big) != PCAPNG_BYTE_ORDER)
		return damaged(r, err, "a section header of no known byte order");
	*size = block_size(r->in.data, big);
	if (*size == 0)
		return damaged(r, err, "no block has such a length");

	n = need(r, *size, err);
	if (n != 0)
		return n;
	if (get32(r->in.data + *size - 4, big) != *size)
		return damaged(r, err, "a block's two lengths differ");
	return 0;
}

int pcapng_next(struct pcapng_reader *r, struct pcapng_block *out, struct err *err)
{
	const char *why = NULL;
	uint32_t size = 0;
	int n;

	if (r->taken)
		instream_skip(&r->in, r->taken);
	r->taken = 0;
	n = frame(r, &size, err);
	if (n != 0)
		return n;
	if (pcapng_parse(&r->scope, r->in.data, size, out, &why) < 0)
		return damaged(r, err, why);

	out->offset = r->in.offset;
	r->taken = size;
	return 0;
}

bool pcapng_next_plain(struct pcapng_reader *r, struct pcapng_plain *out)
{
	if (r->taken)
		instream_skip(&r->in, r->taken);
	r->taken = 0;
	if (!pcapng_parse_plain(&r->scope, r->in.data, r->in.have, out))
		return false;
	out->offset = r->in.offset;
	r->taken = out->size;
	return true;
}

void pcapng_sum_packet(struct pcapng_summary *s, int64_t ts_ns)
{
	if (s->packets == 0 || ts_ns < s->first_ns)
		s->first_ns = ts_ns;
	if (s->packets == 0 || ts_ns > s->last_ns)
		s->last_ns = ts_ns;
	s->packets++;
}

static void add_block(struct pcapng_summary *s, const struct pcapng_block *b)
{
	s->whole = b->offset + b->size;
	if (b->kind == PCAPNG_INTERFACE && s->interfaces++ == 0)
		s->link_type = b->interface.link_type;
	if (b->kind == PCAPNG_PACKET)
		pcapng_sum_packet(s, b->packet.ts_ns);
}

int pcapng_summarize(int fd, struct pcapng_summary *out, struct err *err)
{
	struct pcapng_reader *r;
	struct pcapng_block block;
	struct err end = ERR_INIT;
	int n;

	*out = (struct pcapng_summary){ 0 };
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return err_errno(err, "cannot read the capture file from its beginning");

	r = pcapng_reader_new(fd);
	while ((n = pcapng_next(r, &block, &end)) == 0)
		add_block(out, &block);
	pcapng_reader_free(r);

	out->cut = n != PCAPNG_E_END;
	if (n < 0 && n != -EINVAL)
		return err_set(err, n, "%s", end.text);
	return 0;
}
