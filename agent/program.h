/* SPDX-License-Identifier: Apache-2.0
 *
 * program.h - a pcap-filter expression as one program for a socket that sees all interfaces
 *
 * A filter's code depends on the link type. A socket that is not bound sees frames of several,
 * so the program looks at the hardware type of each frame first and goes on in the code for it:
 * Ethernet and loopback, raw IP (tun), and cooked for all others (ring_block.h). The second
 * sight of each packet on loopback, the outgoing one, is refused here: it costs no room in a ring.
 * snaplen is what the program answers, so it is the kernel that cuts.
 */
#ifndef PROGRAM_H
#define PROGRAM_H

#include <linux/filter.h>

#include "err.h"

struct program;

/*
 * expr NULL: everything. -EINVAL: it fits no link type, or is too long. Code that asks for VLAN tags
 * is compiled on a live handle: only for one libpcap looks for tags where the kernel keeps them.
 */
int program_new(struct program **out, const char *expr, uint32_t snaplen, struct err *err);
void program_free(struct program *p);
/* Borrowed: valid as long as the program. */
struct sock_fprog program_code(const struct program *p);
/* NULL: frames of that link type (RING_LINK_*) are judged; else why all of them are refused. */
const char *program_refusal(const struct program *p, uint16_t link_type);

#endif
