/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_docker_context.c - a docker context's meta.json
 */
#include "../../coordinator/context.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct endpoint e = ENDPOINT_INIT;

	if (context_decode((const char *)data, size, "n", &e, NULL) == 0 &&
	    (!e.url || !e.context || strcmp(e.context, "n")))
		abort();
	endpoint_release(&e);
	return 0;
}
