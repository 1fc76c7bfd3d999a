/* SPDX-License-Identifier: Apache-2.0
 *
 * extcap_options.c - how Wireshark calls, and which options of `live` it offers; pure
 */
#include "extcap.h"

#include "options.h"
#include "request.h"
#include "selector.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

#define PREFIX "swarmcap:"
#define ARGS_MAX (2 * EXTCAP_OPTIONS_MAX + 8)

/* ---- what it understands ---- */

enum { INTERFACES = 256, DLTS, CONFIG, CAPTURE, INTERFACE, FILTER, FIFO, IGNORED, OWN };

/* Of the protocol. Ignored: versions tell nothing that we need, and there are no controls. */
static const struct option protocol[] = {
	{ "extcap-interfaces", no_argument, NULL, INTERFACES },
	{ "extcap-dlts", no_argument, NULL, DLTS },
	{ "extcap-config", no_argument, NULL, CONFIG },
	{ "capture", no_argument, NULL, CAPTURE },
	{ "extcap-interface", required_argument, NULL, INTERFACE },
	{ "extcap-capture-filter", required_argument, NULL, FILTER },
	{ "fifo", required_argument, NULL, FIFO },
	{ "extcap-version", optional_argument, NULL, IGNORED },
	{ "extcap-control-in", required_argument, NULL, IGNORED },
	{ "extcap-control-out", required_argument, NULL, IGNORED },
	{ "extcap-reload-option", required_argument, NULL, IGNORED },
	{ "extcap-config-option-name", required_argument, NULL, IGNORED },
	{ "extcap-config-option-value", required_argument, NULL, IGNORED },
	{ "extcap-cleanup-postkill", no_argument, NULL, IGNORED },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ "verbose", no_argument, NULL, 'v' },
};

/* Each is an option of `live`, whose sentence in options.c is shown too. */
static const struct {
	const char *name, *type, *display;
	const char *more;		/* sentences of extcap(4) */
} offered[] = {
	{ "node", "string", "Only on these nodes", "{placeholder=all}" },
	{ "tasks", "string", "Tasks of each service", "{placeholder=all}" },
	{ "interface", "string", "Interface of each task", "{placeholder=all}" },
	{ "snaplen", "unsigned", "Bytes of each packet", "{range=1,261120}{default=261120}" },
	{ "max-targets", "unsigned", "Most targets", "{range=1,100000}{default=256}" },
	{ "delay", "string", "Waiting for older packets", "{default=200ms}" },
	{ "no-follow", "boolflag", "Without tasks that start later", "{default=false}" },
	{ "no-clock-correction", "boolflag", "Timestamps as the nodes' clocks made them",
	  "{default=false}" },
};

static const struct option_row *row_of(const char *name)
{
	const struct command_row *live = options_command("live");

	for (size_t i = 0; live && i < options_n_rows; i++)
		if (!strcmp(options_rows[i].name, name) && options_rows[i].commands & live->bit)
			return &options_rows[i];
	return NULL;
}

static size_t add_offered(struct option *longs)
{
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++)
		longs[i] = (struct option){
			offered[i].name,
			strcmp(offered[i].type, "boolflag") ? required_argument : no_argument, NULL,
			OWN + (int)i,
		};
	return ARRAY_SIZE(offered);
}

/* ---- one call ---- */

static const int actions[] = {
	[EXTCAP_HELP] = 'h', [EXTCAP_VERSION] = 'V', [EXTCAP_INTERFACES] = INTERFACES,
	[EXTCAP_DLTS] = DLTS, [EXTCAP_CONFIG] = CONFIG, [EXTCAP_CHECK] = FILTER,
	[EXTCAP_CAPTURE] = CAPTURE,
};

/* Wireshark passes on what is empty in its dialogue, too. */
static const char *given(const char *value)
{
	return value && !*value ? NULL : value;
}

static void note(struct extcap_call *c, int answer)
{
	switch (answer) {
	case INTERFACE:
		c->interface = optarg;
		break;
	case FILTER:
		c->filter = optarg;
		break;
	case FIFO:
		c->fifo = given(optarg);
		break;
	case 'v':
		c->verbose = true;
		break;
	}
	if (answer >= OWN)
		c->values[answer - OWN] = optarg ? given(optarg) : "";
}

/* The first in the order of the enum: a filter is judged only where nothing else is asked for. */
static int choose(const bool *seen, struct extcap_call *c, struct err *err)
{
	static const enum extcap_action order[] = {
		EXTCAP_HELP, EXTCAP_VERSION, EXTCAP_INTERFACES, EXTCAP_DLTS, EXTCAP_CONFIG,
		EXTCAP_CAPTURE, EXTCAP_CHECK,
	};

	for (size_t i = 0; i < ARRAY_SIZE(order); i++)
		if (seen[order[i]]) {
			c->action = order[i];
			return 0;
		}
	return err_set(err, -EINVAL, "Wireshark calls this with --extcap-interfaces and the like "
		       "(see '" EXTCAP_PROGRAM " --help')");
}

static int check(const struct extcap_call *c, struct err *err)
{
	if (c->action < EXTCAP_DLTS)
		return 0;
	if (!c->interface)
		return err_set(err, -EINVAL, "--extcap-interface is needed, as in swarmcap:web");
	if (!extcap_selector(c->interface))
		return err_set(err, -EINVAL, "'%.64s' is no interface of ours, as swarmcap:web is",
			       c->interface);
	if (c->action == EXTCAP_CAPTURE && !c->fifo)
		return err_set(err, -EINVAL, "--capture: --fifo is needed");
	return 0;
}

int extcap_parse(int argc, char **argv, struct extcap_call *out, struct err *err)
{
	struct option longs[ARRAY_SIZE(protocol) + EXTCAP_OPTIONS_MAX + 1] = { 0 };
	bool seen[ARRAY_SIZE(actions)] = { false };
	int answer, rc;

	_Static_assert(ARRAY_SIZE(offered) <= EXTCAP_OPTIONS_MAX, "options");
	*out = (struct extcap_call){ 0 };
	memcpy(longs, protocol, sizeof(protocol));
	add_offered(longs + ARRAY_SIZE(protocol));
	optind = 0;		/* glibc: start anew */
	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":hv", longs, NULL)) != -1) {
		if (answer == '?' || answer == ':')
			return err_set(err, -EINVAL, "'%.64s': %s (see '" EXTCAP_PROGRAM " --help')",
				       argv[optind - 1], answer == ':' ? "a value is needed" :
				       "not an option, or without the value that it has");
		note(out, answer);
		for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
			seen[i] |= actions[i] == answer;
	}
	rc = choose(seen, out, err);
	if (rc == 0 && optind < argc)
		return err_set(err, -EINVAL, "unexpected '%.64s'", argv[optind]);
	return rc < 0 ? rc : check(out, err);
}

const char *extcap_selector(const char *interface)
{
	struct selector s;
	const char *text;

	if (!str_starts(interface, PREFIX))
		return NULL;
	text = interface + strlen(PREFIX);
	return selector_parse(text, &s, NULL) < 0 || s.exclude ? NULL : text;
}

/* ---- the command that it stands for ---- */

int extcap_request(const struct extcap_call *c, struct request *out, struct err *err)
{
	char *argv[ARGS_MAX], *owned[EXTCAP_OPTIONS_MAX];
	int argc = 0, rc;
	size_t n_owned = 0;

	argv[argc++] = (char *)EXTCAP_PROGRAM;
	argv[argc++] = (char *)"live";
	if (c->filter) {
		argv[argc++] = (char *)"--filter";
		argv[argc++] = (char *)c->filter;
	}
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
		if (!c->values[i])
			continue;
		owned[n_owned] = xasprintf("--%s", offered[i].name);
		argv[argc++] = owned[n_owned++];
		if (*c->values[i])
			argv[argc++] = (char *)c->values[i];
	}
	argv[argc++] = (char *)"--";
	argv[argc++] = (char *)extcap_selector(c->interface);
	argv[argc] = NULL;
	rc = request_parse(argc, argv, out, err);
	for (size_t i = 0; i < n_owned; i++)
		free(owned[i]);
	out->verbosity = c->verbose ? LOG_DEBUG : LOG_WARN;
	if (out->snaplen > EXTCAP_SNAPLEN_MAX)
		out->snaplen = EXTCAP_SNAPLEN_MAX;
	return rc > 0 ? -EINVAL : rc;
}

/* ---- what it offers ---- */

void extcap_print_config(FILE *to)
{
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
		const struct option_row *row = row_of(offered[i].name);

		fprintf(to, "arg {number=%zu}{call=--%s}{display=%s}{type=%s}%s{tooltip=%s}\n", i,
			offered[i].name, offered[i].display, offered[i].type, offered[i].more,
			row ? row->sentence : "");
	}
}

void extcap_help(FILE *to)
{
	fprintf(to, "usage: " EXTCAP_PROGRAM " --extcap-interfaces\n"
		"       " EXTCAP_PROGRAM " --capture --extcap-interface swarmcap:SELECTOR --fifo PATH\n"
		"                       [--extcap-capture-filter EXPR] [OPTION...]\n\n"
		"Services, stacks and nodes of a Docker Swarm as interfaces of Wireshark and tshark,\n"
		"when this is a link to swarmcap in their extcap folder ('tshark -G folders').\n\n");
	for (size_t i = 0; i < ARRAY_SIZE(offered); i++) {
		const struct option_row *row = row_of(offered[i].name);
		cleanup_free char *left = xasprintf("--%s%s%s", offered[i].name,
						    row && row->arg ? " " : "",
						    row && row->arg ? row->arg : "");

		fprintf(to, "      %-22s  %s\n", left, row ? row->sentence : "");
	}
	fprintf(to, "  -v, --%-20s  %s\n      --%-20s  %s\n  -h, --%-20s  %s\n", "verbose",
		"say on stderr why the list is empty, and more", "version", "the program's version",
		"help", "this help; swarmcap(1) tells more");
}
