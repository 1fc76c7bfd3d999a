/* SPDX-License-Identifier: Apache-2.0
 *
 * iface.h - the interfaces of the network namespace that the calling thread stands in
 */
#ifndef IFACE_H
#define IFACE_H

#include "err.h"

#define IFACE_NAME_MAX 16	/* the kernel's IFNAMSIZ */
#define IFACE_LINK_MAX 32

struct iface {
	char name[IFACE_NAME_MAX];
	unsigned index;
	uint16_t hardware;		/* ARPHRD_* */
	int mtu;
	bool up, loopback, has_mac;
	uint8_t mac[6];
	char **addresses;		/* "10.0.1.5/24" */
	size_t n_addresses;
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
