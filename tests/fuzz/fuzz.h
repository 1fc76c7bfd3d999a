/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz.h - what each fuzzer has
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What does not hold is a finding. */
static inline void expect(bool holds)
{
	if (!holds)
		abort();
}

#endif
