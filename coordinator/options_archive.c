/* SPDX-License-Identifier: Apache-2.0
 *
 * options_archive.c - what each option of merging and of the archive commands may be
 */
#include "options_parts.h"

#include <errno.h>
#include <string.h>

int options_set_merged(struct request *r, const char *value, struct err *err)
{
	size_t n = strlen(value);

	if (!n || value[n - 1] == '/')
		return err_set(err, -EINVAL, "--output '%s': the name of a file is needed, or '-'",
			       value);
	r->output = value;
	return 0;
}

int options_set_no_clock_correction(struct request *r, const char *value, struct err *err)
{
	r->no_clock_correction = true;
	return 0;
}

int options_set_merge(struct request *r, const char *value, struct err *err)
{
	r->merge = true;
	return 0;
}
