/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_creds_file.c - a file of credentials: its parts lie in it, in order, and are PEM blocks
 */
#include "util.h"
#include "fuzz.h"

#include "../../coordinator/creds_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = xcalloc(1, size + 1);
	const char *at = text;
	struct creds_text t;

	memcpy(text, data, size);
	if (creds_file_split(text, &t, NULL) != 0)
		return 0;
	for (int i = 0; i < CREDS_PARTS; i++) {
		expect(t.part[i] >= at);
		at = t.part[i] + t.len[i];
		expect(at <= text + strlen(text));
		expect(str_starts(t.part[i], "-----BEGIN ") && !memcmp(at - 5, "-----", 5));
		expect(!memmem(t.part[i] + 11, t.len[i] - 11, "-----BEGIN ", 11));
	}
	return 0;
}
