/* SPDX-License-Identifier: Apache-2.0
 *
 * checkup.h - one node's state of health, judged from what its agent said; pure
 */
#ifndef CHECKUP_H
#define CHECKUP_H

#include "agents.h"
#include "probe.h"

/*
 * A node's row: {"node", "node_id", "address", "state", "agent", "certificate_days",
 * "clock_offset_ns", "clock_error_ns", "spool_free", "spool_size", "netns_ok",
 * "captures_running", "captures_unfetched", "problems": [sentence...], "ok"}; null is what is
 * not known. A drained node has no tasks to capture: no agent there is no problem.
 */
json_t *checkup_node(const struct agent *a, int64_t now_ns);
/*
 * Adds to a row what its routes are: "routes": [{"route", "ok", "why"}], "use": the first that is ok, or
 * null. Where no agent is deployed its absence is no problem, but that no route works is one.
 */
void checkup_add_routes(json_t *row, const struct probe *p, bool deployed);
/* Days until then, rounded down; below 0: past. */
int64_t checkup_days(int64_t expires_ns, int64_t now_ns);
/* The table of such rows, for people. */
void checkup_print(FILE *to, const json_t *rows);

#define CHECKUP_DAYS 30		/* a certificate that ends sooner is a problem */

#endif
