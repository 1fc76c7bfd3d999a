/* SPDX-License-Identifier: Apache-2.0
 *
 * utf8.h - cutting text to a ceiling without leaving half a character
 */
#ifndef UTF8_H
#define UTF8_H

#include <stddef.h>
#include <string.h>

/* The bytes of s to keep so that at most max remain and no character is torn. */
static inline size_t utf8_cut(const char *s, size_t max)
{
	size_t n = strnlen(s, max + 1);

	if (n <= max)
		return n;
	for (n = max; n > 0 && max - n < 4; n--)
		if (((unsigned char)s[n] & 0xc0) != 0x80)
			return n;
	return max;		/* no UTF-8 at all */
}

#endif
