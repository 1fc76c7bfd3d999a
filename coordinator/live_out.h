/* SPDX-License-Identifier: Apache-2.0
 *
 * live_out.h - to a viewer that may be slow, stand still, or have gone
 */
#ifndef LIVE_OUT_H
#define LIVE_OUT_H

#include "err.h"

/*
 * All n bytes into fd, which may be anything. 0; -EPIPE: nobody reads it any more; -ECANCELED: *give_up
 * became true, which is seen within 100 ms; or -errno. The descriptor's own flags stay as they
 * are: others may share it.
 */
int live_out(int fd, const void *p, size_t n, volatile bool *give_up);
/* Has the reader of a pipe, or the other end of a socket, gone? */
bool live_out_is_closed(int fd);

#endif
