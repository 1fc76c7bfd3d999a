/* SPDX-License-Identifier: Apache-2.0
 *
 * consent.h - more targets than somebody may have meant: asked for, or refused
 */
#ifndef CONSENT_H
#define CONSENT_H

#include "plan.h"

/*
 * 0 when the plan has no more than --max-targets, with --yes, or when the answer on the terminal
 * is yes. -ECANCELED: it was no; -EINVAL: there is no terminal to ask. in and ask are what is read
 * and written, as stdin and stderr; terminal: somebody sits there.
 */
int consent_targets(const struct request *r, const struct plan *p, bool terminal, FILE *in, FILE *ask,
		    struct err *err);

#endif
