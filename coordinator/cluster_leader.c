/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_leader.c - the first question, asked again while the Swarm elects a leader
 *
 * A manager without a leader answers /info with neither nodes nor the Swarm's id, and every
 * other question with an error. When a leader is lost that is so for 10 to 20 s, swarmkit's
 * election timeout (manager/state/raft: ElectionTick 10 of 1 s, drawn anew up to twice that),
 * and as long again if the votes are split.
 */
#include "cluster_parts.h"

#include <string.h>

#include "log.h"

#define STEP_MS 500

bool cluster_lacks_leader(const json_t *info)
{
	return strcmp(jx_str(info, "Swarm.LocalNodeState", ""), "active") == 0 &&
	       jx_bool(info, "Swarm.ControlAvailable", false) &&
	       !*jx_str(info, "Swarm.Cluster.ID", "");
}

int cluster_ask_info(struct engine *e, int wait_ms, json_t **out, struct err *err)
{
	int64_t until = clock_mono_ns() + wait_ms * NS_PER_MS;
	bool told = false;

	for (;;) {
		cleanup_json json_t *info = NULL;
		int rc = cluster_ask(e, "/info", &info, err);

		if (rc < 0)
			return rc;
		if (!cluster_lacks_leader(info) || clock_mono_ns() >= until) {
			*out = take_ptr(&info);
			return 0;
		}
		if (!told)
			log_warn("the Swarm has no leader at the moment: waiting up to %d s for "
				 "its managers to elect one", wait_ms / 1000);
		told = true;
		clock_sleep_ms(STEP_MS);
	}
}
