/* SPDX-License-Identifier: Apache-2.0
 *
 * summary.h - a capture as a short Markdown text, for a CI job's summary page
 *
 * Pure but for summary_append. Names and sentences may hold anything: they are escaped, so that
 * none of them is markup there; at most SUMMARY_ROWS tasks, and as many missing ones, are listed.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "jx.h"

#define SUMMARY_ROWS 100

/* From a manifest; path: the archive. Free it. */
char *summary_archive(const json_t *manifest, const char *path);
/* There is no archive: why, as a sentence. Free it. */
char *summary_without(const char *why);
/* To the end of a file, which is made when it is not there: pages of a job are shared. */
int summary_append(const char *file, const char *text, struct err *err);

#endif
