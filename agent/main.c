/* SPDX-License-Identifier: Apache-2.0
 *
 * main.c - swarmcap-agent: captures on one node for swarmcap
 *
 * Signals are blocked before the first thread starts and read by sigwait, so no code runs in a
 * handler. What the agent needs of privileges it has from the service (SYS_ADMIN and NET_RAW);
 * files are made for nobody else to read.
 */
#include "dial.h"
#include "log.h"
#include "modes.h"
#include "pour.h"
#include "serve.h"
#include "version.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static void settle_process(void)
{
	sigset_t set;
	int fd;

	do {		/* 0, 1 and 2 belong to nobody else */
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	util_close(fd);
	umask(077);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int run(const struct options *o, struct err *err)
{
	switch (o->mode) {
	case OPTIONS_HEALTH:
		return modes_health(o, err);
	case OPTIONS_DROP_VOLUME:
		return modes_drop_volume(o, err);
	case OPTIONS_DIAL:
		return dial(o->socket, err);
	case OPTIONS_SNIFF:
		return pour(o, err);
	case OPTIONS_HELP:
		options_print_help(stdout);
		return 0;
	case OPTIONS_VERSION:
		puts("swarmcap-agent " SWARMCAP_VERSION);
		return 0;
	case OPTIONS_SERVE:
		break;
	}
	return serve(o, err);
}

int main(int argc, char **argv)
{
	struct options o;
	struct err err = ERR_INIT;
	int r;

	settle_process();
	log_init("swarmcap-agent", LOG_INFO);
	r = options_parse(&o, argc, argv, &err);
	if (!r && o.verbose)
		log_init("swarmcap-agent", LOG_DEBUG);
	if (r) {
		log_error("%s", err.text);
		options_release(&o);
		return 2;
	}
	r = run(&o, &err);
	if (r)
		log_error("%s", err.text);
	options_release(&o);
	return r ? 1 : 0;
}
