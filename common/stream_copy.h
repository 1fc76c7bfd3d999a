/* SPDX-License-Identifier: Apache-2.0
 *
 * stream_copy.h - memcpy into memory that this processor does not read soon
 *
 * An ordinary store first reads the line that it changes. Where the processor can, these write whole
 * lines to the memory and pass the cache by.
 */
#ifndef STREAM_COPY_H
#define STREAM_COPY_H

#include <stddef.h>
#include <stdint.h>

/* The two do not overlap. Other threads see it before all that this one writes later. */
void stream_copy(uint8_t *to, const uint8_t *from, size_t n);

#endif
