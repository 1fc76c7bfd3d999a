/* SPDX-License-Identifier: Apache-2.0
 *
 * spool.h - the agent's directory of captures, with a quota and a disk floor
 *
 *	SPOOL/<capture id>/request.json		what was asked for
 *	SPOOL/<capture id>/state.json		what is known of it (capture.c)
 *	SPOOL/<capture id>/life.json		while it runs: what a later life needs (life.h)
 *	SPOOL/<capture id>/0-000.pcapng		whole files; .0-000.pcapng.part while it is written
 *						(or .pcap: see segment.h)
 *
 * Directories are 0700, files 0600. Every byte of a capture file is taken (spool_take) before it
 * is written, so that the quota and the floor hold at every moment.
 */
#ifndef SPOOL_H
#define SPOOL_H

#include <dirent.h>

#include "segment.h"
#include "wire.h"

#define SPOOL_QUOTA_PERCENT 10			/* of the file system, */
#define SPOOL_QUOTA_MAX (10LL << 30)		/* at most so much */
#define SPOOL_FLOOR_PERCENT 5			/* of the file system stays free */
#define SPOOL_JSON_MAX (8u << 20)		/* of state.json and request.json */

#define SPOOL_REQUEST "request.json"
#define SPOOL_STATE "state.json"
#define SPOOL_LIFE "life.json"

struct spool_limits {
	int64_t quota, floor;			/* bytes; < 0: from the file system, as above */
};

struct spool_room {
	int64_t size, free, used, quota, floor;
};

struct spool;

/*
 * Makes the directory when it is missing, takes its lock (another agent on it: waits a
 * while, then -EBUSY) and counts what lies in it.
 */
int spool_open(struct spool **out, const char *dir, const struct spool_limits *limits,
	       struct err *err);
void spool_close(struct spool *s);

/*
 * Takes n bytes of room. -ENOSPC: the floor would be passed; -EDQUOT: the quota, and the function
 * set by spool_on_full has no more room to make.
 */
int spool_take(struct spool *s, int64_t n, struct err *err);
void spool_give(struct spool *s, int64_t n);
typedef bool spool_full_fn(void *arg, int64_t n);	/* true: something was dropped, try again */
void spool_on_full(struct spool *s, spool_full_fn *fn, void *arg);
void spool_room(struct spool *s, struct spool_room *out);
/* 0, -EDQUOT or -ENOSPC: as if n bytes were taken now; nothing is dropped for it. */
int spool_pressure(struct spool *s, int64_t n);

/* A capture's directory. id must be names_is_id. */
int spool_create_dir(struct spool *s, const char *id, int *dirfd, struct err *err);
int spool_open_dir(struct spool *s, const char *id, int *dirfd, struct err *err);
/* Removes the directory; its bytes are given back. */
int spool_remove_dir(struct spool *s, const char *id, struct err *err);
/* Removes the capture files, finished or hidden, and keeps the JSON beside them. */
int spool_remove_files(struct spool *s, const char *id, struct err *err);
/* A stream over the spool's directory; the caller closes it. NULL with errno. */
DIR *spool_list(struct spool *s);

/* The spool as the one who decides on the bytes of segments. */
struct segment_room spool_segment_room(struct spool *s);

int spool_write_json(int dirfd, const char *name, const json_t *j, struct err *err);
int spool_read_json(int dirfd, const char *name, json_t **out, struct err *err);

#endif
