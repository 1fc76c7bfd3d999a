/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_iface_detail.c - any link message: nothing is read past its end
 */
#include "../../agent/iface_detail.h"
#include "fuzz.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free uint8_t *exact = xmalloc(size + 1);
	struct iface list[2] = { { .index = 0 }, { .index = 1 } };
	struct iface_list l = { list, 2 };

	if (size)
		memcpy(exact, data, size);
	exact = xrealloc(exact, size ? size : 1, 1);
	iface_detail_decode(&l, exact, size);
	return 0;
}
