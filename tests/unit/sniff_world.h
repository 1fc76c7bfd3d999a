/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_world.h - a sniff and what it hands over, for the tests of it
 */
#ifndef SNIFF_WORLD_H
#define SNIFF_WORLD_H

#include "agent_world.h"
#include "../../agent/sniff_inside.h"
#include "../../agent/ring.h"

static bool root;

struct seen {
	int n, limit, refuse;		/* refuse: from this packet on nothing is taken; 0: never */
	uint32_t caplen, len, interface;
	int64_t last_ns;
	bool ordered;
	int notes, each[8];
	int counter;			/* the next number that a payload of world_send may carry */
	int gaps, repeats;
};

/* world_send numbers its payloads. */
static inline void look_at_number(struct seen *s, const struct pcapng_packet *p)
{
	int number;

	if (p->caplen < WORLD_FRAME)
		return;
	memcpy(&number, p->data + WORLD_FRAME - WORLD_PAYLOAD, sizeof(number));
	s->gaps += number > s->counter;
	s->repeats += number < s->counter;
	s->counter = number + 1;
}

/* > 0: it was the last one; < 0: it was not taken. */
static inline int count_one(struct seen *s, const struct pcapng_packet *p)
{
	if (s->refuse && s->n + 1 >= s->refuse)
		return -1;
	s->ordered &= p->ts_ns >= s->last_ns;
	s->last_ns = p->ts_ns;
	s->caplen = p->caplen;
	s->len = p->len;
	s->interface = p->interface;
	s->each[p->interface % 8]++;
	look_at_number(s, p);
	s->n++;
	return s->limit && s->n == s->limit;
}

static inline bool count(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	int r = 0;

	for (*taken = 0; !r && *taken < n; *taken += r >= 0)
		r = count_one(arg, &p[*taken]);
	return !r;
}

static inline void note(void *arg, const char *text)
{
	((struct seen *)arg)->notes++;
}

/* A sniff with its program, bound. */
struct made {
	struct program *program;
	struct sniff *sniff;
};

static inline struct made make(struct sniff_options o)
{
	struct made m = { 0 };
	struct err err = ERR_INIT;

	o.ring_bytes = o.ring_bytes ? o.ring_bytes : 1 << 20;
	o.retire_ms = o.retire_ms ? o.retire_ms : SNIFF_RETIRE_MS;
	o.snaplen = o.snaplen ? o.snaplen : 262144;
	if (program_new(&m.program, o.filter, o.snaplen, &err))
		fail_msg("%s", err.text);
	o.program = m.program;
	if (sniff_open(&m.sniff, &o, &err))
		fail_msg("%s", err.text);
	assert_int_equal(sniff_bind(m.sniff, &err), 0);
	return m;
}

static inline struct made open_with(const char *filter, uint32_t snaplen)
{
	return make((struct sniff_options){ .interface = "lo", .filter = filter, .snaplen = snaplen });
}

static inline void unmake(struct made *m)
{
	sniff_close(m->sniff);
	program_free(m->program);
}

/* Until all is there; the result of the last call. */
static inline int drain(struct made *m, struct seen *seen)
{
	struct err err = ERR_INIT;
	int r;

	sniff_halt(m->sniff);
	sniff_settle();
	for (int i = 0; (r = sniff_drain(m->sniff, count, seen, &err)) == SNIFF_E_LATER; i++) {
		assert_true(i < 5000);
		clock_sleep_ms(1);
	}
	return r;
}

static inline uint64_t dropped(struct made *m)
{
	struct sniff_counts c;

	sniff_counts(m->sniff, &c);
	return c.dropped;
}

static inline void *grow(void *arg)
{
	struct made *m = arg;
	struct err err = ERR_INIT;

	if (sniff_grow(m->sniff, &err))
		fail_msg("%s", err.text);
	return NULL;
}

static inline int set_up(void **state)
{
	root = world_enter();
	return 0;
}

#endif
