/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng.h - the only writer and reader of pcapng in this project
 *
 * Format: draft-ietf-opsawg-pcapng (https://datatracker.ietf.org/doc/draft-ietf-opsawg-pcapng/).
 * Written is little-endian, nanoseconds (if_tsresol 9), one section. Read is both byte orders
 * (each section may change it), any if_tsresol and if_tsoffset, unknown blocks and options
 * skipped, packets in enhanced, simple and the old packet blocks.
 *
 * Encoders append whole blocks to a struct buf and return 0 or -EFBIG (the buffer's ceiling,
 * and then it is unchanged). Texts are written safe for a terminal, cut to what fits.
 * The packet encoder writes straight into memory of the caller, which must have
 * pcapng_packet_size() bytes of room: it is the one on the packet path.
 */
#ifndef PCAPNG_H
#define PCAPNG_H

#include "buf.h"
#include "err.h"

#define PCAPNG_BLOCK_MAX (16u << 20)	/* a larger block is taken for damage */
#define PCAPNG_INTERFACES_MAX 65536	/* of one section; more is taken for damage */
#define PCAPNG_TIME_MAX (1LL << 62)	/* read times are held between 0 and this */
/* epb_flags */
#define PCAPNG_INBOUND 1u
#define PCAPNG_OUTBOUND 2u

struct pcapng_section {
	const char *hardware, *os, *application, *comment;	/* each may be NULL */
};

struct pcapng_interface {
	const char *name, *description;		/* each may be NULL */
	const char *filter;			/* written as a pcap expression; may be NULL */
	uint16_t link_type;			/* LINKTYPE_*, as in files, not DLT_* */
	uint32_t snaplen;
	uint8_t mac[6];
	bool has_mac;
};

struct pcapng_packet {
	uint32_t interface;			/* index in order of the interface blocks */
	int64_t ts_ns;				/* since 1970, UTC */
	uint32_t caplen, len;			/* bytes in data; bytes on the wire */
	const uint8_t *data;
	uint32_t flags;				/* epb_flags; 0: not written */
};

struct pcapng_stats {
	uint32_t interface;
	int64_t ts_ns, start_ns, end_ns;
	/*
	 * < 0: not known, not written. received is isb_ifrecv. dropped is what the kernel dropped:
	 * isb_osdrop by the format's words, isb_ifdrop by those of dumpcap and Wireshark, which
	 * show only that one; so both are written, and either is read.
	 */
	int64_t received, dropped;
	const char *comment;			/* may be NULL */
};

struct pcapng_name {
	const char *address;	/* 10.0.1.5 or fd00::5, also with "/24"; else skipped */
	const char *name;			/* cut to 255 bytes; "" is skipped */
};

int pcapng_put_section(struct buf *b, const struct pcapng_section *s);
int pcapng_put_interface(struct buf *b, const struct pcapng_interface *i);
/* With options behind, as pcapng_other_options makes them; NULL: none. */
int pcapng_put_interface_and(struct buf *b, const struct pcapng_interface *i,
			     const struct buf *options);
/*
 * As many blocks as needed; none when no name is left. Of several names for one address,
 * Wireshark shows the last.
 */
int pcapng_put_names(struct buf *b, const struct pcapng_name *names, size_t n);
int pcapng_put_stats(struct buf *b, const struct pcapng_stats *s);
size_t pcapng_packet_size(uint32_t caplen, uint32_t flags);
/* Returns the bytes written, pcapng_packet_size(). */
size_t pcapng_put_packet(void *out, const struct pcapng_packet *p);

/* ---- reading ---- */

enum pcapng_kind {
	PCAPNG_SECTION, PCAPNG_INTERFACE, PCAPNG_PACKET, PCAPNG_STATS, PCAPNG_NAMES, PCAPNG_OTHER,
};

struct pcapng_block {
	enum pcapng_kind kind;
	uint32_t type;				/* as in the file */
	uint64_t offset;			/* of the block in the file */
	uint32_t size;				/* of the block */
	bool big;				/* byte order of raw */
	/* the block as it stands in the file; of a classic pcap's (capfile.h) NULL */
	const uint8_t *raw;
	/* valid until the next pcapng_next; texts are NUL-terminated copies of the reader */
	struct pcapng_section section;
	struct pcapng_interface interface;	/* of PCAPNG_INTERFACE */
	struct pcapng_packet packet;		/* of PCAPNG_PACKET; simple ones have ts_ns 0 */
	struct pcapng_stats stats;
};

/* Of a packet only where it is, and what decides about its place. */
struct pcapng_plain {
	const uint8_t *raw;			/* the block, as in struct pcapng_block */
	int64_t ts_ns;
	uint64_t offset;
	uint32_t size, interface;
};

struct pcapng_reader;

#define PCAPNG_E_END 1		/* a clean end of file */
#define PCAPNG_E_CUT 2		/* the file ends inside a block; err says at which byte */

/* Reads from fd (any kind: no seeking); fd stays the caller's. NULL is never returned. */
struct pcapng_reader *pcapng_reader_new(int fd);
void pcapng_reader_free(struct pcapng_reader *r);
/*
 * 0, PCAPNG_E_END, PCAPNG_E_CUT, -EINVAL damaged (err says where and how), or -errno of reading
 * (never that one). Whatever is not 0 stays so, but for -EAGAIN of a descriptor that does not
 * block: ask again when there is more. An interface number of a packet or statistics
 * is always one of its section's; a new section begins anew at 0.
 */
int pcapng_next(struct pcapng_reader *r, struct pcapng_block *out, struct err *err);

/*
 * The names of a PCAPNG_NAMES block, in their order: address as text, without a prefix length, and
 * name, both valid for the call only. Records that go past the block end it, others are skipped.
 */
void pcapng_each_name(const struct pcapng_block *b,
		      void (*fn)(void *arg, const char *address, const char *name), void *arg);

/*
 * Appends the options of a PCAPNG_INTERFACE block (not a classic file's) that struct pcapng_interface
 * does not hold, in their order. 0 or -EFBIG.
 */
int pcapng_other_options(const struct pcapng_block *b, struct buf *out);
/*
 * An enhanced packet block of ours from one of either byte order, or from an old packet block, which
 * was read without complaint: of the same size, with all its options. Its interface and its time are
 * the caller's to write over.
 */
void pcapng_turn_packet(uint8_t *to, const uint8_t *from, uint32_t size, bool big);

struct pcapng_summary {
	uint64_t whole;				/* bytes up to the end of the last whole block */
	uint64_t packets;
	int64_t first_ns, last_ns;		/* the least and the greatest; 0 without packets */
	uint32_t interfaces;			/* of all sections */
	uint16_t link_type;			/* of the first interface */
	bool cut;				/* something stood behind `whole` */
};

/*
 * Reads all of fd, from its beginning where it can be sought. 0 or -errno; damage is not an
 * error: it ends `whole`. A file that is no pcapng at all has whole 0 and cut.
 */
int pcapng_summarize(int fd, struct pcapng_summary *out, struct err *err);

#endif
