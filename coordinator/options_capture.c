/* SPDX-License-Identifier: Apache-2.0
 *
 * options_capture.c - what may be captured, how much of it, and how it is fetched
 */
#include "options_parts.h"

#include "filter.h"
#include "units.h"

#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>

#define ROTATE_BYTES_MIN (64 << 10)
#define ROTATE_MS_MIN 1000
#define KEEP_FILES_MIN 2
#define DELAY_MAX_MS 10000
#define FETCH_RATE_MIN (64 << 10)	/* slower, and full buffers outlast a time-out */

int options_set_filter(struct request *r, const char *value, struct err *err)
{
	if (strlen(value) > FILTER_MAX)
		return err_set(err, -EINVAL,
			       "--filter: the expression is longer than %d bytes ('%.40s...')",
			       FILTER_MAX, value);
	free(r->filter);
	r->filter = value[strspn(value, " \t\n")] ? xstrdup(value) : NULL;
	return 0;
}

int options_set_interface(struct request *r, const char *value, struct err *err)
{
	if (!*value)
		return err_set(err, -EINVAL, "--interface: a name is needed, as in eth0");
	if (strlen(value) >= IFNAMSIZ)
		return err_set(err, -EINVAL,
			       "--interface '%.64s': longer than the %d characters of a name",
			       value, IFNAMSIZ - 1);
	for (const char *p = value; *p; p++)
		if (*p == '/' || !isgraph((unsigned char)*p))
			return err_set(err, -EINVAL,
				       "--interface '%s': not the name of an interface", value);
	r->interface = value;
	return 0;
}

int options_set_snaplen(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, 1, WIRE_SNAPLEN_MAX, &n) < 0)
		return err_set(err, -EINVAL, "--snaplen '%s': not a number of bytes from 1 to %d",
			       value, WIRE_SNAPLEN_MAX);
	r->snaplen = (uint32_t)n;
	return 0;
}

int options_set_duration(struct request *r, const char *value, struct err *err)
{
	int64_t ms = 0;
	int rc = units_parse_duration(value, &ms);

	if (rc == -EINVAL)
		return err_set(err, -EINVAL,
			       "--duration '%s': not a time, as in 500ms, 30s, 5m or 1h", value);
	if (rc == 0 && ms < 1)
		return err_set(err, -EINVAL, "--duration '%s': shorter than 1ms", value);
	if (rc < 0 || ms > WIRE_DEADLINE_MAX_MS)
		return err_set(
			err, -EINVAL,
			"--duration '%s': longer than 24h, the longest that an agent captures",
			value);
	r->duration_ms = ms;
	return 0;
}

int options_set_max_bytes(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_size(value, &n) < 0 || n > INT64_MAX)
		return err_set(err, -EINVAL, "--max-bytes '%s': not a size, as in 64k, 100M or 2G",
			       value);
	if (n == 0)
		return err_set(err, -EINVAL, "--max-bytes '%s': nothing fits in that", value);
	r->max_bytes = (int64_t)n;
	return 0;
}

int options_set_max_packets(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, 1, INT64_MAX, &n) < 0)
		return err_set(err, -EINVAL,
			       "--max-packets '%s': not a number of packets from 1 on", value);
	r->max_packets = (int64_t)n;
	return 0;
}

int options_set_rotate_bytes(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_size(value, &n) < 0 || n > WIRE_COUNT_MAX)
		return err_set(err, -EINVAL,
			       "--rotate-bytes '%s': not a size, as in 64k, 100M or 2G", value);
	if (n < ROTATE_BYTES_MIN)
		return err_set(err, -EINVAL, "--rotate-bytes '%s': less than 64k", value);
	r->rotate_bytes = (int64_t)n;
	return 0;
}

int options_set_rotate_time(struct request *r, const char *value, struct err *err)
{
	int64_t ms = 0;
	int rc = units_parse_duration(value, &ms);

	if (rc == -EINVAL)
		return err_set(err, -EINVAL, "--rotate-time '%s': not a time, as in 30s, 5m or 1h",
			       value);
	if (rc == 0 && ms < ROTATE_MS_MIN)
		return err_set(err, -EINVAL, "--rotate-time '%s': shorter than 1s", value);
	if (rc < 0 || ms > WIRE_DEADLINE_MAX_MS)
		return err_set(err, -EINVAL, "--rotate-time '%s': longer than 24h, the longest "
			       "that an agent captures", value);
	r->rotate_ms = ms;
	return 0;
}

/* A ring of one would be nearly empty whenever its file has just begun. */
int options_set_keep_files(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_u64(value, KEEP_FILES_MIN, WIRE_FILES_MAX, &n) < 0)
		return err_set(err, -EINVAL, "--keep-files '%s': not a number of files from %d "
			       "to %d; the one that is being written counts", value,
			       KEEP_FILES_MIN, WIRE_FILES_MAX);
	r->keep_files = (int64_t)n;
	return 0;
}

int options_set_fetch_rate(struct request *r, const char *value, struct err *err)
{
	uint64_t n = 0;

	if (units_parse_size(value, &n) < 0 || n > WIRE_COUNT_MAX)
		return err_set(err, -EINVAL, "--fetch-rate '%s': not bytes per second, as in 500k "
			       "or 10M", value);
	if (n < FETCH_RATE_MIN)
		return err_set(err, -EINVAL, "--fetch-rate '%s': less than 64k", value);
	r->fetch_rate = (int64_t)n;
	return 0;
}

int options_set_format(struct request *r, const char *value, struct err *err)
{
	if (strcmp(value, "pcapng") && strcmp(value, "pcap"))
		return err_set(err, -EINVAL, "--format '%s': neither pcapng nor pcap", value);
	r->format = strcmp(value, "pcap") ? WIRE_PCAPNG : WIRE_PCAP;
	return 0;
}

int options_set_delay(struct request *r, const char *value, struct err *err)
{
	if (units_parse_duration(value, &r->delay_ms) < 0 || r->delay_ms > DELAY_MAX_MS)
		return err_set(err, -EINVAL, "--delay '%s': not a time up to 10s, as in 200ms or 2s",
			       value);
	return 0;
}
