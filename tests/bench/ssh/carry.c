/* SPDX-License-Identifier: Apache-2.0
 *
 * carry.c - carry HOST COMMAND: its output on stdout, over swarmcap's ssh layer
 */
#include "../../../coordinator/remote.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct remote_place at = { .host = argc == 3 ? argv[1] : "" };
	static char data[1 << 20];
	struct remote_process p;
	struct remote *r = NULL;
	struct err err = ERR_INIT;
	ssize_t n;
	int status;

	signal(SIGPIPE, SIG_IGN);
	if (argc != 3 || remote_open(&r, &at, &err) < 0 || remote_start(r, argv[2], &p, &err) < 0) {
		fprintf(stderr, "carry: %s\n", argc == 3 ? err.text : "HOST COMMAND");
		return 1;
	}
	p.in = util_close(p.in);
	while ((n = read(p.out, data, sizeof(data))) > 0)
		if (util_write_full(STDOUT_FILENO, data, (size_t)n) < 0)
			return 1;
	status = remote_wait(&p, 10000);
	remote_process_release(&p);
	remote_close(r);
	return status < 0 ? 1 : status;
}
