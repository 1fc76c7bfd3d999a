/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.h - SHA-256, as lower-case hex (GnuTLS)
 */
#ifndef DIGEST_H
#define DIGEST_H

#include "util.h"

#define DIGEST_HEX 65		/* 64 digits and NUL */

struct digest;			/* running; NULL is no digest */

struct digest *digest_new(void);
void digest_add(struct digest *d, const void *p, size_t n);
/* Writes the digits of all bytes so far (hex may be NULL), frees d; NULL, to be assigned. */
struct digest *digest_end(struct digest *d, char hex[DIGEST_HEX]);
/* From the file's beginning to its end; the offset is moved. 0 or -errno. */
int digest_fd(int fd, char hex[DIGEST_HEX]);
bool digest_is_hex(const char *s);

#endif
