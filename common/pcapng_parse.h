/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_parse.h - one whole block's bytes to a struct pcapng_block, inside its section
 */
#ifndef PCAPNG_PARSE_H
#define PCAPNG_PARSE_H

#include "instream.h"
#include "pcapng.h"

#define PCAPNG_TEXTS_MAX 4	/* of one block */

struct pcapng_clock;		/* what an interface's timestamps mean */

/* What the blocks before have said. */
struct pcapng_scope {
	bool open;		/* a section header was read */
	bool big;		/* byte order of the section */
	struct pcapng_clock *clocks;
	uint32_t n, size;	/* interfaces of the section */
	char *texts[PCAPNG_TEXTS_MAX];	/* of the block parsed last */
};

/*
 * block: all of it, with its frame checked. Fills out but for offset. 0, or -EINVAL with what
 * is wrong in *why (static text); section and interfaces are as before then.
 */
int pcapng_parse(struct pcapng_scope *s, const uint8_t *block, uint32_t size,
		 struct pcapng_block *out, const char **why);
/*
 * Is it an enhanced packet block in our byte order, all of which is in `have` bytes, and of which
 * pcapng_parse would not complain? Fills out but for offset.
 */
bool pcapng_parse_plain(const struct pcapng_scope *s, const uint8_t *block, size_t have,
			struct pcapng_plain *out);
void pcapng_scope_release(struct pcapng_scope *s);
/* A reader that goes on from there; the stream is taken over, and empty afterwards. */
struct pcapng_reader *pcapng_reader_take(struct instream *in);
/* As capfile_next_plain. */
bool pcapng_next_plain(struct pcapng_reader *r, struct pcapng_plain *out);
/* What it reads from; the block handed out last has the first `*taken` bytes of data. */
struct instream *pcapng_reader_stream(struct pcapng_reader *r, uint32_t *taken);
/* One more packet in a summary. */
void pcapng_sum_packet(struct pcapng_summary *s, int64_t ts_ns);

#endif
