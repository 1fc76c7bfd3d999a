/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_service.c - any service that a manager shows as the agents': refused, or understood whole
 */
#include "../../coordinator/service.h"
#include "fuzz.h"

#include <string.h>

#include "digest.h"
#include "version.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_service_now struct service_now now = SERVICE_NOW_INIT;
	cleanup_json json_t *root = NULL;
	struct err err = ERR_INIT;
	int rc;

	if (jx_parse((const char *)data, size, "the input", &root, NULL) < 0)
		return 0;
	rc = service_decode(root, &now, &err);
	expect(rc == 0 ? err.code == 0 : rc < 0 && err.code == rc && *err.text);
	if (rc < 0)
		return 0;

	expect(now.port && now.id && now.image && now.listen && now.spec);
	expect(!*now.ca || digest_is_hex(now.ca));
	rc = service_check_ours(&now, &err);
	expect(rc == 0 ? *now.ca && !strcmp(now.name, SWARMCAP_SERVICE) : *err.text != '\0');
	return 0;
}
