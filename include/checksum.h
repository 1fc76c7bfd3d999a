/* SPDX-License-Identifier: Apache-2.0
 *
 * checksum.h - XXH3 with 128 bits, as lower-case hex: against accidents, not against people
 *
 * An agent's files carry it so that the coordinator finds a bit that flipped on a disk. It costs
 * a tenth of what SHA-256 does, which would take more of a node than the capture itself
 * (docs/DESIGN.md); the archive's SHA-256 is the coordinator's work.
 */
#ifndef CHECKSUM_H
#define CHECKSUM_H

#include "util.h"

#define CHECKSUM_HEX 33		/* 32 digits and NUL */

struct checksum;

struct checksum *checksum_new(void);
void checksum_add(struct checksum *c, const void *p, size_t n);
/* Writes the digits of all bytes so far (hex may be NULL), frees c; NULL, to be assigned. */
struct checksum *checksum_end(struct checksum *c, char hex[CHECKSUM_HEX]);
/* From the file's beginning to its end; the offset is moved. 0 or -errno. */
int checksum_fd(int fd, char hex[CHECKSUM_HEX]);
bool checksum_is_hex(const char *s);

#endif
