/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_iface.c - whose packets are they: interfaces by number, new ones included
 *
 * A frame tells its interface's index and hardware type. One that is not known is looked up in
 * the namespace by a thread of its own; if it is gone already, it is known by its index alone.
 */
#include "sniff_inside.h"
#include "iface_detail.h"
#include "netns.h"
#include "wire.h"

#include <errno.h>
#include <pcap/pcap.h>
#include <string.h>

static void set_link(struct iface *i)
{
	static const struct {
		uint16_t type;
		int dlt;
	} dlts[] = {
		{ RING_LINK_ETHERNET, DLT_EN10MB }, { RING_LINK_RAW, DLT_RAW },
		{ RING_LINK_COOKED, DLT_LINUX_SLL },
	};

	i->link_type = ring_link_type(i->hardware);
	for (size_t k = 0; k < ARRAY_SIZE(dlts); k++)
		if (dlts[k].type == i->link_type)
			snprintf(i->link_text, sizeof(i->link_text), "%s",
				 pcap_datalink_val_to_name(dlts[k].dlt));
}

static void add(struct sniff *s, struct iface *i)
{
	set_link(i);
	s->ifaces.v = xrealloc(s->ifaces.v, s->ifaces.n + 1, sizeof(*s->ifaces.v));
	s->ifaces.v[s->ifaces.n++] = *i;
	*i = (struct iface){ 0 };
}

/* Whether the filter can judge its frames; if not, that is noted, or the error. */
static int judge(struct sniff *s, const struct iface *i, struct err *err)
{
	const char *why = program_refusal(s->o.program, ring_link_type(i->hardware));
	cleanup_free char *text = NULL;

	if (!why)
		return 0;
	text = xasprintf("interface %s: %s", i->name, why);
	if (s->o.interface)
		return err_set(err, -EINVAL, "%s", text);
	if (s->o.note)
		s->o.note(s->o.arg, text);
	return -EINVAL;
}

int sniff_list_interfaces(struct sniff *s, struct err *err)
{
	cleanup_iface_list struct iface_list all = IFACE_LIST_INIT;
	bool found = false;
	int r = iface_list(&all, err);

	if (r)
		return r;
	iface_details(&all);
	for (size_t i = 0; i < all.n; i++) {
		struct iface *one = &all.v[i];

		if (s->o.interface && strcmp(s->o.interface, one->name))
			continue;
		found = true;
		if (s->o.interface && !one->up)
			return err_set(err, -ENODEV, "interface %s is down", one->name);
		if (one->up && !judge(s, one, err)) {
			s->ifindex = s->o.interface ? one->index : 0;
			add(s, one);
		} else if (s->o.interface) {
			return -EINVAL;
		}
	}
	if (s->o.interface && !found)
		return err_set(err, -ENODEV, "no interface %s in the namespace", s->o.interface);
	if (!s->ifaces.n && !s->o.early)
		return err_set(err, -ENODEV, "no interface in the namespace can be captured on");
	return 0;
}

/* ---- what came since ---- */

static void replace(struct sniff *s, struct iface *i)
{
	for (size_t k = 0; k < s->ifaces.n; k++) {
		struct iface *old = &s->ifaces.v[k], was = *old;

		if (old->index != i->index)
			continue;
		set_link(i);
		*old = *i;
		*i = was;		/* released with the new list */
		return;
	}
	if (s->ifaces.n < WIRE_INTERFACES_MAX)
		add(s, i);
}

static int refresh_inside(void *arg, struct err *err)
{
	cleanup_iface_list struct iface_list all = IFACE_LIST_INIT;
	struct sniff *s = arg;
	int r = iface_list(&all, err);

	for (size_t i = 0; !r && i < all.n; i++) {
		struct iface *one = &all.v[i];
		bool wanted = !s->o.interface || !strcmp(s->o.interface, one->name);

		if (wanted && one->up && !program_refusal(s->o.program, ring_link_type(one->hardware)))
			replace(s, one);
	}
	return r;
}

int sniff_refresh(struct sniff *s, struct err *err)
{
	int r = netns_run(s->ns, refresh_inside, s, err);

	if (!r && !s->ifaces.n)
		return err_set(err, -ENODEV, "no interface in the namespace can be captured on");
	return r;
}

/* ---- frames ---- */

struct search {
	const struct sniff *s;
	unsigned index;
	struct iface found;		/* index 0: none */
};

static int search_inside(void *arg, struct err *err)
{
	cleanup_iface_list struct iface_list all = IFACE_LIST_INIT;
	struct search *w = arg;
	int r = iface_list(&all, err);

	for (size_t i = 0; !r && i < all.n; i++) {
		bool named = w->s->o.interface && !strcmp(all.v[i].name, w->s->o.interface);

		if (w->index ? all.v[i].index != w->index : !named)
			continue;
		w->found = all.v[i];
		all.v[i] = (struct iface){ 0 };
	}
	return r;
}

static bool is_of(const struct iface *i, const struct sockaddr_ll *from)
{
	return i->index == (unsigned)from->sll_ifindex && i->hardware == from->sll_hatype;
}

/* Who makes interfaces without end finds the rest under the name of one of the same kind. */
static uint32_t stand_in(const struct sniff *s, const struct sockaddr_ll *from)
{
	uint32_t i = (uint32_t)s->ifaces.n - 1;

	while (i && s->ifaces.v[i].link_type != ring_link_type(from->sll_hatype))
		i--;
	return i;
}

static uint32_t look_up(struct sniff *s, const struct sockaddr_ll *from)
{
	struct search w = { .s = s, .index = (unsigned)from->sll_ifindex };

	for (size_t i = 0; i < s->ifaces.n; i++)
		if (is_of(&s->ifaces.v[i], from))
			return (uint32_t)i;
	if (s->ifaces.n >= WIRE_INTERFACES_MAX)
		return stand_in(s, from);
	netns_run(s->ns, search_inside, &w, NULL);
	if (!w.found.index)
		snprintf(w.found.name, sizeof(w.found.name), "if%d", from->sll_ifindex);
	w.found.index = (unsigned)from->sll_ifindex;
	w.found.hardware = from->sll_hatype;
	add(s, &w.found);
	return (uint32_t)s->ifaces.n - 1;
}

uint32_t sniff_number(struct sniff *s, const struct sockaddr_ll *from)
{
	if (s->last >= s->ifaces.n || !is_of(&s->ifaces.v[s->last], from))
		s->last = look_up(s, from);
	return (uint32_t)s->last;
}

bool sniff_has_interface(const struct sniff *s)
{
	struct search w = { .s = s };
	bool has;

	if (netns_run(s->ns, search_inside, &w, NULL))
		return true;		/* not known: no reason to end */
	has = w.found.index == s->ifindex;
	for (size_t i = 0; i < w.found.n_addresses; i++)
		free(w.found.addresses[i]);
	free(w.found.addresses);
	return has;
}
