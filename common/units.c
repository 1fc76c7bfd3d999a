/* SPDX-License-Identifier: Apache-2.0
 *
 * units.c - numbers, durations and sizes as people write them; times as they read them
 */
#include "units.h"

#include <errno.h>
#include <string.h>
#include <time.h>

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit durations[] = {
	{ "ms", 1 }, { "s", 1000 }, { "m", 60 * 1000 }, { "h", 3600 * 1000 }, { NULL, 0 },
};

static const struct unit offsets[] = {
	{ "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 },
	{ "m", 60 * 1000000000ULL }, { "h", 3600 * 1000000000ULL }, { NULL, 0 },
};

static const struct unit sizes[] = {
	{ "", 1 }, { "k", 1u << 10 }, { "K", 1u << 10 }, { "m", 1u << 20 }, { "M", 1u << 20 },
	{ "g", 1u << 30 }, { "G", 1u << 30 }, { NULL, 0 },
};

/* Digits at *s, which moves behind them. Whether too large or not, all digits are consumed. */
static int take_number(const char **s, uint64_t *out)
{
	const char *p = *s;
	uint64_t n = 0;
	int rc = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(*p - '0'), &n))
			rc = -ERANGE;
	if (p == *s)
		return -EINVAL;

	*s = p;
	*out = n;
	return rc;
}

static int parse_unit(const char *s, const struct unit *units, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;
	int rc;

	if (!s)
		return -EINVAL;
	rc = take_number(&s, &n);
	if (rc == -EINVAL)
		return rc;

	while (units->name && strcmp(units->name, s) != 0)
		units++;
	if (!units->name)
		return -EINVAL;
	if (rc < 0 || __builtin_mul_overflow(n, units->factor, &n) || n > max)
		return -ERANGE;

	*out = n;
	return 0;
}

int units_parse_u64(const char *s, uint64_t min, uint64_t max, uint64_t *out)
{
	static const struct unit bare[] = { { "", 1 }, { NULL, 0 } };
	uint64_t n;
	int rc = parse_unit(s, bare, max, &n);

	if (rc < 0)
		return rc;
	if (n < min)
		return -ERANGE;

	*out = n;
	return 0;
}

int units_parse_duration(const char *s, int64_t *ms_out)
{
	uint64_t ms;
	int rc = parse_unit(s, durations, INT64_MAX / NS_PER_MS, &ms);

	if (rc == 0)
		*ms_out = (int64_t)ms;
	return rc;
}

int units_parse_offset(const char *s, int64_t *ns_out)
{
	bool minus = *s == '-';
	uint64_t ns;
	int rc = parse_unit(s + (minus || *s == '+'), offsets, UNITS_OFFSET_MAX, &ns);

	if (rc == 0)
		*ns_out = minus ? -(int64_t)ns : (int64_t)ns;
	return rc;
}

int units_parse_size(const char *s, uint64_t *bytes_out)
{
	return parse_unit(s, sizes, INT64_MAX, bytes_out);
}

/* The second and what is left over; the rest counts forward before 1970 too. */
static int64_t split(int64_t ns, struct tm *tm)
{
	int64_t rest = ((ns % NS_PER_S) + NS_PER_S) % NS_PER_S;
	time_t s = (time_t)(ns / NS_PER_S - (ns % NS_PER_S < 0));

	gmtime_r(&s, tm);
	return rest;
}

/* "." and up to nine digits, or nothing: nanoseconds. What stands behind is in *end. */
static int64_t parse_fraction(const char *s, const char **end)
{
	int64_t ns = 0, weight = NS_PER_S;

	if (*s == '.')
		for (s++; weight > 1 && *s >= '0' && *s <= '9'; s++) {
			weight /= 10;
			ns += (*s - '0') * weight;
		}
	*end = s;
	return ns;
}

int units_parse_time(const char *s, int64_t *ns_out)
{
	struct tm tm = { 0 };
	const char *rest = strptime(s, "%Y-%m-%dT%H:%M:%S", &tm);
	int64_t ns, seconds;

	if (!rest)
		return -EINVAL;
	ns = parse_fraction(rest, &rest);
	if (strcmp(rest, "Z"))
		return -EINVAL;
	seconds = timegm(&tm);
	if (seconds < 0 || seconds >= INT64_MAX / NS_PER_S)
		return -ERANGE;
	*ns_out = seconds * NS_PER_S + ns;
	return 0;
}

char *units_format_time(int64_t ns, char *out)
{
	struct tm tm;
	int64_t rest = split(ns, &tm);
	size_t n = strftime(out, UNITS_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);

	snprintf(out + n, UNITS_TIME_MAX - n, ".%09lldZ", (long long)rest);
	return out;
}

char *units_format_stamp(int64_t ns, char *out)
{
	struct tm tm;

	split(ns, &tm);
	strftime(out, UNITS_TIME_MAX, "%Y-%m-%d_%H-%M-%S", &tm);
	return out;
}

char *units_format_size(uint64_t bytes, char *out)
{
	static const char prefixes[] = "KMGTPE";
	double n = (double)bytes;
	int i = -1;

	if (bytes < 1024) {
		snprintf(out, UNITS_TIME_MAX, "%llu B", (unsigned long long)bytes);
		return out;
	}
	/* 1023.95 would be shown as 1024.0 */
	for (; n >= 1023.95 || i < 0; i++)
		n /= 1024;
	snprintf(out, UNITS_TIME_MAX, "%.1f %ciB", n, prefixes[i]);
	return out;
}
