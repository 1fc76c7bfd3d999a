/* SPDX-License-Identifier: Apache-2.0
 *
 * iface.c - the interfaces of a network namespace
 *
 * Asked by netlink (getifaddrs) and ioctl, which answer for the thread's namespace. /sys does
 * not: it stays the agent's whatever namespace a thread stands in.
 */
#include "iface.h"
#include "wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netpacket/packet.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct iface *find(struct iface_list *l, const char *name)
{
	for (size_t i = 0; i < l->n; i++)
		if (!strcmp(l->v[i].name, name))
			return &l->v[i];
	return NULL;
}

/* An interface without a hardware address has none here either, nor type and index (glibc). */
static void add_link(struct iface_list *l, const struct ifaddrs *a)
{
	struct sockaddr_ll ll = { 0 };
	struct iface *i;

	if (a->ifa_addr)
		memcpy(&ll, a->ifa_addr, sizeof(ll));
	l->v = xrealloc(l->v, l->n + 1, sizeof(*l->v));
	i = &l->v[l->n++];
	*i = (struct iface){ .index = (unsigned)ll.sll_ifindex, .hardware = ll.sll_hatype,
			     .up = a->ifa_flags & IFF_UP,
			     .loopback = a->ifa_flags & IFF_LOOPBACK };
	snprintf(i->name, sizeof(i->name), "%s", a->ifa_name);
	if (ll.sll_halen == sizeof(i->mac) && !i->loopback) {
		i->has_mac = true;
		memcpy(i->mac, ll.sll_addr, sizeof(i->mac));
	}
}

static int prefix_length(const struct sockaddr *mask)
{
	uint8_t b[16] = { 0 };
	int n = 0;

	if (!mask)
		return -1;
	if (mask->sa_family == AF_INET)
		memcpy(b, &((const struct sockaddr_in *)(const void *)mask)->sin_addr, 4);
	else
		memcpy(b, &((const struct sockaddr_in6 *)(const void *)mask)->sin6_addr, 16);
	for (size_t i = 0; i < sizeof(b); i++)
		n += __builtin_popcount(b[i]);
	return n;
}

static void add_address(struct iface_list *l, const struct ifaddrs *a)
{
	struct iface *i = find(l, a->ifa_name);
	char text[INET6_ADDRSTRLEN];
	const void *bytes;

	if (!i || i->n_addresses >= WIRE_ADDRESSES_MAX)
		return;
	if (a->ifa_addr->sa_family == AF_INET)
		bytes = &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr;
	else
		bytes = &((const struct sockaddr_in6 *)(const void *)a->ifa_addr)->sin6_addr;
	if (!inet_ntop(a->ifa_addr->sa_family, bytes, text, sizeof(text)))
		return;
	i->addresses = xrealloc(i->addresses, i->n_addresses + 1, sizeof(*i->addresses));
	i->addresses[i->n_addresses++] = xasprintf("%s/%d", text, prefix_length(a->ifa_netmask));
}

/* What netlink did not tell: sizes; and index and type of interfaces without an address (tun). */
static void ask_rest(struct iface_list *l)
{
	cleanup_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; s >= 0 && i < l->n; i++) {
		struct iface *one = &l->v[i];
		struct ifreq r = { 0 };

		memcpy(r.ifr_name, one->name, sizeof(r.ifr_name) - 1);
		if (ioctl(s, SIOCGIFMTU, &r) == 0)
			one->mtu = r.ifr_mtu;
		if (one->index)
			continue;
		if (ioctl(s, SIOCGIFINDEX, &r) == 0)
			one->index = (unsigned)r.ifr_ifindex;
		if (ioctl(s, SIOCGIFHWADDR, &r) == 0)
			one->hardware = r.ifr_hwaddr.sa_family;
	}
}

static int by_index(const void *a, const void *b)
{
	unsigned x = ((const struct iface *)a)->index, y = ((const struct iface *)b)->index;

	return (x > y) - (x < y);
}

int iface_list(struct iface_list *out, struct err *err)
{
	cleanup_iface_list struct iface_list l = IFACE_LIST_INIT;
	struct ifaddrs *all;

	if (getifaddrs(&all))
		return err_errno(err, "cannot list the interfaces");
	for (struct ifaddrs *a = all; a && l.n <= WIRE_INTERFACES_MAX; a = a->ifa_next)
		if (!a->ifa_addr || a->ifa_addr->sa_family == AF_PACKET)
			add_link(&l, a);
	for (struct ifaddrs *a = all; a; a = a->ifa_next)
		if (a->ifa_addr &&
		    (a->ifa_addr->sa_family == AF_INET || a->ifa_addr->sa_family == AF_INET6))
			add_address(&l, a);
	freeifaddrs(all);
	if (l.n > WIRE_INTERFACES_MAX)
		return err_set(err, -E2BIG,
			       "the namespace has more than %d interfaces: name one with -i",
			       WIRE_INTERFACES_MAX);
	ask_rest(&l);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_index);
	*out = l;
	l = (struct iface_list)IFACE_LIST_INIT;
	return 0;
}

void iface_list_release(struct iface_list *l)
{
	for (size_t i = 0; i < l->n; i++) {
		for (size_t k = 0; k < l->v[i].n_addresses; k++)
			free(l->v[i].addresses[k]);
		free(l->v[i].addresses);
	}
	free(l->v);
	*l = (struct iface_list)IFACE_LIST_INIT;
}

char *iface_mac_text(const struct iface *i, char *out)
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", i->mac[0], i->mac[1], i->mac[2],
		 i->mac[3], i->mac[4], i->mac[5]);
	return out;
}

const char *iface_find_address(const struct iface *i, char *const *addresses, size_t n)
{
	for (size_t a = 0; a < i->n_addresses; a++)
		for (size_t k = 0; k < n; k++)
			if (!strcmp(i->addresses[a], addresses[k]))
				return i->addresses[a];
	return NULL;
}
