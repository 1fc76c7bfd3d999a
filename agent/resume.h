/* SPDX-License-Identifier: Apache-2.0
 *
 * resume.h - a capture outlives its agent
 *
 * An agent that is killed leaves a state file of a running capture; one that is told to end
 * suspends its captures, which leaves the same in good order. The next life goes on with those whose
 * deadline has not passed, nor (attached ones) their lease.
 */
#ifndef RESUME_H
#define RESUME_H

#include "captures.h"

/* What recovery found of a capture that was running; its files are whole. */
struct resume_plan {
	struct wire_arm arm;		/* taken over */
	struct wire_report report;	/* taken over */
	json_t *served;			/* or NULL; a reference is taken */
	struct life life;
};

/* Whether it may go on; arm is filled then. */
bool resume_may(int dirfd, const struct wire_report *r, const struct life *l, struct wire_arm *arm);
/*
 * The capture; it runs, and its targets are opened by another thread. dirfd is taken over.
 * A reference.
 */
struct capture *resume(const struct capture_env *env, int dirfd, struct resume_plan *p);
/* Up to when all packets of a target that does not go on are in its files; wall clock. */
int64_t resume_gap_begin(const struct wire_target *t, const struct life *l);
/* The agent ends: targets end, and the capture is left as running. Returns when that is written. */
void resume_suspend_all(struct captures *r);

#endif
