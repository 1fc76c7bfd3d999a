/* SPDX-License-Identifier: Apache-2.0
 *
 * iface.h - the interfaces of the network namespace that the calling thread stands in
 */
#ifndef IFACE_H
#define IFACE_H

#include "err.h"

#define IFACE_NAME_MAX 16	/* the kernel's IFNAMSIZ */
#define IFACE_LINK_MAX 32
/* Done after a packet was seen going out, or before it was seen coming in. */
#define IFACE_TX_CHECKSUM 1u
#define IFACE_TSO 2u
#define IFACE_GSO 4u
#define IFACE_GRO 8u

struct iface {
	char name[IFACE_NAME_MAX];
	unsigned index;
	uint16_t hardware;		/* ARPHRD_* */
	int mtu;
	bool up, loopback, has_mac;
	uint8_t mac[6];
	char **addresses;		/* "10.0.1.5/24" */
	size_t n_addresses;
	/* of iface_details(), else 0: indices of its peer (or what it lies on) and of its bridge */
	unsigned peer, master;
	uint32_t vni;			/* of a vxlan interface */
	unsigned int offloads;		/* IFACE_* */
	/* known once a socket is open on it: LINKTYPE_* and pcap's name, "EN10MB"; else 0 and "" */
	uint16_t link_type;
	char link_text[IFACE_LINK_MAX];
};

struct iface_list {
	struct iface *v;
	size_t n;
};

#define IFACE_LIST_INIT { NULL, 0 }
#define cleanup_iface_list cleanup(iface_list_release)

/* By index. More than WIRE_INTERFACES_MAX are refused (-E2BIG). */
int iface_list(struct iface_list *out, struct err *err);
void iface_list_release(struct iface_list *l);
/* "02:42:0a:00:01:05" into out[18]. */
char *iface_mac_text(const struct iface *i, char *out);
/* The first address that an interface has and another text list names; NULL: none. */
const char *iface_find_address(const struct iface *i, char *const *addresses, size_t n);

#endif
