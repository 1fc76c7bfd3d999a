/* SPDX-License-Identifier: Apache-2.0
 *
 * live_pipe.h - from the thread that hears a node to the one that merges: bytes, bounded
 *
 * The writer waits while the pipe is full, so that a viewer that is slow makes the node's agent wait,
 * which drops and counts. The reader never waits: each write that it may not know of rings its bell.
 */
#ifndef LIVE_PIPE_H
#define LIVE_PIPE_H

#include "util.h"

#define LIVE_PIPE_BYTES (512u << 10)

struct live_pipe;

/* bell: an eventfd, borrowed. */
struct live_pipe *live_pipe_new(int bell);
void live_pipe_free(struct live_pipe *p);

/* All of n bytes: 0, or -EPIPE: the reader has closed. */
int live_pipe_put(struct live_pipe *p, const void *data, size_t n);
void live_pipe_end(struct live_pipe *p);

/* As read(2), for struct capfile_source; arg is the pipe. -EAGAIN: nothing is there now. */
ssize_t live_pipe_read(void *arg, void *data, size_t n);
void live_pipe_close(struct live_pipe *p);

#endif
