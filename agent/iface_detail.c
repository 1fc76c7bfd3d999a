/* SPDX-License-Identifier: Apache-2.0
 *
 * iface_detail.c - how interfaces hang together, and what is done to their packets after us
 */
#include "iface_detail.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>

#define ANSWER_MAX (64 << 10)	/* of one read; the kernel's are at most 32 KiB */
#define ANSWER_S 2

/* ---- netlink ---- */

/* The attribute of this type among n bytes of them; NULL: it is not there, or they are broken. */
static const struct rtattr *find(const void *from, size_t n, unsigned short type, size_t least)
{
	const struct rtattr *a = from;

	while (n >= sizeof(*a) && a->rta_len >= sizeof(*a) && a->rta_len <= n) {
		size_t step = RTA_ALIGN(a->rta_len);

		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return RTA_PAYLOAD(a) >= least ? a : NULL;
		if (step >= n)
			break;
		n -= step;
		a = (const void *)((const char *)a + step);
	}
	return NULL;
}

static uint32_t number(const void *from, size_t n, unsigned short type)
{
	const struct rtattr *a = find(from, n, type, sizeof(uint32_t));
	uint32_t value = 0;

	if (a)
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

/* The VNI of a vxlan interface, nested two deep; 0: it is none. */
static uint32_t find_vni(const void *attributes, size_t n)
{
	const struct rtattr *info = find(attributes, n, IFLA_LINKINFO, 0), *kind, *data;

	if (!info)
		return 0;
	kind = find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_KIND, sizeof("vxlan"));
	data = find(RTA_DATA(info), RTA_PAYLOAD(info), IFLA_INFO_DATA, 0);
	if (!kind || !data || memcmp(RTA_DATA(kind), "vxlan", sizeof("vxlan")) != 0)
		return 0;
	return number(RTA_DATA(data), RTA_PAYLOAD(data), IFLA_VXLAN_ID);
}

void iface_detail_decode(struct iface_list *l, const void *message, size_t len)
{
	const char *attributes = (const char *)message + NLMSG_ALIGN(sizeof(struct ifinfomsg));
	struct ifinfomsg info;
	size_t n;

	if (len < NLMSG_ALIGN(sizeof(info)))
		return;
	memcpy(&info, message, sizeof(info));
	n = len - NLMSG_ALIGN(sizeof(info));
	for (size_t i = 0; i < l->n; i++) {
		if (l->v[i].index != (unsigned)info.ifi_index)
			continue;
		l->v[i].peer = number(attributes, n, IFLA_LINK);
		l->v[i].master = number(attributes, n, IFLA_MASTER);
		l->v[i].vni = find_vni(attributes, n);
	}
}

static bool ask(int s)
{
	const struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} q = {
		.h = { .nlmsg_len = sizeof(q), .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP },
		.i = { .ifi_family = AF_UNSPEC },
	};
	const struct timeval patience = { .tv_sec = ANSWER_S };

	setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	return send(s, &q, sizeof(q), 0) == (ssize_t)sizeof(q);
}

/* True: more is to come. */
static bool take(struct iface_list *l, const char *at, size_t n)
{
	while (n >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;
		size_t step;

		memcpy(&h, at, sizeof(h));
		step = NLMSG_ALIGN(h.nlmsg_len);
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > n || h.nlmsg_type != RTM_NEWLINK)
			return false;
		iface_detail_decode(l, at + NLMSG_HDRLEN, h.nlmsg_len - NLMSG_HDRLEN);
		if (step >= n)
			break;
		at += step;
		n -= step;
	}
	return true;
}

static void ask_links(struct iface_list *l)
{
	cleanup_close int s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	cleanup_free char *answer = xmalloc(ANSWER_MAX);
	ssize_t n;

	if (s < 0 || !ask(s))
		return;
	do {
		n = recv(s, answer, ANSWER_MAX, 0);
	} while (n > 0 && take(l, answer, (size_t)n));
}

/* ---- ethtool ---- */

static void ask_offloads(struct iface_list *l)
{
	static const struct {
		uint32_t command;
		unsigned int bit;
	} asks[] = {
		{ ETHTOOL_GTXCSUM, IFACE_TX_CHECKSUM }, { ETHTOOL_GTSO, IFACE_TSO },
		{ ETHTOOL_GGSO, IFACE_GSO }, { ETHTOOL_GGRO, IFACE_GRO },
	};
	cleanup_close int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	for (size_t i = 0; s >= 0 && i < l->n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(asks); k++) {
			struct ethtool_value value = { .cmd = asks[k].command };
			struct ifreq r = { .ifr_data = (void *)&value };

			memcpy(r.ifr_name, l->v[i].name, sizeof(r.ifr_name) - 1);
			if (ioctl(s, SIOCETHTOOL, &r) == 0 && value.data)
				l->v[i].offloads |= asks[k].bit;
		}
}

void iface_details(struct iface_list *l)
{
	ask_links(l);
	ask_offloads(l);
}

/* ---- for the report ---- */

static const char *name_of(const struct iface_list *l, unsigned index)
{
	for (size_t i = 0; i < l->n; i++)
		if (index && l->v[i].index == index)
			return l->v[i].name;
	return NULL;
}

static void add_text(char ***list, size_t *n, const char *text)
{
	*list = xrealloc(*list, *n + 1, sizeof(**list));
	(*list)[(*n)++] = xstrdup(text);
}

void iface_report(const struct iface_list *l, const struct iface *i, struct wire_interface *out)
{
	static const struct {
		unsigned int bit;
		const char *word;
	} words[] = {
		{ IFACE_TX_CHECKSUM, "tx-checksum" }, { IFACE_TSO, "tso" }, { IFACE_GSO, "gso" },
		{ IFACE_GRO, "gro" },
	};
	char mac[18];

	*out = (struct wire_interface){
		.name = xstrdup(i->name), .index = i->index, .mtu = i->mtu,
		.mac = i->has_mac ? xstrdup(iface_mac_text(i, mac)) : NULL,
		.link_type = xstrdup(i->link_text), .peer = i->peer, .vni = i->vni,
		.master = xstrdup_null(name_of(l, i->master)),
	};
	for (size_t k = 0; k < i->n_addresses; k++)
		add_text(&out->addresses, &out->n_addresses, i->addresses[k]);
	for (size_t k = 0; k < ARRAY_SIZE(words); k++)
		if (i->offloads & words[k].bit)
			add_text(&out->offloads, &out->n_offloads, words[k].word);
}
