/* SPDX-License-Identifier: Apache-2.0
 *
 * writer.c - the files of one target
 *
 * Interfaces are grouped by link type; a group is one file. The first interface's group is opened
 * at once, so that a target without packets has a file too; the others wait for a packet. The
 * limit by bytes is over the sum of what the open files would have if they ended now.
 */
#include "writer.h"
#include "version.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define STATS_COMMENT "drops: packets that the kernel could not hand over, counted per interface"

struct group {
	uint16_t link_type;
	char *suffix;			/* NULL: the first interface's */
	struct pcapng_interface *interfaces;
	size_t n;
	struct segment *segment;	/* NULL: no packet yet */
};

struct writer {
	struct writer_plan plan;	/* ifaces, wanted and texts are gone after writer_open */
	struct group *groups;
	size_t n_groups;
	size_t *group_of, *index_of;	/* per interface of the plan */
	struct pcapng_name *names;
	char *os;
	int64_t packets, truncated;
};

/* "web.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)" */
static char *describe(const struct writer_plan *p, const struct iface *i)
{
	struct buf b = BUF_INIT(4 * WIRE_TEXT_MAX);
	const struct wire_wanted *w = p->wanted;
	const char *address = NULL;

	buf_add_safe(&b, w->label);
	buf_add_safe(&b, "@");
	buf_add_safe(&b, p->node_name);
	buf_add_safe(&b, " ");
	buf_add_safe(&b, i->name);
	for (size_t n = 0; !address && n < w->n_networks; n++) {
		const struct wire_network *net = &w->networks[n];

		address = iface_find_address(i, net->addresses, net->n_addresses);
		if (!address)
			continue;
		buf_add_safe(&b, " (");
		buf_add_safe(&b, net->name);
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

static struct group *group_for(struct writer *w, const struct iface *i)
{
	struct group *g;

	for (size_t k = 0; k < w->n_groups; k++)
		if (w->groups[k].link_type == i->link_type)
			return &w->groups[k];
	w->groups = xrealloc(w->groups, w->n_groups + 1, sizeof(*w->groups));
	g = &w->groups[w->n_groups];
	*g = (struct group){ .link_type = i->link_type };
	g->suffix = w->n_groups ? suffix_of(i->link_text) : NULL;
	w->n_groups++;
	return g;
}

static void add_interface(struct writer *w, size_t number, const struct iface *i)
{
	struct group *g = group_for(w, i);
	struct pcapng_interface *p;
	struct buf name = BUF_INIT(8 * IFACE_NAME_MAX);

	w->group_of[number] = (size_t)(g - w->groups);
	w->index_of[number] = g->n;
	g->interfaces = xrealloc(g->interfaces, g->n + 1, sizeof(*g->interfaces));
	p = &g->interfaces[g->n++];
	buf_add_safe(&name, i->name);
	*p = (struct pcapng_interface){
		.name = buf_take(&name), .description = describe(&w->plan, i),
		.filter = xstrdup_null(w->plan.arm->filter), .link_type = i->link_type,
		.snaplen = w->plan.arm->snaplen, .has_mac = i->has_mac,
	};
	memcpy(p->mac, i->mac, sizeof(p->mac));
}

static char *name_of(const struct writer *w, const struct group *g)
{
	return segment_file_name(w->plan.target, 0, g->suffix, w->plan.arm->format);
}

static int open_group(struct writer *w, struct group *g, struct err *err)
{
	cleanup_free char *name = name_of(w, g);
	struct segment_plan p = {
		.room = spool_segment_room(w->plan.spool), .dirfd = w->plan.dirfd, .name = name,
		.section = { .os = w->os, .application = "swarmcap " SWARMCAP_VERSION },
		.interfaces = g->interfaces, .n_interfaces = g->n,
		.names = w->names, .n_names = w->plan.arm->n_hosts,
		.stats_comment = STATS_COMMENT,
	};

	return segment_open(&g->segment, &p, err);
}

static void copy_names(struct writer *w, const struct wire_arm *a)
{
	w->names = xcalloc(a->n_hosts + 1, sizeof(*w->names));
	for (size_t i = 0; i < a->n_hosts; i++) {
		w->names[i].address = a->hosts[i].address;
		w->names[i].name = a->hosts[i].name;
	}
}

/* What the files would weigh if they ended now. */
static uint64_t weight(const struct writer *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->n_groups; i++)
		sum += w->groups[i].segment ? segment_size(w->groups[i].segment) : 0;
	return sum;
}

int writer_open(struct writer **out, const struct writer_plan *p, struct err *err)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	uint64_t max = (uint64_t)p->arm->max_bytes;
	int r;

	w->plan = *p;
	w->os = xasprintf("%s, host %s", p->kernel, p->node_name);
	w->group_of = xcalloc(p->n_ifaces + 1, sizeof(size_t));
	w->index_of = xcalloc(p->n_ifaces + 1, sizeof(size_t));
	copy_names(w, p->arm);
	for (size_t i = 0; i < p->n_ifaces; i++)
		add_interface(w, i, &p->ifaces[i]);
	r = open_group(w, &w->groups[0], err);
	if (!r && max && weight(w) > max)
		r = err_set(err, -EFBIG, "max-bytes %lld is less than an empty capture needs: %llu",
			    (long long)max, (unsigned long long)weight(w));
	if (r) {
		segment_discard(w->groups[0].segment);
		w->groups[0].segment = NULL;
		writer_free(w);
		return r;
	}
	*out = w;
	return 0;
}

static void group_release(struct group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free((char *)g->interfaces[i].name);
		free((char *)g->interfaces[i].description);
		free((char *)g->interfaces[i].filter);
	}
	free(g->interfaces);
	free(g->suffix);
	segment_free(g->segment);
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < w->n_groups; i++)
		group_release(&w->groups[i]);
	free(w->groups);
	free(w->group_of);
	free(w->index_of);
	free(w->names);
	free(w->os);
	free(w);
}

/* How large the group's file may become, the others being as they are; 0: no limit. */
static uint64_t room_for(const struct writer *w, const struct group *g)
{
	uint64_t max = (uint64_t)w->plan.arm->max_bytes;

	return max ? max - (weight(w) - segment_size(g->segment)) : 0;
}

/* The limit may leave no room for a further file's header. */
static int open_further(struct writer *w, struct group *g, struct err *err)
{
	uint64_t max = (uint64_t)w->plan.arm->max_bytes;
	int r = open_group(w, g, err);

	if (r || !max || weight(w) <= max)
		return r;
	segment_discard(g->segment);
	g->segment = NULL;
	return WRITER_E_BYTES;
}

int writer_add(struct writer *w, const struct pcapng_packet *p, struct err *err)
{
	struct group *g = &w->groups[w->group_of[p->interface]];
	struct pcapng_packet mine = *p;
	int r;

	mine.interface = (uint32_t)w->index_of[p->interface];
	r = g->segment ? 0 : open_further(w, g, err);
	if (r)
		return r;
	r = segment_add(g->segment, &mine, room_for(w, g), err);
	if (r == SEGMENT_E_FULL)
		return WRITER_E_BYTES;
	if (r)
		return r;
	w->packets++;
	w->truncated += p->caplen < p->len;
	return w->packets == w->plan.arm->max_packets ? WRITER_E_PACKETS : 0;
}

int writer_flush_aged(struct writer *w, int age_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < w->n_groups; i++)
		if (w->groups[i].segment)
			r = segment_flush_aged(w->groups[i].segment, age_ms, err);
	return r;
}

bool writer_is_flushed(const struct writer *w)
{
	for (size_t i = 0; i < w->n_groups; i++)
		if (w->groups[i].segment && !segment_is_flushed(w->groups[i].segment))
			return false;
	return true;
}

bool writer_loses_interfaces(const struct writer *w)
{
	for (size_t i = 0; i < w->n_groups; i++)
		if (w->plan.arm->format == WIRE_PCAP && w->groups[i].n > 1)
			return true;
	return false;
}

int64_t writer_bytes(const struct writer *w)
{
	return (int64_t)weight(w);
}

int64_t writer_packets(const struct writer *w)
{
	return w->packets;
}

int64_t writer_truncated(const struct writer *w)
{
	return w->truncated;
}

static struct pcapng_stats *stats_of(const struct writer *w, size_t group,
				     const struct writer_end *end)
{
	struct pcapng_stats *v = xcalloc(w->groups[group].n + 1, sizeof(*v));

	for (size_t i = 0; i < w->plan.n_ifaces; i++) {
		if (w->group_of[i] != group)
			continue;
		v[w->index_of[i]] = (struct pcapng_stats){
			.ts_ns = end->end_ns, .start_ns = end->start_ns, .end_ns = end->end_ns,
			.received = (int64_t)end->counts[i].received,
			.dropped = (int64_t)end->counts[i].dropped,
		};
	}
	return v;
}

/* A commit that fails leaves the hidden file; what is whole of it is kept. */
static int end_group(struct writer *w, size_t group, struct writer_end *end, struct err *err)
{
	cleanup_free struct pcapng_stats *stats = stats_of(w, group, end);
	cleanup_free char *name = name_of(w, &w->groups[group]);
	struct wire_file f = { 0 };
	int r = segment_commit(w->groups[group].segment, stats, &f, err);

	if (r && segment_salvage(w->plan.dirfd, name, &f, NULL))
		return r;
	f.suffix = xstrdup_null(w->groups[group].suffix);
	end->files[end->n_files++] = f;
	return r;
}

int writer_finish(struct writer *w, struct writer_end *end, struct err *err)
{
	int r = 0;

	end->files = xcalloc(w->n_groups, sizeof(*end->files));
	end->n_files = 0;
	for (size_t i = 0; i < w->n_groups; i++) {
		int one = w->groups[i].segment ? end_group(w, i, end, err) : 0;

		r = r ? r : one;
	}
	return r;
}
