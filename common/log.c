/* SPDX-License-Identifier: Apache-2.0
 *
 * log.c - lines for people, on stderr
 *
 * A line leaves by one write(2), so that lines of several threads do not mix. What is
 * written came from anywhere: the whole line is cut to LINE_MAX_BYTES and made
 * safe for a terminal.
 */
#include "log.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"

#define LINE_MAX_BYTES 16384

/* Set before the first thread starts, read ever after. */
static const char *log_program = "";
static enum log_level log_last = LOG_INFO;

void log_init(const char *program, enum log_level level)
{
	log_program = program;
	log_last = level;
}

void log_at(enum log_level level, const char *fmt, ...)
{
	cleanup_buf struct buf line = BUF_INIT(4 * LINE_MAX_BYTES + 256);
	char text[LINE_MAX_BYTES];
	int saved = errno;
	va_list ap;

	if (level > log_last)
		return;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);

	if (*log_program)
		buf_addf(&line, "%s: ", log_program);
	buf_add_safe(&line, text);
	buf_add(&line, "\n", 1);
	/* A log that cannot be written has nobody left to be told. */
	(void)!write(STDERR_FILENO, line.data, line.len);
	errno = saved;
}
