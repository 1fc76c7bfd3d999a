/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_interface.c - the interfaces of one target, and which file each one's packets go to
 */
#include "fileset_parts.h"

#include <ctype.h>
#include <string.h>

#define LINKTYPE_RAW 101

/* The first address that the interface has and the network names; NULL: none. */
static const char *address_on(const struct fileset_interface *i, const struct wire_network *net)
{
	for (size_t a = 0; a < i->n_addresses; a++)
		for (size_t k = 0; k < net->n_addresses; k++)
			if (!strcmp(i->addresses[a], net->addresses[k]))
				return i->addresses[a];
	return NULL;
}

char *fileset_describe(const struct wire_wanted *w, const char *node_name,
		       const struct fileset_interface *i)
{
	struct buf b = BUF_INIT(4 * WIRE_TEXT_MAX);
	const char *address = NULL;

	buf_add_safe(&b, w->label);
	buf_add_safe(&b, "@");
	buf_add_safe(&b, node_name);
	buf_add_safe(&b, " ");
	buf_add_safe(&b, i->name);
	for (size_t n = 0; !address && n < w->n_networks; n++) {
		address = address_on(i, &w->networks[n]);
		if (!address)
			continue;
		buf_add_safe(&b, " (");
		buf_add_safe(&b, w->networks[n].name);
		buf_addf(&b, " %s)", address);
	}
	if (!address && i->n_addresses && !i->loopback)
		buf_addf(&b, " (%s)", i->addresses[0]);
	return buf_take(&b);
}

static char *suffix_of(const char *link_text)
{
	char *s = names_clean(link_text, 24);

	for (char *p = s; *p; p++)
		*p = *p == '.' ? '_' : (char)tolower((unsigned char)*p);
	return s;
}

/* libpcap (1.10) refuses a file with two interfaces of raw IP: each has a file of its own. */
static bool takes_more(const struct fileset_group *g)
{
	return g->link_type != LINKTYPE_RAW || !g->n;
}

static struct fileset_group *group_for(struct fileset *f, const struct fileset_interface *i)
{
	struct fileset_group *g;
	cleanup_free char *suffix = NULL;
	size_t alike = 1;

	for (size_t k = 0; k < f->n_groups; k++) {
		if (f->groups[k].link_type != i->link_type)
			continue;
		if (takes_more(&f->groups[k]))
			return &f->groups[k];
		alike++;
	}
	f->groups = xrealloc(f->groups, f->n_groups + 1, sizeof(*f->groups));
	g = &f->groups[f->n_groups];
	*g = (struct fileset_group){ .link_type = i->link_type };
	suffix = f->n_groups ? suffix_of(i->link_text) : NULL;
	g->suffix = alike > 1 ? xasprintf("%s_%zu", suffix, alike) : take_ptr(&suffix);
	f->n_groups++;
	fileset_adopt(f, g);
	return g;
}

/* The next interface's number in the group's file; in those of others it has none. */
static void set_number(struct fileset *f, size_t group, uint32_t number)
{
	for (size_t i = 0; i < f->n_groups; i++) {
		struct fileset_group *g = &f->groups[i];

		g->numbers = xrealloc(g->numbers, f->n + 1, sizeof(*g->numbers));
		for (; g->n_numbers < f->n; g->n_numbers++)
			g->numbers[g->n_numbers] = SEGMENT_OTHER;
		g->numbers[g->n_numbers++] = i == group ? number : SEGMENT_OTHER;
	}
}

int fileset_declare(struct fileset *f, const struct fileset_interface *i, struct err *err)
{
	struct fileset_group *g = group_for(f, i);
	struct buf name = BUF_INIT(4 * WIRE_TEXT_MAX);
	struct pcapng_interface *p;
	int r = 0;

	g->interfaces = xrealloc(g->interfaces, g->n + 1, sizeof(*g->interfaces));
	p = &g->interfaces[g->n];
	buf_add_safe(&name, i->name);
	*p = (struct pcapng_interface){
		.name = buf_take(&name),
		.description = fileset_describe(f->plan.wanted, f->plan.node_name, i),
		.filter = xstrdup_null(f->plan.arm->filter), .link_type = i->link_type,
		.snaplen = f->plan.arm->snaplen, .has_mac = i->mac,
	};
	if (i->mac)
		memcpy(p->mac, i->mac, sizeof(p->mac));
	f->where = xrealloc(f->where, f->n + 1, sizeof(*f->where));
	set_number(f, (size_t)(g - f->groups), (uint32_t)g->n);
	f->where[f->n++] = (struct fileset_where){ (size_t)(g - f->groups), g->n++ };

	if (g->segment && f->plan.arm->format != WIRE_PCAP)
		r = segment_add_interface(g->segment, p, fileset_room_for(f, g), err);
	return r == SEGMENT_E_FULL ? FILESET_E_BYTES : r;
}

size_t fileset_interfaces(const struct fileset *f)
{
	return f->n;
}

const char *fileset_interface_name(const struct fileset *f, size_t number)
{
	return f->groups[f->where[number].group].interfaces[f->where[number].index].name;
}

uint16_t fileset_link_type(const struct fileset *f, size_t number)
{
	return f->groups[f->where[number].group].link_type;
}

bool fileset_loses_interfaces(const struct fileset *f)
{
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->plan.arm->format == WIRE_PCAP && f->groups[i].n > 1)
			return true;
	return false;
}
