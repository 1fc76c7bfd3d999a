/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_far.h - the script that captures one target on a node by nsenter and tcpdump; pure
 *
 * For dash, busybox and bash, as root. Its stdin is a lease: "h" renews it, "l" lists the
 * interfaces again, "x" ends at once, the end of stdin ends in order. What it says: tap_talk.h.
 * tcpdump dies with it: on the end of stdin, when 60 s passed without a word (a cut cable), at the
 * deadline, when the container is gone, on signals. SIGTERM first, so that it counts its drops; 5 s
 * later SIGKILL.
 */
#ifndef TAP_FAR_H
#define TAP_FAR_H

#include "err.h"
#include "wire.h"

/*
 * What is there: "uid N", "version TEXT" on stdout, what is missing on stderr (as tap_talk_blame
 * knows it). Exit status 0 when all is.
 */
extern const char tap_far_check[];
/* The command line of a capture, for the login shell. sudo: by `sudo -n`. Free it. */
char *tap_far_command(const struct wire_arm *a, const struct wire_wanted *w, bool sudo);

#endif
