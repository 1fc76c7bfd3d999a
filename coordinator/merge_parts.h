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

/* A packet in an input's window. Its bytes stay in their place until merge_flush after its turn. */
struct merge_packet {
	int64_t ts_ns;			/* corrected */
	const uint8_t *from;		/* the block; of MERGE_ENCODE, the packet's bytes */
	uint64_t offset;		/* of the block, or of the record, in the file */
	uint32_t size;			/* of the block in the output */
	uint32_t interface;		/* of the output */
	uint32_t caplen, len, flags;	/* of MERGE_ENCODE */
	enum merge_form form;
};

/* Packets in their order, to be copied in one go: so that what is copied next can come meanwhile. */
#define MERGE_BATCH 64u
#define MERGE_BATCH_BYTES (256u << 10)

struct merge_batch {
	struct merge_packet v[MERGE_BATCH];
	size_t n, bytes;
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
	/* what each packet asks for, in one or two lines of the processor's cache */
	struct merge_packet *window;	/* a ring */
	uint32_t mask, head, n;		/* of the ring */
	uint32_t refill;		/* look ahead again when no more are left */
	int64_t last_ns;		/* of the last one that was handed out */
	uint64_t packets, late;
	bool ended;
	uint32_t *interfaces, n_interfaces, size;	/* of the current section, in the output */
	const struct merge_input *in;
	struct capfile *file;
	int64_t before_ns;		/* of the packet before, corrected, in the file's order */
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
	struct capfile_memory *memory;	/* of all of them */
	uint32_t window_packets, window_bytes;
	struct merge_batch batch;
};

/* merge_blocks.c: what an input's blocks become */
/* One that is no packet, to w. 0 or -errno. */
int merge_take_block(struct merge_stream *s, struct merge_work *w, const struct pcapng_block *b,
		     struct err *err);
/* One that is a packet; its bytes stay where b's are. */
void merge_take_packet(struct merge_stream *s, const struct pcapng_block *b,
		       struct merge_packet *out);

/* merge_stream.c: one input's packets, in order, with their place in the output */
void merge_stream_open(struct merge_stream *s, struct merge_work *w, const struct merge_input *in,
		       struct merge_report *report);
void merge_stream_close(struct merge_stream *s);
/*
 * Looks ahead; what stands between packets goes to w, and what is in the batch may go to the sink. 0 or
 * -errno. To be called whenever merge_stream_wants says so.
 */
int merge_stream_fill(struct merge_stream *s, struct merge_work *w, struct err *err);

static inline bool merge_stream_wants(const struct merge_stream *s)
{
	return s->n <= s->refill && !s->ended;
}

/* The next packet, NULL at the end. */
static inline const struct merge_packet *merge_stream_next(const struct merge_stream *s)
{
	return s->n ? &s->window[s->head] : NULL;
}

static inline void merge_stream_pop(struct merge_stream *s)
{
	int64_t ts_ns = s->window[s->head].ts_ns;

	if (ts_ns < s->last_ns)
		s->late++;
	else
		s->last_ns = ts_ns;
	s->packets++;
	s->head = (s->head + 1) & s->mask;
	s->n--;
}

/* merge_order.c: which input is next */
#define MERGE_ENDED INT64_MAX		/* the time of an input that has no more */

struct merge_order;

/* As many inputs as there are times, 1 or more. */
struct merge_order *merge_order_new(const int64_t *times, size_t n);
void merge_order_free(struct merge_order *o);
/* The one with the earliest time; of equal ones the first. Its time is MERGE_ENDED: all have ended. */
size_t merge_order_first(const struct merge_order *o, int64_t *ts_ns);
/* That one has another time now. */
void merge_order_change(struct merge_order *o, int64_t ts_ns);

/* merge_out.c: packets to the sink */
/* As a block of the output, of p->size bytes. */
void merge_encode(uint8_t *to, const struct merge_packet *p);
/* The batch must have room: after merge_flush it has. */
void merge_put(struct merge_work *w, const struct merge_packet *p);
bool merge_is_due(const struct merge_work *w);
/* What waits: blocks between packets first, then the batch. Memory that was dropped is settled. */
int merge_flush(struct merge_work *w);

/* merge_names.c: addresses and names, each pair once */
struct merge_names *merge_names_new(void);
void merge_names_free(struct merge_names *n);
/* True: it is a new one. */
bool merge_names_add(struct merge_names *n, const char *address, const char *name);
/* All of them as blocks. 0 or -EFBIG. */
int merge_names_put(const struct merge_names *n, struct buf *b);

#endif
