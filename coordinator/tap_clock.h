/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_clock.h - a node's clock over ssh: a shell there tells the time, line by line
 */
#ifndef TAP_CLOCK_H
#define TAP_CLOCK_H

#include "link.h"
#include "remote.h"

/* As link_clock. -ENOTSUP: its date has no nanoseconds (busybox). */
int tap_clock(struct remote *r, int probes, struct link_clock *out, struct err *err);

#endif
