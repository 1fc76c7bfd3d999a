/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_write.c - blocks as bytes, little-endian, nanoseconds
 *
 * A block is made in a buffer of its own and added to the caller's in one piece, so that a
 * ceiling never leaves half of one. Texts come from host names, container names and interfaces
 * that a container may name as it likes: they are written with control characters as \xNN.
 */
#include "pcapng.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>

#include "pcapng_packet.h"
#include "utf8.h"

#define OPTION_MAX 65535u
#define NAME_MAX_BYTES 255u		/* of a DNS name; tshark keeps no longer one */
#define NAMES_BLOCK_MAX (1u << 20)	/* the next block takes what comes behind */
#define TS_NANOSECONDS 9

/* Nothing that is put into one block comes near its ceiling. */
static void block_begin(struct buf *k, uint32_t type)
{
	uint8_t head[8];

	*k = (struct buf)BUF_INIT(PCAPNG_BLOCK_MAX);
	put32(put32(head, type), 0);
	buf_add(k, head, sizeof(head));
}

static void block_add16(struct buf *k, uint16_t v)
{
	uint8_t bytes[2];

	put16(bytes, v);
	buf_add(k, bytes, sizeof(bytes));
}

static void block_add32(struct buf *k, uint32_t v)
{
	uint8_t bytes[4];

	put32(bytes, v);
	buf_add(k, bytes, sizeof(bytes));
}

/* As the format writes times: the high half first. */
static void block_add_time(struct buf *k, int64_t ns)
{
	uint64_t t = ns < 0 ? 0 : (uint64_t)ns;

	block_add32(k, (uint32_t)(t >> 32));
	block_add32(k, (uint32_t)t);
}

static void block_pad(struct buf *k)
{
	buf_add(k, "\0\0", pcapng_padded(k->len) - k->len);
}

static int block_end(struct buf *k, struct buf *out)
{
	uint32_t size = (uint32_t)k->len + 4;
	int r;

	block_add32(k, size);
	put32((uint8_t *)k->data + 4, size);
	r = buf_add(out, k->data, k->len);
	buf_release(k);
	return r;
}

/* ---- options ---- */

static void add_option(struct buf *k, uint16_t code, const void *p, size_t n)
{
	block_add16(k, code);
	block_add16(k, (uint16_t)n);
	buf_add(k, p, n);
	block_pad(k);
}

/* prefix: what stands in front of the text inside the option, "" or one byte. */
static void add_text(struct buf *k, uint16_t code, const char *prefix, size_t n_prefix,
		     const char *text)
{
	cleanup_buf struct buf b = BUF_INIT(8 * OPTION_MAX);
	cleanup_free char *cut = NULL;

	if (!text || !*text)
		return;
	cut = xstrdup(text);
	cut[utf8_cut(text, OPTION_MAX)] = '\0';
	buf_add(&b, prefix, n_prefix);
	buf_add_safe(&b, cut);
	add_option(k, code, b.data,
		   n_prefix + utf8_cut(b.data + n_prefix, OPTION_MAX - n_prefix));
}

static void add_time(struct buf *k, uint16_t code, int64_t ns)
{
	if (ns <= 0)
		return;
	block_add16(k, code);
	block_add16(k, 8);
	block_add_time(k, ns);
}

static void add_counter(struct buf *k, uint16_t code, int64_t n)
{
	uint64_t v = htole64((uint64_t)n);

	if (n >= 0)
		add_option(k, code, &v, sizeof(v));
}

static void end_options(struct buf *k)
{
	add_option(k, PCAPNG_OPT_END, "", 0);
}

/* ---- blocks ---- */

int pcapng_put_section(struct buf *b, const struct pcapng_section *s)
{
	struct buf k;

	block_begin(&k, PCAPNG_BLOCK_SECTION);
	block_add32(&k, PCAPNG_BYTE_ORDER);
	block_add16(&k, 1);			/* version 1.0 */
	block_add16(&k, 0);
	block_add32(&k, UINT32_MAX);		/* length of the section: not known */
	block_add32(&k, UINT32_MAX);
	add_text(&k, PCAPNG_OPT_COMMENT, "", 0, s->comment);
	add_text(&k, PCAPNG_SHB_HARDWARE, "", 0, s->hardware);
	add_text(&k, PCAPNG_SHB_OS, "", 0, s->os);
	add_text(&k, PCAPNG_SHB_APPLICATION, "", 0, s->application);
	end_options(&k);
	return block_end(&k, b);
}

int pcapng_put_interface(struct buf *b, const struct pcapng_interface *i)
{
	return pcapng_put_interface_and(b, i, NULL);
}

int pcapng_put_interface_and(struct buf *b, const struct pcapng_interface *i,
			     const struct buf *options)
{
	const uint8_t resolution = TS_NANOSECONDS;
	struct buf k;

	block_begin(&k, PCAPNG_BLOCK_INTERFACE);
	block_add16(&k, i->link_type);
	block_add16(&k, 0);
	block_add32(&k, i->snaplen);
	add_text(&k, PCAPNG_IF_NAME, "", 0, i->name);
	add_text(&k, PCAPNG_IF_DESCRIPTION, "", 0, i->description);
	if (i->has_mac)
		add_option(&k, PCAPNG_IF_MAC, i->mac, sizeof(i->mac));
	add_option(&k, PCAPNG_IF_TSRESOL, &resolution, 1);
	add_text(&k, PCAPNG_IF_FILTER, "\0", 1, i->filter);
	if (options)
		buf_add(&k, options->data, options->len);
	end_options(&k);
	return block_end(&k, b);
}

int pcapng_put_stats(struct buf *b, const struct pcapng_stats *s)
{
	struct buf k;

	block_begin(&k, PCAPNG_BLOCK_STATS);
	block_add32(&k, s->interface);
	block_add_time(&k, s->ts_ns);
	add_text(&k, PCAPNG_OPT_COMMENT, "", 0, s->comment);
	add_time(&k, PCAPNG_ISB_START, s->start_ns);
	add_time(&k, PCAPNG_ISB_END, s->end_ns);
	add_counter(&k, PCAPNG_ISB_RECEIVED, s->received);
	add_counter(&k, PCAPNG_ISB_IFDROP, s->dropped);
	add_counter(&k, PCAPNG_ISB_OSDROP, s->dropped);
	end_options(&k);
	return block_end(&k, b);
}

/* ---- names ---- */

/* The length of the address in bytes (4 or 16), 0 for none. */
static size_t parse_address(const char *text, uint8_t out[16])
{
	char bare[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "/");

	if (n >= sizeof(bare))
		return 0;
	memcpy(bare, text, n);
	bare[n] = '\0';
	if (inet_pton(AF_INET, bare, out) == 1)
		return 4;
	return inet_pton(AF_INET6, bare, out) == 1 ? 16 : 0;
}

static void add_name(struct buf *k, const struct pcapng_name *name)
{
	cleanup_buf struct buf b = BUF_INIT(8 * NAME_MAX_BYTES);
	cleanup_free char *cut = xstrdup(name->name);
	uint8_t address[16];
	size_t n_address = parse_address(name->address, address);
	size_t n_text;

	if (!n_address || !*cut)
		return;
	cut[utf8_cut(name->name, NAME_MAX_BYTES)] = '\0';
	buf_add_safe(&b, cut);
	n_text = utf8_cut(b.data, NAME_MAX_BYTES);

	block_add16(k, n_address == 4 ? PCAPNG_NAME_IPV4 : PCAPNG_NAME_IPV6);
	block_add16(k, (uint16_t)(n_address + n_text + 1));
	buf_add(k, address, n_address);
	buf_add(k, b.data, n_text);
	buf_add(k, "", 1);
	block_pad(k);
}

int pcapng_put_names(struct buf *b, const struct pcapng_name *names, size_t n)
{
	size_t i = 0;
	int r = 0;

	while (r == 0 && i < n) {
		struct buf k;
		size_t empty;

		block_begin(&k, PCAPNG_BLOCK_NAMES);
		empty = k.len;
		for (; i < n && k.len < NAMES_BLOCK_MAX; i++)
			add_name(&k, &names[i]);
		if (k.len == empty) {
			buf_release(&k);
			continue;
		}
		add_option(&k, PCAPNG_NAME_END, "", 0);
		r = block_end(&k, b);
	}
	return r;
}

/* ---- the packet path ---- */

size_t pcapng_packet_size(uint32_t caplen, uint32_t flags)
{
	const struct pcapng_packet p = { .caplen = caplen, .flags = flags };

	return pcapng_packet_bytes(&p);
}

size_t pcapng_put_packet(void *out, const struct pcapng_packet *p)
{
	size_t size = pcapng_packet_bytes(p);

	pcapng_packet_write(out, p, size, p->interface);
	return size;
}
