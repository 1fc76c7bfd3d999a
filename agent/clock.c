/* SPDX-License-Identifier: Apache-2.0
 *
 * clock.c - a clock that jumps, for tests
 */
#include "clock.h"
#include "log.h"

#include <stdlib.h>

#define TEXT_MAX 64

/* 0 where there is no file, or no number in it. */
static int64_t read_shift(const char *path)
{
	cleanup_free char *text = util_read_file(path, TEXT_MAX);
	double s;
	char *end;

	if (!text)
		return 0;
	s = strtod(text, &end);
	/* so that it is no "nan" either */
	if (end == text || !(s >= -CLOCK_SHIFT_MAX_S && s <= CLOCK_SHIFT_MAX_S))
		return 0;
	return (int64_t)(s * NS_PER_S);
}

void clock_file_tick(void)
{
	const char *path = getenv(CLOCK_FILE_ENV);
	int64_t shift = path ? read_shift(path) : 0;

	if (!path || shift == clock_shift_ns())
		return;
	log_warn("%s: the clock is shifted by %g s", path, (double)shift / NS_PER_S);
	clock_set_shift_ns(shift);
}
