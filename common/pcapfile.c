/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapfile.c - classic pcap files: written with nanoseconds, read to be summed up
 */
#include "pcapfile.h"

#include <errno.h>
#include <unistd.h>

#include "instream.h"
#include "pcapng_format.h"
#include "pcapng_parse.h"

#define MAGIC_NS 0xa1b23c4du
#define MAGIC_US 0xa1b2c3d4u
#define RECORD_HEADER 16
#define CAPLEN_MAX PCAPNG_BLOCK_MAX

int pcapfile_put_header(struct buf *b, uint16_t link_type, uint32_t snaplen)
{
	uint8_t head[PCAPFILE_HEADER_SIZE] = { 0 };

	put16(put16(put32(head, MAGIC_NS), 2), 4);
	put32(put32(head + 16, snaplen), link_type);
	return buf_add(b, head, sizeof(head));
}

size_t pcapfile_packet_size(uint32_t caplen)
{
	return RECORD_HEADER + (size_t)caplen;
}

size_t pcapfile_put_packet(void *out, const struct pcapng_packet *p)
{
	int64_t ts = p->ts_ns < 0 ? 0 : p->ts_ns;
	uint8_t *at = out;

	at = put32(at, (uint32_t)(ts / NS_PER_S));
	at = put32(at, (uint32_t)(ts % NS_PER_S));
	at = put32(at, p->caplen);
	at = put32(at, p->len);
	if (p->caplen)
		memcpy(at, p->data, p->caplen);
	return pcapfile_packet_size(p->caplen);
}

/* ---- reading ---- */

struct form {
	bool big;
	uint32_t per_second;	/* 0: no pcap file */
};

static struct form form_of(const uint8_t *head)
{
	for (int big = 0; big <= 1; big++) {
		uint32_t magic = get32(head, big);

		if (magic == MAGIC_NS || magic == MAGIC_US)
			return (struct form){ big, magic == MAGIC_NS ? NS_PER_S : 1000000 };
	}
	return (struct form){ false, 0 };
}

/* The size of the record at the position, which has RECORD_HEADER bytes; 0: that is none. */
static size_t record_size(const uint8_t *p, const struct form *form)
{
	uint32_t fraction = get32(p + 4, form->big), caplen = get32(p + 8, form->big);

	if (fraction >= form->per_second || caplen > CAPLEN_MAX || get32(p + 12, form->big) == 0)
		return 0;
	return pcapfile_packet_size(caplen);
}

static int64_t time_of(const uint8_t *p, const struct form *form)
{
	return get32(p, form->big) * NS_PER_S +
	       get32(p + 4, form->big) * (NS_PER_S / form->per_second);
}

static int sum_up(struct instream *in, const struct form *form, struct pcapng_summary *out)
{
	for (;;) {
		size_t size;
		int r = instream_need(in, RECORD_HEADER);

		if (r != 0)
			return r;
		size = record_size(in->data, form);
		if (size == 0)
			return INSTREAM_E_SHORT;
		r = instream_need(in, size);
		if (r != 0)
			return r;

		pcapng_sum_packet(out, time_of(in->data, form));
		instream_skip(in, size);
		out->whole = in->offset;
	}
}

static int summarize(struct instream *in, struct pcapng_summary *out)
{
	struct form form;
	int r = instream_need(in, PCAPFILE_HEADER_SIZE);

	if (r != 0)
		return r;
	form = form_of(in->data);
	if (form.per_second == 0)
		return INSTREAM_E_SHORT;

	out->interfaces = 1;
	out->link_type = get16(in->data + (form.big ? 22 : 20), form.big);
	instream_skip(in, PCAPFILE_HEADER_SIZE);
	out->whole = in->offset;
	return sum_up(in, &form, out);
}

int pcapfile_summarize(int fd, struct pcapng_summary *out, struct err *err)
{
	struct instream in = INSTREAM_INIT(fd);
	int r;

	*out = (struct pcapng_summary){ 0 };
	if (lseek(fd, 0, SEEK_SET) < 0 && errno != ESPIPE)
		return err_errno(err, "cannot read the capture file from its beginning");

	r = summarize(&in, out);
	out->cut = in.have > 0;
	instream_release(&in);
	if (r < 0)
		return err_set(err, r, "cannot read the capture file: %s", strerror(-r));
	return 0;
}
