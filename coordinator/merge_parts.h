/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_parts.h - what the files of the merge share; of no use to others
 */
#ifndef MERGE_PARTS_H
#define MERGE_PARTS_H

#include "merge.h"

#include "capfile.h"
#include "jx.h"

enum merge_form {
	MERGE_AS_IS,			/* the block can be copied */
	MERGE_TURN, MERGE_TURN_BIG,	/* pcapng_turn_packet, of which byte order */
	MERGE_ENCODE,
};

/* A packet in an input's window; its bytes are found by offset, since they move. */
struct merge_packet {
	int64_t ts_ns;			/* corrected */
	uint64_t offset;		/* of the block, or of the record, in the file */
	uint32_t size;			/* of that */
	uint32_t interface;		/* of the output */
	uint32_t data;			/* where the packet's bytes begin, from offset on */
	uint32_t caplen, len, flags;
	enum merge_form form;
};

/* Of one interface of the output. */
struct merge_stats {
	struct pcapng_stats stats;
	char *comment;
	bool is_there;
	const struct merge_stream *of;	/* whose were the last */
	struct pcapng_stats before;	/* the sum of its group's other files before it */
	bool has_before;
};

struct merge_stream {
	const struct merge_input *in;
	struct capfile *file;
	uint64_t read;			/* of a part: so many bytes of it */
	struct merge_packet *window;	/* a ring of MERGE_WINDOW_PACKETS */
	uint32_t head, n, refill;	/* refill: look ahead again when no more are left */
	uint32_t *interfaces, n_interfaces, size;	/* of the current section, in the output */
	int64_t before_ns;		/* of the packet before, corrected, in the file's order */
	int64_t last_ns;		/* of the last one that was handed out */
	bool ended;
	struct merge_report *report;
};

struct merge_names;

/* What is made while merging, beside packets. */
struct merge_work {
	const struct merge_job *job;
	struct buf head;		/* blocks to be written before the next packet */
	struct merge_names *names;
	bool begun;			/* the names found so far are written: others follow at once */
	uint32_t n_interfaces;
	struct merge_stats *stats;	/* n_interfaces of them */
	size_t stats_size;
	json_t *known;			/* interfaces of groups: which one of the output */
	struct merge_stream *streams;
};

/* merge_blocks.c: what an input's blocks become */
/* One that is no packet, to w. 0 or -errno. */
int merge_take_block(struct merge_stream *s, struct merge_work *w, const struct pcapng_block *b,
		     struct err *err);
/* One that is a packet. */
void merge_take_packet(struct merge_stream *s, const struct pcapng_block *b,
		       struct merge_packet *out);
/* As a block of the output; from: its bytes, from p->offset on. */
size_t merge_size(const struct merge_packet *p);
/* Returns merge_size. */
size_t merge_encode(uint8_t *to, const struct merge_packet *p, const uint8_t *from);

/* merge_stream.c: one input's packets, in order, with their place in the output */
void merge_stream_open(struct merge_stream *s, const struct merge_input *in, size_t read_size);
void merge_stream_close(struct merge_stream *s);
/* The next packet, NULL at the end; what stands between packets goes to w. 0 or -errno. */
int merge_stream_peek(struct merge_stream *s, struct merge_work *w,
		      const struct merge_packet **out, struct err *err);
void merge_stream_pop(struct merge_stream *s);

/* merge_names.c: addresses and names, each pair once */
struct merge_names *merge_names_new(void);
void merge_names_free(struct merge_names *n);
/* True: it is a new one. */
bool merge_names_add(struct merge_names *n, const char *address, const char *name);
/* All of them as blocks. 0 or -EFBIG. */
int merge_names_put(const struct merge_names *n, struct buf *b);

#endif
