/* SPDX-License-Identifier: Apache-2.0
 *
 * units.h - numbers, durations and sizes as people write them; times as they read them
 *
 * Durations: 30s 5m 1h 500ms (a bare number is refused). Sizes: 64k 100M 2G, powers of
 * 1024, a bare number is bytes. Times: RFC 3339 UTC with nanoseconds.
 * One number and one unit; no sign, no fraction; 0 is a number like others, callers judge it.
 * The parsers return 0, -EINVAL (no such form) or -ERANGE, and write only on success.
 */
#ifndef UNITS_H
#define UNITS_H

#include "util.h"

#define UNITS_TIME_MAX 40

int units_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out);
int units_parse_duration(const char *s, int64_t *ms_out);
int units_parse_size(const char *s, uint64_t *bytes_out);
/* "+3ms", "-250us", "2h": how far a clock is ahead. */
#define UNITS_OFFSET_MAX (INT64_MAX / 4)
int units_parse_offset(const char *s, int64_t *ns_out);

/* As units_format_time writes it; up to nine digits of a fraction, or none. From 1970 to 2261. */
int units_parse_time(const char *s, int64_t *ns_out);

/* Into out[UNITS_TIME_MAX]; return out. "2026-11-23T14:39:05.120334551Z" */
char *units_format_time(int64_t ns, char *out);
/* "2026-11-23_14-39-05", the stamp of file names */
char *units_format_stamp(int64_t ns, char *out);
/* "12.3 MiB", "812 B": for people */
char *units_format_size(uint64_t bytes, char *out);

#endif
