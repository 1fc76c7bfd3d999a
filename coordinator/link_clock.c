/* SPDX-License-Identifier: Apache-2.0
 *
 * link_clock.c - how far an agent's clock is from ours
 *
 * The agent read its clock at some moment between our sending and our receiving. Taking the
 * middle is wrong by half the round trip at most, whatever the path: so the probe with the
 * shortest round trip gives the best offset, and its half the bound.
 */
#include "link.h"

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
	}
}
