/* SPDX-License-Identifier: Apache-2.0
 *
 * link_clock.c - how far an agent's clock is from ours
 *
 * The agent read its clock at some moment between our sending and our receiving. Taking the
 * middle is wrong by half the round trip at most, whatever the path: so the probe with the
 * shortest round trip gives the best offset, and its half the bound.
 */
#include "link.h"

#define DRIFT_MAX_PPB 1000000	/* the kernel slews by half of that, a quartz drifts by a tenth */

static bool probe_is_sane(const struct link_probe *p)
{
	return p->sent_ns > 0 && p->received_ns >= p->sent_ns && p->agent_ns > 0;
}

void link_clock_estimate(const struct link_probe *probes, size_t n, struct link_clock *out)
{
	int64_t best = INT64_MAX;

	*out = (struct link_clock){ 0 };
	for (size_t i = 0; i < n; i++) {
		const struct link_probe *p = &probes[i];
		int64_t round_trip;

		if (!probe_is_sane(p))
			continue;
		out->probes++;
		round_trip = p->received_ns - p->sent_ns;
		if (round_trip >= best)
			continue;
		best = round_trip;
		out->offset_ns = p->agent_ns - (p->sent_ns + round_trip / 2);
		out->error_ns = round_trip - round_trip / 2;
		out->at_ns = p->sent_ns + round_trip / 2;
	}
}

static int64_t larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

void link_clock_join(const struct link_clock *first, const struct link_clock *later,
		     struct link_clock *out)
{
	const struct link_clock a = *first, b = *later;
	int64_t took = b.at_ns - a.at_ns, gained;
	double ppb;

	*out = a.probes ? a : b;
	if (!a.probes || !b.probes || took <= 0 ||
	    __builtin_sub_overflow(b.offset_ns, a.offset_ns, &gained))
		return;
	if (llabs(gained) <= a.error_ns + b.error_ns) {
		*out = b.error_ns < a.error_ns ? b : a;
		return;
	}
	ppb = (double)gained * (double)NS_PER_S / (double)took;
	if (ppb > DRIFT_MAX_PPB || ppb < -DRIFT_MAX_PPB) {
		out->error_ns = llabs(gained) + larger(a.error_ns, b.error_ns);
		return;
	}
	out->drift_ppb = (int64_t)ppb;
	out->error_ns = larger(a.error_ns, b.error_ns);
}

int64_t link_clock_offset(const struct link_clock *c, int64_t at_ns)
{
	if (!c->drift_ppb || !at_ns)
		return c->offset_ns;
	return c->offset_ns + (int64_t)((double)(at_ns - c->at_ns) * (double)c->drift_ppb /
					(double)NS_PER_S);
}
