/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_order.c - which of many inputs is next
 *
 * A tree of losers: at each node stands the input that lost there, and the winner of all is known. An
 * input that has another time plays again only where it has played before: one comparison at each of
 * log2(n) nodes, whose places are known in advance, where a heap needs two that wait for each
 * other. Leaves have no memory: input i would be node n + i, and its parent is (n + i) / 2.
 */
#include "merge_parts.h"

struct player {
	int64_t ts_ns;
	uint64_t input;
};

struct merge_order {
	size_t n;
	struct player first;
	struct player losers[];		/* from 1 on, n - 1 of them */
};

static bool beats(struct player a, struct player b)
{
	/* without a jump: which one is earlier cannot be foreseen */
	return (a.ts_ns < b.ts_ns) | ((a.ts_ns == b.ts_ns) & (a.input < b.input));
}

struct merge_order *merge_order_new(const int64_t *times, size_t n)
{
	struct merge_order *o = xmalloc(sizeof(*o) + n * sizeof(*o->losers));
	cleanup_free struct player *winners = xmalloc(2 * n * sizeof(*winners));

	for (size_t i = 0; i < n; i++)
		winners[n + i] = (struct player){ times[i], i };
	for (size_t i = n - 1; i > 0; i--) {
		struct player a = winners[2 * i], b = winners[2 * i + 1];
		bool is_a = beats(a, b);

		winners[i] = is_a ? a : b;
		o->losers[i] = is_a ? b : a;
	}
	o->n = n;
	o->first = winners[1];		/* of one input its leaf */
	return o;
}

void merge_order_free(struct merge_order *o)
{
	free(o);
}

size_t merge_order_first(const struct merge_order *o, int64_t *ts_ns)
{
	*ts_ns = o->first.ts_ns;
	return o->first.input;
}

void merge_order_change(struct merge_order *o, int64_t ts_ns)
{
	struct player p = { ts_ns, o->first.input };

	for (size_t i = (o->n + p.input) / 2; i > 0; i /= 2) {
		struct player there = o->losers[i];
		bool wins = beats(there, p);

		o->losers[i] = wins ? p : there;
		p = wins ? there : p;
	}
	o->first = p;
}
