/* SPDX-License-Identifier: Apache-2.0
 *
 * spool_file.c - names and JSON files inside a capture's directory
 */
#include "spool.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SUFFIX_MAX 32

static const char *const extensions[] = { [WIRE_PCAPNG] = ".pcapng", [WIRE_PCAP] = ".pcap" };

char *spool_file_name(size_t target, int segment, const char *suffix, enum wire_format format)
{
	return xasprintf("%zu-%03d%s%s%s", target, segment, suffix ? "-" : "",
			 suffix ? suffix : "", extensions[format]);
}

static bool has_extension(const char *name, enum wire_format format)
{
	const char *dot = strrchr(name, '.');

	return dot && !strcmp(dot, extensions[format]);
}

enum wire_format spool_format_of(const char *name)
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

bool spool_parse_name(const char *name, size_t *target, int *segment, char **suffix)
{
	const char *p = name, *end;
	size_t number, length;

	*suffix = NULL;
	if (!take_number(&p, 6, target) || *p++ != '-' || !take_number(&p, 6, &number))
		return false;
	*segment = (int)number;
	end = p + strcspn(p, ".");
	length = (size_t)(end - p);
	if (strcmp(end, extensions[spool_format_of(name)]) || length > SUFFIX_MAX ||
	    (length && (*p != '-' || length < 2)))
		return false;
	if (length)
		*suffix = xasprintf("%.*s", (int)length - 1, p + 1);
	return true;
}

char *spool_hidden_name(const char *name)
{
	return xasprintf(".%s.part", name);
}

int spool_write_json(int dirfd, const char *name, const json_t *j, struct err *err)
{
	cleanup_free char *text = jx_dump(j);
	int r = util_write_file_at(dirfd, name, text, strlen(text), 0600);

	if (!r)
		return 0;
	errno = -r;
	return err_errno(err, "cannot write %s into the spool", name);
}

int spool_read_json(int dirfd, const char *name, json_t **out, struct err *err)
{
	cleanup_close int fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	cleanup_free char *text = NULL;
	struct stat st;
	int r;

	if (fd < 0 || fstat(fd, &st))
		return err_errno(err, "cannot read %s in the spool", name);
	if (!S_ISREG(st.st_mode) || st.st_size > SPOOL_JSON_MAX)
		return err_set(err, -EFBIG, "%s in the spool is no file of ours", name);
	text = xcalloc(1, (size_t)st.st_size + 1);
	r = util_read_full(fd, text, (size_t)st.st_size);
	if (r) {
		errno = -r;
		return err_errno(err, "cannot read %s in the spool", name);
	}
	return jx_parse(text, (size_t)st.st_size, name, out, err);
}
