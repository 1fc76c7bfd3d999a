/* SPDX-License-Identifier: Apache-2.0
 *
 * names.h - capture ids and file names; nothing hostile gets through here
 */
#ifndef NAMES_H
#define NAMES_H

#include "util.h"

#define NAMES_ID_MAX 24		/* "20261123T143905Z-3fa9c1" and NUL */
#define NAMES_FILE_MAX 201	/* a name is at most 200 bytes */

/* A new id for a capture that begins at wall time ns; out[NAMES_ID_MAX]. */
void names_new_id(int64_t ns, char *out);
/* ^[0-9]{8}T[0-9]{6}Z-[0-9a-f]{6}$ */
bool names_is_id(const char *s);

/*
 * Any character other than A-Za-z0-9._- becomes '_' (each byte), a leading '.' or '-' too,
 * "" becomes "_", and the result is cut to max bytes (NUL not counted). Free it.
 */
char *names_clean(const char *s, size_t max);

/*
 * A capture file: <host>-<target>-<stamp>[-NNN][-suffix].<ext>, e.g.
 * node1-web.3.k7x2a9-2026-11-23_14-39-05.pcapng. segment < 0: no number; suffix NULL: none.
 * All parts are cleaned. host and target are shortened so that the whole is at most 200 bytes
 * and the stamp and extension survive, with their tails (slot, ids) kept. Free it.
 */
struct names_file {
	const char *host, *target;
	int64_t stamp_ns;
	int segment;
	const char *suffix, *ext;
};
char *names_file(const struct names_file *f);

/*
 * The task's display name, ids cut to 6: "web.3.k7x2a9" from service, slot and task id; a global
 * task (slot 0) is "web.<node id>.k7x2a9". For people: names_clean() it before any path. Free it.
 */
char *names_task(const char *service, int64_t slot, const char *node_id, const char *task_id);

#endif
