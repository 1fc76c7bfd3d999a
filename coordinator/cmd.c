/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd.c - how a command fails
 */
#include "cmd.h"

#include "log.h"

int cmd_fail(const struct request *r, enum exit_status status, const struct err *err)
{
	log_error("%s", err->text);
	if (r->json) {
		json_t *event = json_pack("{s:s, s:o, s:i}", "event", "error", "message",
					  jx_text(err->text), "exit", (int)status);
		cleanup_free char *line = jx_dump(event);

		json_decref(event);
		puts(line);
		fflush(stdout);
	}
	return status;
}
