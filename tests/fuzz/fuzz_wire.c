/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_wire.c - requests and reports: what is decoded survives encoding and decoding unchanged
 */
#include "wire.h"
#include "fuzz.h"

#include <string.h>

static void expect_same(json_t *first, json_t *second)
{
	if (!json_equal(first, second))
		abort();
	json_decref(first);
	json_decref(second);
}

static json_t *arm_again(const json_t *j)
{
	struct err err = ERR_INIT;
	struct wire_arm a;
	json_t *out = NULL;

	if (wire_arm_decode(j, &a, &err) == 0)
		out = wire_arm_encode(&a);
	else if (!*err.text)
		abort();
	wire_arm_release(&a);
	return out;
}

static json_t *report_again(const json_t *j)
{
	struct err err = ERR_INIT;
	struct wire_report r;
	json_t *out = NULL;

	if (wire_report_decode(j, &r, &err) == 0)
		out = wire_report_encode(&r);
	else if (!*err.text)
		abort();
	wire_report_release(&r);
	return out;
}

static json_t *info_again(const json_t *j)
{
	struct wire_info i;
	json_t *out = NULL;

	if (wire_info_decode(j, &i, NULL) == 0)
		out = wire_info_encode(&i);
	wire_info_release(&i);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *(*const again[])(const json_t *) = { arm_again, report_again, info_again };
	cleanup_json json_t *j = NULL;

	free(wire_error_text((const char *)data, size, NULL));
	if (jx_parse((const char *)data, size, "input", &j, NULL) < 0)
		return 0;

	for (size_t i = 0; i < ARRAY_SIZE(again); i++) {
		json_t *first = again[i](j);

		if (first)
			expect_same(first, again[i](first));
	}
	return 0;
}
