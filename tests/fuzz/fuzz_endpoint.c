/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_endpoint.c - host strings of Docker's: whatever is taken can be said again and means the same
 */
#include "endpoint.h"
#include "fuzz.h"
#include "buf.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct endpoint e = ENDPOINT_INIT, again = ENDPOINT_INIT;

	for (int tls = 0; tls <= 1; tls++) {
		if (endpoint_parse(&e, text, tls, NULL) == 0) {
			expect(e.url && e.path);
			expect(e.kind == ENDPOINT_UNIX || (e.host && *e.host));
			expect(e.kind != ENDPOINT_TCP || e.port);
			expect(endpoint_parse(&again, e.url, tls, NULL) == 0);
			expect(again.kind == e.kind && again.port == e.port);
			expect(!strcmp(again.path, e.path));
		}
		endpoint_release(&e);
		endpoint_release(&again);
	}
	free(text);
	return 0;
}
