/* SPDX-License-Identifier: Apache-2.0
 *
 * err.c - an error is a sentence
 */
#include "err.h"

#include <errno.h>
#include <string.h>

PRINTF(2, 0)
static void append(struct err *err, const char *fmt, va_list ap)
{
	size_t len = strlen(err->text);

	vsnprintf(err->text + len, sizeof(err->text) - len, fmt, ap);
}

/* False: there is one already, or nobody wants to know. */
PRINTF(3, 0)
static bool set(struct err *err, int code, const char *fmt, va_list ap)
{
	if (!err || err->code)
		return false;

	err->code = code;
	err->text[0] = '\0';
	append(err, fmt, ap);
	return true;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	set(err, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_errno(struct err *err, const char *fmt, ...)
{
	int code = errno ? -errno : -EIO;
	char reason[128];
	bool fresh;
	va_list ap;

	va_start(ap, fmt);
	fresh = set(err, code, fmt, ap);
	va_end(ap);
	if (fresh)
		err_add(err, ": %s", strerror_r(-code, reason, sizeof(reason)));
	return code;
}

int err_add(struct err *err, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return -EIO;
	if (!err->code)
		return 0;

	va_start(ap, fmt);
	append(err, fmt, ap);
	va_end(ap);
	return err->code;
}

void err_reset(struct err *err)
{
	if (!err)
		return;
	err->code = 0;
	err->text[0] = '\0';
}
