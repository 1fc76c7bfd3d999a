/* SPDX-License-Identifier: Apache-2.0
 *
 * capfile.c - a capture file of whatever tool, read as pcapng's blocks
 *
 * The first bytes decide. A pcapng file is handed over to its reader, stream and all; a classic
 * one is read here, after a section and an interface that it does not have.
 */
#include "capfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pcapng_format.h"
#include "pcapng_parse.h"
#include "readahead.h"

#define MAGIC_US 0xa1b2c3d4u
#define MAGIC_NS 0xa1b23c4du
#define MAGIC_PATCHED 0xa1b2cd34u
#define FILE_HEADER 24
#define RECORD_HEADER 16
#define RECORD_HEADER_PATCHED 24	/* interface, protocol and direction behind the usual ones */
#define CAPLEN_MAX PCAPNG_BLOCK_MAX

enum stage { UNKNOWN, NG, CLASSIC_SECTION, CLASSIC_INTERFACE, CLASSIC_PACKETS };

struct capfile {
	struct instream in;		/* of all but NG */
	struct pcapng_reader *ng;
	enum stage stage;
	bool big;
	uint32_t per_second;		/* of a classic file */
	uint32_t record_header;
	uint32_t snaplen;
	uint16_t link_type;
	size_t taken;			/* bytes of the record handed out last */
	bool is_part;
	int64_t begin, size;
	int end;			/* what every further call answers */
	struct err why;
};

/* Forms of the classic format: what is read, and what libpcap knows by its magic alone. */
static const struct form {
	uint32_t magic;
	uint32_t per_second, record_header;	/* 0: not read */
	const char *what;
} forms[] = {
	{ MAGIC_US, 1000000, RECORD_HEADER, NULL },
	{ MAGIC_NS, NS_PER_S, RECORD_HEADER, NULL },
	{ MAGIC_PATCHED, 1000000, RECORD_HEADER_PATCHED, NULL },
	{ 0xa1b234cdu, 0, 0, "a modified pcap file of fmesquid's patch" },
	{ 0xa12b3c4du, 0, 0, "a modified pcap file of Navtel" },
};

struct capfile *capfile_new_from(const struct capfile_source *from)
{
	struct capfile *c = xcalloc(1, sizeof(*c));

	c->in = (struct instream)INSTREAM_INIT(from->fd);
	c->in.read = from->read;
	c->in.arg = from->arg;
	c->is_part = from->is_part;
	c->begin = from->begin;
	c->size = from->size;
	if (from->read_size)
		c->in.read_size = from->read_size;
	return c;
}

struct capfile *capfile_new(int fd)
{
	return capfile_new_from(&(struct capfile_source){ .fd = fd });
}

void capfile_free(struct capfile *c)
{
	if (!c)
		return;
	pcapng_reader_free(c->ng);
	instream_release(&c->in);
	free(c);
}

/* NULL: no classic file. *big: its byte order. */
static const struct form *form_of(const uint8_t *head, bool *big)
{
	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		*big = get32(head, true) == forms[i].magic;
		if (*big || get32(head, false) == forms[i].magic)
			return &forms[i];
	}
	return NULL;
}

bool capfile_is(const uint8_t *head, size_t n)
{
	bool big;

	return n >= 4 && (get32(head, false) == PCAPNG_BLOCK_SECTION || form_of(head, &big));
}

static int damaged(struct capfile *c, const char *why)
{
	return err_set(&c->why, -EINVAL, "damaged at byte %llu: %s",
		       (unsigned long long)c->in.offset, why);
}

/* n bytes at the position of a classic file, or of one that nobody knows yet. */
static int need(struct capfile *c, size_t n)
{
	int got = instream_need(&c->in, n);

	if (got < 0)
		return err_set(&c->why, got, "cannot read the capture: %s", strerror(-got));
	if (got == 0)
		return 0;
	if (c->in.have == 0 && c->stage == CLASSIC_PACKETS)
		return PCAPNG_E_END;
	err_set(&c->why, -EINVAL, c->in.offset + c->in.have ?
		"the capture ends inside a packet, at byte %llu" : "the file is empty",
		(unsigned long long)(c->in.offset + c->in.have));
	return PCAPNG_E_CUT;
}

/* ---- what is it? */

static int begin_classic(struct capfile *c, const struct form *form)
{
	const uint8_t *head;
	bool big = c->big;
	int r;

	if (!form->per_second)
		return err_set(&c->why, -EINVAL, "%s: it is not read", form->what);
	r = need(c, FILE_HEADER);
	if (r != 0)
		return r;
	head = c->in.data;
	if (get16(head + 4, big) != 2 || get16(head + 6, big) < 3)
		return err_set(&c->why, -EINVAL,
			       "a pcap file of version %u.%u: only 2.3 and later are read",
			       get16(head + 4, big), get16(head + 6, big));

	c->per_second = form->per_second;
	c->record_header = form->record_header;
	c->snaplen = get32(head + 16, big);
	/* the upper bits tell of frame check sequences */
	c->link_type = (uint16_t)get32(head + 20, big);
	c->taken = FILE_HEADER;
	c->stage = CLASSIC_SECTION;
	return 0;
}

static int begin(struct capfile *c)
{
	const struct form *form;
	int r = need(c, 4);

	if (r != 0)
		return r;
	if (get32(c->in.data, false) == PCAPNG_BLOCK_SECTION) {
		c->ng = pcapng_reader_take(&c->in);
		c->stage = NG;
		return 0;
	}
	form = form_of(c->in.data, &c->big);
	if (form)
		return begin_classic(c, form);
	return err_set(&c->why, -EINVAL, "neither a pcapng nor a pcap file");
}

/* ---- a classic file's blocks */

static int next_packet(struct capfile *c, struct pcapng_block *out)
{
	struct pcapng_packet *p = &out->packet;
	uint32_t fraction;
	int r;

	instream_skip(&c->in, c->taken);
	c->taken = 0;
	r = need(c, c->record_header);
	if (r != 0)
		return r;
	fraction = get32(c->in.data + 4, c->big);
	p->caplen = get32(c->in.data + 8, c->big);
	p->len = get32(c->in.data + 12, c->big);
	if (p->caplen > CAPLEN_MAX)
		return damaged(c, "no packet has such a length");
	if (fraction >= c->per_second)
		return damaged(c, "no second has such a fraction");
	r = need(c, c->record_header + p->caplen);
	if (r != 0)
		return r;

	p->ts_ns = get32(c->in.data, c->big) * NS_PER_S + fraction * (NS_PER_S / c->per_second);
	p->data = c->in.data + c->record_header;
	out->kind = PCAPNG_PACKET;
	out->type = PCAPNG_BLOCK_PACKET;
	out->size = c->record_header + p->caplen;
	c->taken = out->size;
	return 0;
}

static int next_classic(struct capfile *c, struct pcapng_block *out)
{
	int r = 0;

	*out = (struct pcapng_block){ .big = c->big };
	if (c->stage == CLASSIC_SECTION) {
		out->kind = PCAPNG_SECTION;
		out->type = PCAPNG_BLOCK_SECTION;
		c->stage = CLASSIC_INTERFACE;
	} else if (c->stage == CLASSIC_INTERFACE) {
		out->kind = PCAPNG_INTERFACE;
		out->type = PCAPNG_BLOCK_INTERFACE;
		out->interface.link_type = c->link_type;
		out->interface.snaplen = c->snaplen;
		c->stage = CLASSIC_PACKETS;
	} else {
		r = next_packet(c, out);
	}
	out->offset = c->in.offset;
	return r;
}

int capfile_next(struct capfile *c, struct pcapng_block *out, struct err *err)
{
	int r = c->end;

	if (r == 0 && c->stage == UNKNOWN)
		r = begin(c);
	if (r == 0 && c->stage == NG)
		return pcapng_next(c->ng, out, err);
	if (r == 0)
		r = next_classic(c, out);
	if (r != 0 && r != PCAPNG_E_END)
		err_set(err, c->why.code, "%s", c->why.text);
	if (r == -EAGAIN)
		err_reset(&c->why);
	else
		c->end = r;
	return r;
}

bool capfile_next_plain(struct capfile *c, struct pcapng_plain *out)
{
	return c->stage == NG && pcapng_next_plain(c->ng, out);
}

/* ---- looking ahead */

struct capfile_memory {
	struct instream_pool pool;
	struct readahead *ahead;
};

struct capfile_memory *capfile_memory_new(size_t read_size, size_t files)
{
	struct capfile_memory *m = xcalloc(1, sizeof(*m));

	m->pool.size = INSTREAM_LEAD + read_size;
	m->ahead = readahead_new(&m->pool, files);
	return m;
}

void capfile_memory_free(struct capfile_memory *m)
{
	if (!m)
		return;
	readahead_free(m->ahead);
	instream_pool_release(&m->pool);
	free(m);
}

void capfile_settle(struct capfile_memory *m)
{
	instream_pool_settle(&m->pool);
}

void capfile_keep(struct capfile *c, struct capfile_memory *m)
{
	int64_t begin = c->is_part || c->in.read ? c->begin : lseek(c->in.fd, 0, SEEK_CUR);
	struct stat st;

	c->in.pool = &m->pool;
	c->in.read_size = m->pool.size;
	if (!c->in.read && begin >= 0 && fstat(c->in.fd, &st) == 0 && S_ISREG(st.st_mode))
		c->in.ahead = readahead_open(m->ahead, c->in.fd, begin, c->is_part ? c->size : -1);
}

void capfile_drop(struct capfile *c, uint64_t offset)
{
	uint32_t taken;

	instream_drop(c->ng ? pcapng_reader_stream(c->ng, &taken) : &c->in, offset);
}

uint64_t capfile_offset(const struct capfile *c)
{
	uint32_t taken;

	if (c->ng)
		return pcapng_reader_stream(c->ng, &taken)->offset + taken;
	return c->in.offset + c->taken;
}
