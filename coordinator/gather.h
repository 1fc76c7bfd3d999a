/* SPDX-License-Identifier: Apache-2.0
 *
 * gather.h - from stopped captures to one archive: the end of `capture` and of `fetch`
 *
 * Fetches what the nodes hold, writes the manifest and the archive, and only when that is
 * there under its name tells the nodes to drop theirs. Whatever fails before leaves the
 * captures on the nodes, and the error says how to get them.
 */
#ifndef GATHER_H
#define GATHER_H

#include "bundle.h"
#include "cmd.h"
#include "progress.h"

struct gather {
	const struct request *request;
	const struct plan *plan;
	const struct cluster *cluster;
	struct fleet *fleet;
	struct bundle *bundle;
	struct progress *progress;
	int signals;			/* of interrupt_open */
	bool interrupted;		/* by ^C already: the next one leaves the rest */
	const struct confirm *confirm;	/* of fetch; NULL: the fleet's own */
	int64_t start_ns, stop_ns;
	char *summary;			/* out: summary_text of the archive, to be freed; or NULL */
};

/* EXIT_OK or EXIT_PARTIAL: the archive is written and announced; EXIT_FAILED with err. */
enum exit_status gather_archive(struct gather *g, struct err *err);

#endif
