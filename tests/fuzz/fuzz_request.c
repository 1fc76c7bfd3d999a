/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_request.c - any argv, words split at NUL: a request within its bounds, or a sentence
 */
#include "../../coordinator/request.h"
#include "fuzz.h"

#include <string.h>

#define WORDS_MAX 600

static void check(const struct request *r)
{
	if (!r->command || r->n_selectors > REQUEST_SELECTORS_MAX)
		abort();
	if (r->snaplen < 1 || r->snaplen > WIRE_SNAPLEN_MAX)
		abort();
	if (r->duration_ms < 0 || r->duration_ms > WIRE_DEADLINE_MAX_MS || r->max_bytes < 0 || r->max_packets < 0)
		abort();
	if (r->rotate_bytes < 0 || r->rotate_bytes > WIRE_COUNT_MAX || r->rotate_ms < 0 ||
	    r->rotate_ms > WIRE_DEADLINE_MAX_MS || r->keep_files < 0 || r->keep_files > WIRE_FILES_MAX)
		abort();
	if (r->fetch_rate < 0 || r->fetch_rate > WIRE_COUNT_MAX)
		abort();
	if (r->keep_files && !request_rotates(r))
		abort();
	for (size_t i = 0; i < r->n_selectors; i++)
		if (!*r->selectors[i])
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xmalloc(size + 1), *argv[WORDS_MAX + 2] = { (char *)"swarmcap" };
	struct err err = ERR_INIT;
	struct request r;
	int argc = 1, rc;

	if (size)
		memcpy(text, data, size);
	text[size] = 0;
	for (size_t at = 0; at < size && argc <= WORDS_MAX; at += strlen(text + at) + 1)
		argv[argc++] = text + at;

	rc = request_parse(argc, argv, &r, &err);
	if (rc == 0)
		check(&r);
	else if (rc < 0 && !*err.text)
		abort();
	request_release(&r);
	free(text);
	return 0;
}
