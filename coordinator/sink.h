/* SPDX-License-Identifier: Apache-2.0
 *
 * sink.h - where one long stream of bytes goes: a file that is hidden until it is whole, or a pipe
 *
 *	sink_open(&s, path, force, err)		"-" is stdout; a pipe or a device is written to
 *	p = sink_reserve(s, n); ... sink_advance(s, n)
 *	sink_put(s, bytes, n)
 *	sink_put_pieces(s, pieces, n)		in one call, and where it is a pipe, without a copy of ours
 *	sink_commit(s, err)			all of it is there, under its name
 *	sink_free(s)				without commit no file is left
 *
 * A file is written by outfile.h and disk.h: large, aligned, past the page cache, by a thread of
 * its own. Memory is 12 MiB at most. One thread uses a sink.
 */
#ifndef SINK_H
#define SINK_H

#include <sys/uio.h>

#include "outfile.h"

#define SINK_RESERVE_MAX OUTFILE_RESERVE_MAX

struct sink;

/* -EEXIST: the file is there, and force is false; else -errno. */
int sink_open(struct sink **out, const char *path, bool force, struct err *err);
/* A file in the folder dirfd, which stays the caller's; name has no '/'. */
int sink_open_at(struct sink **out, int dirfd, const char *name, struct err *err);
/* Room for n bytes, up to SINK_RESERVE_MAX, or more: *room (may be NULL). NULL: a write failed. */
uint8_t *sink_reserve(struct sink *s, size_t n, size_t *room);
void sink_advance(struct sink *s, size_t n);
/* Of any length. 0, or -errno of a write that failed. */
int sink_put(struct sink *s, const void *p, size_t n);
/* Worth it: what is put in pieces is written from where it is, by this call. Not so for a file. */
bool sink_likes_pieces(const struct sink *s);
/* n of them, up to 1024; what they say is written over. 0, or -errno of a write that failed. */
int sink_put_pieces(struct sink *s, struct iovec *pieces, size_t n);
uint64_t sink_size(const struct sink *s);
/* A descriptor of the file's folder, -1 when it goes to a pipe; it stays the sink's. */
int sink_folder(const struct sink *s);
/* What failed: -ENOSPC: the disk is full, -EPIPE: nobody reads, else -errno; 0: nothing did. */
int sink_error(const struct sink *s, struct err *err);
/* As sink_error; -EEXIST: came into being meanwhile. */
int sink_commit(struct sink *s, struct err *err);
void sink_free(struct sink *s);

#endif
