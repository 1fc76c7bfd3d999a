/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_talk.h - what tcpdump, and the script around it, say on stderr; pure
 *
 * Lines of tcpdump ("listening on any, ...", "12 packets captured"), of what stands before it
 * (sudo, nsenter, the shell), and of our own script (tap_far.c), which begin with "swarmcap: ":
 *
 *	version TEXT		of tcpdump
 *	state TEXT		what docker inspect said
 *	link LINE		of `ip -o link` in the namespace
 *	addr LINE		of `ip -o addr`
 *	links			no more of these
 *	note TEXT		for the target's notes
 *	time NANOSECONDS	the node's clock
 *	stop NANOSECONDS	told to stop at this time, by the node's clock
 *	end WHY STATUS		nothing is left there: told, now, ended, died, lease, deadline, signal
 *	gone TEXT		the container is not what was asked for; nothing was captured
 *
 * All of it may be hostile: a line is cut at TAP_LINE_MAX, everything that is kept has a ceiling
 * and is safe for a terminal.
 */
#ifndef TAP_TALK_H
#define TAP_TALK_H

#include "buf.h"
#include "tap.h"

#define TAP_LINE_MAX 1024
#define TAP_WORDS_MAX 600		/* of error lines that are kept */
#define TAP_NOTES_MAX 16

enum tap_why {
	TAP_WHY_NONE,			/* no "end" was said */
	TAP_WHY_TOLD, TAP_WHY_NOW, TAP_WHY_ENDED, TAP_WHY_DIED, TAP_WHY_LEASE, TAP_WHY_DEADLINE,
	TAP_WHY_SIGNAL,
};

struct tap_talk {
	char line[TAP_LINE_MAX];
	size_t fill;

	bool listening;
	bool gone;
	int64_t captured, received, dropped_kernel, dropped_interface;	/* -1: not said */
	int64_t time_ns, stop_ns;	/* 0: not said */
	int64_t skew_ns;		/* the node's clock minus ours; the reader's to fill */
	enum tap_why why;
	int status;			/* of the end */
	char *version, *state;		/* NULL: not said */
	struct buf words;		/* error lines, "; " between them */
	char *notes[TAP_NOTES_MAX];
	size_t n_notes;
	struct tap_interface *interfaces;	/* at most WIRE_INTERFACES_MAX */
	size_t n_interfaces;
	unsigned listed;		/* how often "links" was said */
};

void tap_talk_init(struct tap_talk *t);
void tap_talk_release(struct tap_talk *t);
void tap_talk_feed(struct tap_talk *t, const char *p, size_t n);
/* The end of the stream: what stands without a line's end counts too. */
void tap_talk_end(struct tap_talk *t);
/*
 * What failed and what to do, from the lines so far: a sentence into err. -EPERM, -ENOENT (a
 * program is missing), -ENODEV, -EINVAL (the filter), else -EIO.
 */
int tap_talk_blame(const struct tap_talk *t, struct err *err);
/* One line of `ip -o link`. Pure. */
bool tap_talk_link(const char *line, struct tap_interface *out);
/* NULL: not known. */
const struct tap_interface *tap_talk_find(const struct tap_talk *t, int64_t index);

#endif
