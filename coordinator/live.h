/* SPDX-License-Identifier: Apache-2.0
 *
 * live.h - packets of all targets in one pcapng stream, while they come
 *
 *	begin	the plan, and every node armed with "live"		begin.h
 *	hear	a thread per node fills a pipe				fleet_stream.c, live_pipe.h
 *	merge	one thread: what is due goes to the viewer		live_merge.h, live_out.h
 *	end	^C, the duration, or the viewer has gone
 *
 * A viewer that is slow makes pipes full, connections wait, and agents drop: captures of the same
 * nodes do not notice. Nothing is kept anywhere.
 */
#ifndef LIVE_H
#define LIVE_H

#include "cmd.h"

/*
 * What r's selectors mean, to out_fd (which stays the caller's; of any kind, but no terminal), until ^C,
 * the duration, or nobody reads out_fd any more. r is as of the command `live`: see request.h's parts
 * on what is captured and how nodes are reached, and delay_ms. Says on stderr what happens. The
 * exit status: EXIT_OK also where the viewer has gone; EXIT_PARTIAL: something was not seen.
 */
int live_run(struct request *r, int out_fd);

#endif
