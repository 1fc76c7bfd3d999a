/* SPDX-License-Identifier: Apache-2.0
 *
 * extcap.c - what Wireshark calls
 */
#include "extcap.h"

#include "buf.h"
#include "cmd.h"
#include "filter.h"
#include "live.h"
#include "log.h"
#include "version.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

bool extcap_is_called(const char *argv0)
{
	const char *slash = argv0 ? strrchr(argv0, '/') : NULL;
	const char *name = slash ? slash + 1 : argv0;

	return name && strcmp(name, EXTCAP_PROGRAM) == 0;
}

static int list(const struct extcap_call *c)
{
	struct err why = ERR_INIT;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (extcap_list(EXTCAP_LIST_MS, c->verbose, &why) < 0)
		log_debug("no interfaces: %s", why.text);
	curl_global_cleanup();
	return EXIT_OK;
}

static int dlts(const struct extcap_call *c)
{
	extcap_print_dlts(stdout);
	return EXIT_OK;
}

static int config(const struct extcap_call *c)
{
	extcap_print_config(stdout);
	return EXIT_OK;
}

static int help(const struct extcap_call *c)
{
	extcap_help(stdout);
	return EXIT_OK;
}

static int version(const struct extcap_call *c)
{
	puts(EXTCAP_PROGRAM " " SWARMCAP_VERSION);
	return EXIT_OK;
}

/* The answer is the line; see extcap.h. */
static int check(const struct extcap_call *c)
{
	cleanup_buf struct buf line = BUF_INIT(8 * ERR_TEXT_MAX);
	struct err why = ERR_INIT;

	if (filter_check(c->filter, &why) == 0)
		return EXIT_OK;
	buf_add_safe(&line, why.text);
	puts(line.data);
	return EXIT_OK;
}

/* ---- the capture ---- */

/* Waits for dumpcap to open its end; SIGTERM ends that as it ends any program. */
static int open_fifo(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

	return fd < 0 ? err_errno(err, "cannot open the pipe '%s'", path) : fd;
}

/*
 * ^C in tshark's terminal reaches its whole process group, and tshark sends SIGTERM as well: two
 * signals, of which the second one means not to wait for the end. Who calls by hand has a terminal.
 */
static void leave_group(void)
{
	if (!isatty(STDIN_FILENO))
		setpgid(0, 0);
}

static int fail(const struct err *err)
{
	log_error("%s", err->text);
	return EXIT_USAGE;
}

static int capture(const struct extcap_call *c)
{
	cleanup(request_release) struct request r = { 0 };
	cleanup_close int fifo = -1;
	struct err err = ERR_INIT;
	int status;

	leave_group();
	fifo = open_fifo(c->fifo, &err);
	if (fifo < 0 || extcap_request(c, &r, &err) < 0)
		return fail(&err);
	log_init(EXTCAP_PROGRAM, r.verbosity);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = live_run(&r, fifo);
	curl_global_cleanup();
	return status;
}

/* ---- the program ---- */

static int (*const answers[])(const struct extcap_call *c) = {
	[EXTCAP_HELP] = help, [EXTCAP_VERSION] = version, [EXTCAP_INTERFACES] = list,
	[EXTCAP_DLTS] = dlts, [EXTCAP_CONFIG] = config, [EXTCAP_CHECK] = check,
	[EXTCAP_CAPTURE] = capture,
};

int extcap_main(int argc, char **argv)
{
	struct extcap_call c;
	struct err err = ERR_INIT;

	log_init(EXTCAP_PROGRAM, LOG_ERROR);
	if (extcap_parse(argc, argv, &c, &err) < 0)
		return fail(&err);
	log_init(EXTCAP_PROGRAM, c.verbose ? LOG_DEBUG : LOG_ERROR);
	return answers[c.action](&c);
}
