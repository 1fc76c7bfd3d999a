/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_name.c - what a capture file is called before it is an archive's
 */
#include "segment.h"

#include <ctype.h>
#include <string.h>

#define SUFFIX_MAX 32

static const char *const extensions[] = { [WIRE_PCAPNG] = ".pcapng", [WIRE_PCAP] = ".pcap" };

char *segment_file_name(size_t target, int segment, const char *suffix, enum wire_format format)
{
	return xasprintf("%zu-%03d%s%s%s", target, segment, suffix ? "-" : "",
			 suffix ? suffix : "", extensions[format]);
}

static bool has_extension(const char *name, enum wire_format format)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, extensions[format]);
}

enum wire_format segment_format_of(const char *name)
{
	return has_extension(name, WIRE_PCAP) ? WIRE_PCAP : WIRE_PCAPNG;
}

static bool take_number(const char **p, size_t digits_max, size_t *out)
{
	size_t n = 0, value = 0;

	for (; isdigit((unsigned char)**p); (*p)++, n++)
		value = n < digits_max ? value * 10 + (size_t)(**p - '0') : value;
	*out = value;
	return n > 0 && n <= digits_max;
}

bool segment_parse_name(const char *name, size_t *target, int *segment, char **suffix)
{
	const char *p = name, *end;
	size_t number, length;

	*suffix = NULL;
	if (!take_number(&p, 6, target) || *p++ != '-' || !take_number(&p, 6, &number))
		return false;
	*segment = (int)number;
	end = p + strcspn(p, ".");
	length = (size_t)(end - p);
	if (strcmp(end, extensions[segment_format_of(name)]) || length > SUFFIX_MAX ||
	    (length && (*p != '-' || length < 2)))
		return false;
	if (length)
		*suffix = xasprintf("%.*s", (int)length - 1, p + 1);
	return true;
}

char *segment_hidden_name(const char *name)
{
	return xasprintf(".%s.part", name);
}
