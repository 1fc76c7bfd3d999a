/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_options.c - any command line of the agent: options that hold, or a sentence
 *
 * The input is the arguments, a NUL between two.
 */
#include "../../agent/options.h"
#include "fuzz.h"

#include <errno.h>
#include <string.h>

#define ARGS_MAX 64

static int split(char *text, size_t size, char **argv)
{
	int argc = 0;

	argv[argc++] = (char *)"swarmcap-agent";
	for (char *arg = text; arg < text + size && argc < ARGS_MAX; arg += strlen(arg) + 1)
		argv[argc++] = arg;
	argv[argc] = NULL;
	return argc;
}

static void check(const struct options *o)
{
	expect(o->tls_dir && o->spool && o->netns_dir && o->engine);
	expect(!o->listen || !o->listen_swarm);
	expect(!(o->listen || o->listen_swarm) || o->port);
	expect(o->mode != OPTIONS_DROP_VOLUME || o->volume);
	expect(o->snaplen && o->snaplen <= 262144 && o->beat_s > 0);
	expect(o->ring_bytes >= OPTIONS_RING_BYTES_MIN && o->ring_bytes <= OPTIONS_RING_BYTES_MAX);
	expect(o->quota >= -1 && o->floor >= -1 && o->keep_ms >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xmalloc(size + 1);
	char *argv[ARGS_MAX + 1];
	struct err err = ERR_INIT;
	struct options o;
	int rc;

	if (size)
		memcpy(text, data, size);
	text[size] = '\0';

	rc = options_parse(&o, split(text, size, argv), argv, &err);
	expect(rc == 0 ? err.code == 0 : rc == -EINVAL && err.code == rc && *err.text);
	if (rc == 0)
		check(&o);
	options_release(&o);
	return 0;
}
