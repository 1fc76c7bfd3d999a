/* SPDX-License-Identifier: Apache-2.0
 *
 * sources_parts.h - what the files of sources share; of no use to others
 */
#ifndef SOURCES_PARTS_H
#define SOURCES_PARTS_H

#include "sources.h"

/* sources.c: what is added stays the sources' */
const char *sources_keep_text(struct sources *s, char *text);
int sources_keep_fd(struct sources *s, int fd);
void sources_add_input(struct sources *s, const struct merge_input *in);
void sources_add_clock(struct sources *s, const struct source_clock *c);

/* sources_archive.c */
int sources_add_archive(struct sources *s, const char *path, struct err *err);

#endif
