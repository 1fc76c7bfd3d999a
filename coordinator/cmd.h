/* SPDX-License-Identifier: Apache-2.0
 *
 * cmd.h - the commands: a file each, and how they end
 *
 * Each cmd_X(r) does the whole command and returns the exit status. A command that fails
 * does so by `return cmd_fail(r, status, &err)`, which is the only place where an error's
 * sentence is printed.
 */
#ifndef CMD_H
#define CMD_H

#include "cluster.h"
#include "creds.h"
#include "engine.h"
#include "request.h"

enum exit_status {
	EXIT_OK = 0,
	EXIT_FAILED = 1,	/* no archive */
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,	/* an archive, but not of all; a node is not as it should be */
	EXIT_NOTHING = 4,	/* what was selected does not exist, or does not run */
};

int cmd_capture(struct request *r);
int cmd_run(struct request *r);
int cmd_start(struct request *r);
int cmd_live(struct request *r);
int cmd_status(struct request *r);
int cmd_stop(struct request *r);
int cmd_fetch(struct request *r);
int cmd_rm(struct request *r);
int cmd_ls(struct request *r);
int cmd_deploy(struct request *r);
int cmd_undeploy(struct request *r);
int cmd_doctor(struct request *r);
int cmd_archive_info(struct request *r);
int cmd_archive_verify(struct request *r);
int cmd_archive_merge(struct request *r);

/* The event that says so. New reference. */
json_t *cmd_error_event(int status, const struct err *err);
/* Prints err's sentence (as an event too when --json was asked for) and returns status. */
int cmd_fail(const struct request *r, int status, const struct err *err);

#endif
