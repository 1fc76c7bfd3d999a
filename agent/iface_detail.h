/* SPDX-License-Identifier: Apache-2.0
 *
 * iface_detail.h - how interfaces hang together, and what is done to their packets after us
 */
#ifndef IFACE_DETAIL_H
#define IFACE_DETAIL_H

#include "iface.h"
#include "wire.h"

/*
 * Fills peer, master, vni and offloads of those in l, by netlink and ethtool in the namespace that the
 * calling thread stands in. What the kernel does not tell stays empty.
 */
void iface_details(struct iface_list *l);
/* What one RTM_NEWLINK message tells of its interface; pure. len: of the bytes at message. */
void iface_detail_decode(struct iface_list *l, const void *message, size_t len);
/* i, one of l, as a report has it. */
void iface_report(const struct iface_list *l, const struct iface *i, struct wire_interface *out);

#endif
