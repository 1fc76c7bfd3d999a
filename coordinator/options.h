/* SPDX-License-Identifier: Apache-2.0
 *
 * options.h - the two tables behind the command line: commands, and their options
 *
 * Help is a loop over them and so is parsing: what is not in the tables does not exist.
 */
#ifndef OPTIONS_H
#define OPTIONS_H

#include "request.h"

/* Bits of option_row.commands; OPT_ALL are those that have to do with an engine. */
enum {
	OPT_CAPTURE = 1 << 0,
	OPT_FETCH = 1 << 1,
	OPT_RM = 1 << 2,
	OPT_LS = 1 << 3,
	OPT_DEPLOY = 1 << 4,
	OPT_UNDEPLOY = 1 << 5,
	OPT_DOCTOR = 1 << 6,
	OPT_START = 1 << 7,
	OPT_STATUS = 1 << 8,
	OPT_STOP = 1 << 9,
	OPT_RUN = 1 << 10,
	OPT_LIVE = 1 << 11,
	OPT_ALL = (1 << 12) - 1,
	OPT_CAPTURING = OPT_CAPTURE | OPT_START | OPT_RUN,
	OPT_GATHERING = OPT_CAPTURE | OPT_RUN | OPT_FETCH,
	OPT_ID = OPT_FETCH | OPT_RM | OPT_STATUS | OPT_STOP,	/* the operand is a capture's id */
	OPT_HELPER = OPT_CAPTURE | OPT_RUN | OPT_LS | OPT_DOCTOR,
	OPT_PLANNING = OPT_CAPTURING | OPT_LIVE,
	OPT_REACH = OPT_PLANNING | OPT_ID | OPT_LS | OPT_DOCTOR,
	OPT_ARCHIVE_INFO = 1 << 16,
	OPT_ARCHIVE_VERIFY = 1 << 17,
	OPT_ARCHIVE_MERGE = 1 << 18,
	OPT_ARCHIVE = OPT_ARCHIVE_INFO | OPT_ARCHIVE_VERIFY | OPT_ARCHIVE_MERGE,
};

struct command_row {
	const char *name, *shape, *sentence;
	unsigned bit;
	int min_operands, max_operands;
	const char *operand;		/* what an operand is called in a complaint */
	bool takes_files;		/* operands are neither selectors nor an id */
};

/* One option of some commands; a name may stand in several rows with different commands. */
struct option_row {
	const char *name;
	char letter;			/* 0: none */
	const char *arg;		/* NULL: takes none */
	unsigned commands;
	bool global;			/* listed apart, and allowed before the command */
	int (*set)(struct request *r, const char *value, struct err *err);
	const char *sentence;
};

extern const struct command_row options_commands[];
extern const size_t options_n_commands;
extern const struct option_row options_rows[];
extern const size_t options_n_rows;

/* NULL when there is none of that name. */
const struct command_row *options_command(const char *name);

#endif
