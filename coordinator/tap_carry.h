/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_carry.h - between a container attached through the Engine and three plain sockets
 *
 *	carry_open(&c, &plan, err)	attached; before the container is started, so that nothing is lost
 *	carry_take(c, fds)		its stdout, stderr and stdin, the caller's from now on
 *	carry_close(c, ms)		waits so long for the container's end, breaks off, frees
 *
 * A thread moves the bytes. Who does not read stdout is waited for; stdin is carried meanwhile.
 * When the connection ends or says nonsense, stdout and stderr end.
 */
#ifndef TAP_CARRY_H
#define TAP_CARRY_H

#include "http.h"

#define CARRY_ATTACH_MS 10000

struct carry;

struct carry_plan {
	const struct http_dialer *dialer;
	const char *version;		/* of the API, "1.41" */
	const char *container;		/* its id, hexadecimal */
	int order_ms;			/* the container hears of stdin's end so much later */
	/* then called once, by the thread; or NULL */
	void (*order)(void *arg);
	void *arg;
	volatile bool *cancel;
};

int carry_open(struct carry **out, const struct carry_plan *p, struct err *err);
struct carry_fds {
	int out, err, in;
};
void carry_take(struct carry *c, struct carry_fds *out);
/* NULL is fine. */
void carry_close(struct carry *c, int timeout_ms);

#endif
