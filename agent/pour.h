/* SPDX-License-Identifier: Apache-2.0
 *
 * pour.h - `swarmcap-agent sniff`: the namespace that we run in, as one pcapng stream on stdout
 *
 * For a helper container that stands in a task's namespace: no engine, no spool, no file is
 * touched, and CAP_NET_RAW is the only privilege used. Section, interfaces and packets
 * come at most 200 ms after they were captured, statistics at the end. An interface that appears
 * later gets its block before its first packet.
 *
 * stdin is the lease: each byte on it renews it. The capture ends, in order, when stdin ends, when
 * nothing came on it for beat_s, on SIGTERM and SIGINT (blocked by main, read here), and when
 * all interfaces are gone. A reader of stdout that stops reading cannot hold it: what cannot be
 * written within POUR_GRACE_MS of the end is given up.
 */
#ifndef POUR_H
#define POUR_H

#include "options.h"

#define POUR_FLUSH_MS 100
#define POUR_GRACE_MS 5000
#define POUR_BEAT_S 60

/*
 * 0 or -errno. On stderr stands what coordinator/tap_talk.h reads: "swarmcap: time NS" and
 * "listening on N interfaces" when all handles are open, "swarmcap: note TEXT" for those left out,
 * "swarmcap: stop NS" when it ends, and last "swarmcap: end WHY 0": told, signal, lease, ended (the
 * network is gone).
 */
int pour(const struct options *o, struct err *err);

#endif
