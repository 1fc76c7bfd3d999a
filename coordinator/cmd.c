/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd.c - how a command fails
 */
#include "cmd.h"

#include "log.h"

json_t *cmd_error_event(int status, const struct err *err)
{
	return json_pack("{s:s, s:o, s:i}", "event", "error", "message", jx_text(err->text), "exit",
			 status);
}

int cmd_fail(const struct request *r, int status, const struct err *err)
{
	log_error("%s", err->text);
	if (r->json) {
		cleanup_json json_t *event = cmd_error_event(status, err);
		cleanup_free char *line = jx_dump(event);

		puts(line);
		fflush(stdout);
	}
	return status;
}
