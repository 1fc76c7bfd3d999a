/* SPDX-License-Identifier: Apache-2.0
 *
 * jx.h - jansson with manners: bounded parsing and getters that never trust a type
 *
 * Everything that arrives is hostile. jx_parse refuses duplicate keys, nesting deeper than
 * JX_DEPTH_MAX, and NUL in strings. The getters walk a dotted path ("Spec.Name") through
 * objects and answer a default when anything on the way is absent or of another type.
 */
#ifndef JX_H
#define JX_H

#include <jansson.h>

#include "err.h"

#define cleanup_json cleanup(jx_freep)

#define JX_SIZE_MAX (64u << 20)	/* bytes of a text to parse */
#define JX_DEPTH_MAX 128	/* arrays and objects in each other */

/*
 * New reference in *out; a lone string, number or null is a text too. -EINVAL (-EFBIG past
 * JX_SIZE_MAX) with err saying what and where ("what" names the source), without a word of
 * the text itself.
 */
int jx_parse(const char *text, size_t len, const char *what, json_t **out, struct err *err);

/*
 * Of a large text what these paths lead to, and nothing else: "ID", "Status.State", with NULL at their
 * end; elements of an array are where the array is. What was left out was not judged. Else as
 * jx_parse, which gets the whole text where this one has doubts.
 */
#define JX_PATHS_MAX 32
int jx_parse_some(const char *text, size_t len, const char *const *paths, const char *what,
		  json_t **out, struct err *err);

/*
 * Borrowed; NULL when absent. Path parts are split at '.', a leading '=' of a part takes the
 * rest literally ("Spec.Labels.=com.docker.stack.namespace"); "" is root itself.
 */
json_t *jx_get(const json_t *root, const char *path);
/* Borrowed text, or def. */
const char *jx_str(const json_t *root, const char *path, const char *def);
/* An integer (a real that is whole counts as one), or def. */
int64_t jx_int(const json_t *root, const char *path, int64_t def);
bool jx_bool(const json_t *root, const char *path, bool def);
/* Elements of the array at path; 0 when it is none. */
size_t jx_len(const json_t *root, const char *path);

/* A string, or null for NULL; bytes that are no UTF-8 become \xNN text. New reference. */
json_t *jx_text(const char *s);
/* An integer, or null when n is negative. */
json_t *jx_count(int64_t n);
/* Compact text in ASCII (\uXXXX), keys in insertion order, "null" for NULL; free it. */
char *jx_dump(const json_t *j);
void jx_freep(json_t **j);

#endif
