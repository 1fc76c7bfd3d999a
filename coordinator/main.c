/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - swarmcap, the coordinator: settles the process, finds the command, runs it
 */
#include "cmd.h"

#include "child.h"
#include "extcap.h"
#include "log.h"
#include "version.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct {
	const char *name;
	int (*run)(struct request *r);
} commands[] = {
	{ "capture", cmd_capture },
	{ "run", cmd_run },
	{ "start", cmd_start },
	{ "live", cmd_live },
	{ "status", cmd_status },
	{ "stop", cmd_stop },
	{ "fetch", cmd_fetch },
	{ "rm", cmd_rm },
	{ "ls", cmd_ls },
	{ "deploy", cmd_deploy },
	{ "undeploy", cmd_undeploy },
	{ "doctor", cmd_doctor },
	{ "archive info", cmd_archive_info },
	{ "archive verify", cmd_archive_verify },
	{ "archive merge", cmd_archive_merge },
};

/* Nothing that we open may become stdin, stdout or stderr. */
static void settle_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
			_exit(EXIT_FAILED);
}

/*
 * A pipe that closes is an error of write. SIGINT means "stop and gather" even where a shell
 * started us in the background with SIGINT ignored: `swarmcap capture web & ... kill -INT $!`.
 */
static void settle_signals(void)
{
	struct sigaction ignore = { .sa_handler = SIG_IGN }, normal = { .sa_handler = SIG_DFL };
	sigset_t none;

	sigaction(SIGPIPE, &ignore, NULL);
	sigaction(SIGINT, &normal, NULL);
	sigaction(SIGTERM, &normal, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* A connection per node, and files beside them. */
static void settle_limits(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0)
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

static int run(struct request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, r->command))
			return commands[i].run(r);
	return EXIT_USAGE;
}

/* Output that could not be written is a failure, whatever the command thought of itself. */
static int flushed(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	log_error("cannot write to stdout");
	return status == EXIT_OK ? EXIT_FAILED : status;
}

int main(int argc, char **argv)
{
	struct err err = ERR_INIT;
	struct child_before before;
	struct request r;
	int rc;

	child_remember(&before);
	settle_descriptors();
	settle_signals();
	settle_limits();
	umask(077);
	log_init("swarmcap", LOG_INFO);
	if (extcap_is_called(argv[0]))
		return flushed(extcap_main(argc, argv));

	rc = request_parse(argc, argv, &r, &err);
	if (rc == REQUEST_E_HELP) {
		request_help(stdout, r.command);
		rc = EXIT_OK;
	} else if (rc == REQUEST_E_VERSION) {
		puts("swarmcap " SWARMCAP_VERSION);
		rc = EXIT_OK;
	} else if (rc < 0) {
		rc = cmd_fail(&r, EXIT_USAGE, &err);
	} else {
		log_init("swarmcap", r.verbosity);
		curl_global_init(CURL_GLOBAL_DEFAULT);
		r.before = &before;
		rc = run(&r);
		curl_global_cleanup();
	}
	request_release(&r);
	return flushed(rc);
}
