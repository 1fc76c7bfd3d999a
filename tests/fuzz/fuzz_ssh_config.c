/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_ssh_config.c - what `ssh -G` prints
 */
#include "../../coordinator/remote_config.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = strndup((const char *)data, size);
	struct remote_config c;

	if (remote_config_decode(&c, text, "/home/me", NULL) == 0 &&
	    (!c.hostname || !c.user || !c.port || c.identity_files[REMOTE_FILES_MAX - 1]))
		abort();
	remote_config_release(&c);
	free(text);
	return 0;
}
