/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd_live.c - swarmcap live SELECTOR...: packets of all targets on stdout, while they come
 */
#include "live.h"

#include <errno.h>
#include <unistd.h>

int cmd_live(struct request *r)
{
	struct err err = ERR_INIT;

	if (!r->dry_run && isatty(STDOUT_FILENO)) {
		err_set(&err, -EINVAL, "live writes packets, and stdout is a terminal: pipe it, as in "
			"swarmcap live %s | wireshark -k -i -", r->selectors[0]);
		return cmd_fail(r, EXIT_USAGE, &err);
	}
	return live_run(r, STDOUT_FILENO);
}
