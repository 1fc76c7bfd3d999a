/* SPDX-License-Identifier: Apache-2.0
 *
 * consent.c - more targets than somebody may have meant: asked for, or refused
 */
#include "consent.h"

#include <errno.h>
#include <string.h>

int consent_targets(const struct request *r, const struct plan *p, bool terminal, FILE *in, FILE *ask,
		    struct err *err)
{
	size_t n = plan_targets(p);
	char answer[16] = "";

	if (r->yes || n <= (size_t)r->max_targets)
		return 0;
	if (!terminal)
		return err_set(err, -EINVAL, "%zu targets on %zu nodes are more than --max-targets %lld: "
			       "narrow it with --node or --tasks, or say --yes", n, p->n_nodes,
			       (long long)r->max_targets);

	fprintf(ask, "%zu targets on %zu nodes will be captured. Go on? [y/N] ", n, p->n_nodes);
	fflush(ask);
	if (fgets(answer, sizeof(answer), in) && (answer[0] == 'y' || answer[0] == 'Y'))
		return 0;
	return err_set(err, -ECANCELED, "nothing was captured");
}
