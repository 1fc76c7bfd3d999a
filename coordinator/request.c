/* SPDX-License-Identifier: Apache-2.0
 *
 * request.c - argv becomes a request
 *
 * getopt_long runs twice, each time with just the options that the table allows there: once
 * over what stands before the command (global options), once over the rest. An option that
 * getopt does not know is looked up by us to say whose it is.
 */
#include "request.h"

#include "buf.h"
#include "names.h"
#include "options.h"
#include "selector.h"
#include "units.h"
#include "version.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define ROWS_MAX 64
#define HELP_COLUMN 26
#define LONG_BASE 256		/* getopt's answer for the option of row n is LONG_BASE + n */
#define LONG_HELP (LONG_BASE + ROWS_MAX)
#define LONG_VERSION (LONG_HELP + 1)

/* What getopt may find in one of the two runs. */
struct grammar {
	struct option longs[ROWS_MAX + 3];
	char shorts[2 * ROWS_MAX + 4];
	const struct command_row *command;	/* NULL: before the command */
};

static bool grammar_takes(const struct grammar *g, const struct option_row *row)
{
	return g->command ? row->commands & g->command->bit : row->global;
}

static void grammar_init(struct grammar *g, const struct command_row *command)
{
	char *s = g->shorts;
	size_t n = 0;

	*g = (struct grammar){ .command = command };
	/* '+': stop at the command; ':' tells a missing argument from an unknown option */
	if (!command)
		*s++ = '+';
	*s++ = ':';
	*s++ = 'h';
	g->longs[n++] = (struct option){ "help", no_argument, NULL, LONG_HELP };
	if (!command)
		g->longs[n++] = (struct option){ "version", no_argument, NULL, LONG_VERSION };

	for (size_t i = 0; i < options_n_rows && i < ROWS_MAX; i++) {
		const struct option_row *row = &options_rows[i];

		if (!grammar_takes(g, row))
			continue;
		g->longs[n++] = (struct option) { row->name,
						  row->arg ? required_argument : no_argument, NULL,
						  LONG_BASE + (int)i };
		if (row->letter)
			*s++ = row->letter;
		if (row->letter && row->arg)
			*s++ = ':';
	}
}

/* The row behind getopt's answer, or NULL. */
static const struct option_row *grammar_row(const struct grammar *g, int answer)
{
	if (answer >= LONG_BASE && answer < LONG_BASE + (int)options_n_rows)
		return &options_rows[answer - LONG_BASE];
	for (size_t i = 0; i < options_n_rows; i++)
		if (options_rows[i].letter == answer && grammar_takes(g, &options_rows[i]))
			return &options_rows[i];
	return NULL;
}

/* What getopt did not like: text is the word of argv it stopped at. */
static int complain(const struct grammar *g, int answer, char *const *argv, struct err *err)
{
	const char *who = g->command ? g->command->name : "swarmcap";
	const char *word = optind > 0 ? argv[optind - 1] : "";
	const char *sp = g->command ? " " : "";
	const char *of = g->command ? who : "";
	char letter[3] = { '-', (char)optopt, 0 };
	/* optopt is 0 for an unknown long option, and the row's number for one used wrongly */
	bool is_long = optopt == 0 || optopt >= LONG_BASE;
	const char *option = is_long ? word : letter;
	int length = is_long ? (int)strcspn(word, "=") : 2;

	if (answer == ':')
		return err_set(err, -EINVAL,
			       "option '%.*s' needs a value (see 'swarmcap%s%s --help')", length,
			       option, sp, of);
	if (is_long && optopt >= LONG_BASE)
		return err_set(err, -EINVAL,
			       "option '%.*s' takes no value (see 'swarmcap%s%s --help')", length,
			       option, sp, of);
	return err_set(err, -EINVAL, "'%s' has no option '%.*s' (see 'swarmcap%s%s --help')", who,
		       length, option, sp, of);
}

/* One run of getopt; optind is left at the first operand. */
static int parse_options(struct grammar *g, int argc, char **argv, struct request *out,
			 struct err *err)
{
	int answer;

	optind = 0;		/* glibc: start anew */
	opterr = 0;
	while ((answer = getopt_long(argc, argv, g->shorts, g->longs, NULL)) != -1) {
		const struct option_row *row;
		int rc;

		if (answer == LONG_HELP || answer == 'h')
			return REQUEST_E_HELP;
		if (answer == LONG_VERSION)
			return REQUEST_E_VERSION;
		row = answer == '?' || answer == ':' ? NULL : grammar_row(g, answer);
		if (!row)
			return complain(g, answer, argv, err);
		rc = row->set(out, optarg, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int check_id(const struct request *r, const char *operand, struct err *err)
{
	if (!names_is_id(operand))
		return err_set(err, -EINVAL,
			       "%s: '%s' is not a capture id, as in 20261123T143905Z-3fa9c1",
			       r->command, operand);
	return 0;
}

bool request_rotates(const struct request *r)
{
	return r->rotate_bytes || r->rotate_ms;
}

/* What no option can judge alone, since they come in any order. */
static int check_together(const struct request *r, struct err *err)
{
	if (r->keep_files && !request_rotates(r))
		return err_set(err, -EINVAL, "--keep-files: there is but one file without "
			       "--rotate-bytes or --rotate-time");
	if (r->no_clock_correction && !r->merge && !strstr(r->command, "merge") &&
	    strcmp(r->command, "live"))
		return err_set(err, -EINVAL, "--no-clock-correction: it is of --merge, which is not "
			       "given");
	return 0;
}

/* A word may be a list: each name becomes a selector of its own. */
static int add_selectors(struct request *r, const char *word, struct err *err)
{
	char **at = r->owned + r->n_owned;
	struct err why = ERR_INIT;
	size_t n = 0;
	int rc = selector_expand(word, at, REQUEST_SELECTORS_MAX - r->n_selectors, &n, &why);

	r->n_owned += n;
	for (size_t i = 0; i < n; i++)
		r->selectors[r->n_selectors++] = at[i];
	if (rc == -E2BIG)
		return err_set(err, -EINVAL, "%s: more than %d selectors", r->command,
			       REQUEST_SELECTORS_MAX);
	return rc < 0 ? err_set(err, -EINVAL, "%s: %s", r->command, why.text) : 0;
}

static int check_selectors(const struct command_row *command, int argc, char **argv,
			   struct request *out, struct err *err)
{
	bool any = command->min_operands == 0, node = false;

	for (int i = 0; i < argc; i++) {
		int rc = add_selectors(out, argv[i], err);

		if (rc < 0)
			return rc;
	}
	for (size_t i = 0; i < out->n_selectors; i++) {
		any |= *out->selectors[i] != '!';
		node |= str_starts(out->selectors[i], "node:");
	}
	if (out->vxlan && !node)
		return err_set(err, -EINVAL, "--vxlan: it narrows node:, and no node is selected");
	if (!any)
		return err_set(err, -EINVAL, "%s: '%s' leaves out, and nothing is selected: add "
			       "what to leave it out of, as in '*'", out->command,
			       out->selectors[0]);
	return 0;
}

/* "archive merge" are two words of argv. *argc and *argv begin with the last word of the name then. */
static const struct command_row *find_command(int *argc, char ***argv)
{
	const struct command_row *row = options_command((*argv)[0]);
	cleanup_free char *both = NULL;

	if (row || *argc < 2)
		return row;
	both = xasprintf("%s %s", (*argv)[0], (*argv)[1]);
	row = options_command(both);
	*argc -= row ? 1 : 0;
	*argv += row ? 1 : 0;
	return row;
}

/* The sentence names the words that could follow, where any could. */
static int no_command(const char *name, struct err *err)
{
	cleanup_free char *first = xasprintf("%s ", name);
	cleanup_buf struct buf list = BUF_INIT(256);

	for (size_t i = 0; i < options_n_commands; i++)
		if (str_starts(options_commands[i].name, first))
			buf_addf(&list, "%s%s", list.len ? ", " : "", options_commands[i].name);
	if (list.len)
		return err_set(err, -EINVAL, "no command '%s' alone: %s (see 'swarmcap --help')",
			       name, list.data);
	return err_set(err, -EINVAL, "no command '%s' (see 'swarmcap --help')", name);
}

static int check_operands(const struct command_row *command, int argc, char **argv,
			  struct request *out, struct err *err)
{
	if (argc + (int)out->n_selectors < command->min_operands)
		return err_set(err, -EINVAL, "%s: a %s is needed: swarmcap %s %s", command->name,
			       command->operand, command->name, command->shape);
	if (argc > command->max_operands && command->max_operands <= 1)
		return err_set(err, -EINVAL, "%s: unexpected '%s': swarmcap %s%s%s", command->name,
			       argv[command->max_operands], command->name,
			       *command->shape ? " " : "", command->shape);
	if (command->takes_files) {
		out->files = argv;
		out->n_files = (size_t)argc;
		return 0;
	}
	if (command->max_operands > 1)
		return check_selectors(command, argc, argv, out, err);

	for (int i = 0; i < argc; i++) {
		int rc = check_id(out, argv[i], err);

		if (rc < 0)
			return rc;
		out->selectors[out->n_selectors++] = argv[i];
	}
	return 0;
}

/*
 * `run` takes a command behind "--". It is cut off before getopt, which puts operands last and
 * would leave nothing to tell them apart by. 0; argc is what is left.
 */
static int cut_child(struct request *r, int *argc, char **argv, struct err *err)
{
	int at = 1;

	while (at < *argc && strcmp(argv[at], "--"))
		at++;
	if (at + 1 < *argc) {
		r->child = &argv[at + 1];
		*argc = at;
		return 0;
	}
	for (int i = 1; i < *argc; i++)
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h"))
			return REQUEST_E_HELP;
	return err_set(err, -EINVAL, "run: a command is needed: swarmcap run SELECTOR... -- "
		       "COMMAND...");
}

int request_parse(int argc, char **argv, struct request *out, struct err *err)
{
	const struct command_row *command;
	struct grammar g;
	int rc;

	*out = (struct request){
		.snaplen = WIRE_SNAPLEN_MAX, .verbosity = LOG_INFO,
		.max_targets = REQUEST_MAX_TARGETS, .delay_ms = REQUEST_DELAY_MS,
	};

	grammar_init(&g, NULL);
	rc = parse_options(&g, argc, argv, out, err);
	if (rc != 0)
		return rc;
	if (optind >= argc)
		return err_set(err, -EINVAL, "a command is needed (see 'swarmcap --help')");

	argv += optind;
	argc -= optind;
	command = find_command(&argc, &argv);
	if (!command)
		return no_command(argv[0], err);
	out->command = command->name;

	grammar_init(&g, command);
	rc = command->bit & OPT_RUN ? cut_child(out, &argc, argv, err) : 0;
	if (rc == 0)
		rc = parse_options(&g, argc, argv, out, err);
	if (rc == 0)
		rc = check_together(out, err);
	if (rc != 0)
		return rc;
	return check_operands(command, argc - optind, argv + optind, out, err);
}

void request_release(struct request *r)
{
	free(r->filter);
	free(r->filter_resolved);
	for (size_t i = 0; i < r->n_owned; i++)
		free(r->owned[i]);
	*r = (struct request){ 0 };
}

static void help_row(FILE *to, const struct option_row *row)
{
	char left[64], letter[8] = "    ";

	if (row->letter)
		snprintf(letter, sizeof(letter), "-%c, ", row->letter);
	snprintf(left, sizeof(left), "%s--%s%s%s", letter, row->name, row->arg ? " " : "",
		 row->arg ? row->arg : "");
	fprintf(to, "  %-*s  %s\n", HELP_COLUMN, left, row->sentence);
}

static void help_options(FILE *to, unsigned commands, bool global)
{
	for (size_t i = 0; i < options_n_rows; i++)
		if (options_rows[i].global == global && options_rows[i].commands & commands)
			help_row(to, &options_rows[i]);
}

static void help_program(FILE *to)
{
	fprintf(to,
		"usage: swarmcap COMMAND [OPTION...] [OPERAND...]\n\n"
		"Captures the packets of whole Docker Swarm services, on every node at once.\n\n");
	for (size_t i = 0; i < options_n_commands; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%s %s", options_commands[i].name,
			 options_commands[i].shape);
		fprintf(to, "  %-*s  %s\n", HELP_COLUMN, left, options_commands[i].sentence);
	}
	fprintf(to, "\nGlobal options:\n");
	help_options(to, OPT_ALL, true);
	fprintf(to, "  %-*s  %s\n  %-*s  %s\n\n", HELP_COLUMN, "-h, --help",
		"this help, or a command's", HELP_COLUMN, "    --version", "the program's version");
	fprintf(to, "'swarmcap COMMAND --help' tells more; so does swarmcap(1).\n");
}

void request_help(FILE *to, const char *command)
{
	const struct command_row *row = command ? options_command(command) : NULL;

	if (!row) {
		help_program(to);
		return;
	}
	fprintf(to, "usage: swarmcap %s [OPTION...]%s%s\n\n%s\n\n", row->name,
		*row->shape ? " " : "", row->shape, row->sentence);
	help_options(to, row->bit, false);
	fprintf(to, "\nGlobal options:\n");
	help_options(to, row->bit, true);
	fprintf(to, "  %-*s  %s\n", HELP_COLUMN, "-h, --help", "this help");
}
