/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_file.c - the files of one tapped target: as an agent's, written here
 *
 * As agent/writer.c, but for interfaces that may come late: one that its file does not know yet
 * gets its block in the middle of the file. Classic files know no interfaces at all.
 */
#include "tap_file.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "tap_stream.h"
#include "version.h"

struct group {
	uint16_t link_type;
	char *suffix;			/* NULL: the first interface's */
	struct pcapng_interface *interfaces;
	size_t n;
	struct segment *segment;	/* NULL: no packet yet */
};

struct where {
	size_t group, index;
};

struct tap_file {
	struct tap_file_plan plan;
	struct group *groups;
	size_t n_groups;
	struct where *where;		/* per interface */
	size_t n;
	struct pcapng_name *names;
	char *os, *stats_comment;
	int64_t packets, truncated;
};

struct tap_file *tap_file_new(const struct tap_file_plan *p)
{
	struct tap_file *f = xcalloc(1, sizeof(*f));

	f->plan = *p;
	f->os = xasprintf("host %s", p->node_name);
	f->stats_comment = xstrdup(p->one_count ? "counts: of all interfaces together"
						: "drops: packets that the kernel could not hand "
						  "over, counted per interface");
	f->names = xcalloc(p->arm->n_hosts + 1, sizeof(*f->names));
	for (size_t i = 0; i < p->arm->n_hosts; i++)
		f->names[i] = (struct pcapng_name){ .address = p->arm->hosts[i].address,
						    .name = p->arm->hosts[i].name };
	return f;
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
	segment_discard(g->segment);
}

void tap_file_free(struct tap_file *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n_groups; i++)
		group_release(&f->groups[i]);
	free(f->groups);
	free(f->where);
	free(f->names);
	free(f->os);
	free(f->stats_comment);
	free(f);
}

/* ---- interfaces ---- */

static bool has_address(const struct tap_interface *i, const char *address)
{
	for (size_t k = 0; k < i->n_addresses; k++)
		if (!strcmp(i->addresses[k], address))
			return true;
	return false;
}

/* The network's address that the interface has; NULL: none. */
static const char *address_on(const struct tap_interface *i, const struct wire_network *net)
{
	for (size_t k = 0; k < net->n_addresses; k++)
		if (has_address(i, net->addresses[k]))
			return net->addresses[k];
	return NULL;
}

/* "web.3.k7x2a9@node1 eth0 (app 10.0.1.5/24)", as an agent describes it */
static char *describe(const struct tap_file_plan *p, const struct tap_interface *i)
{
	struct buf b = BUF_INIT(4 * WIRE_TEXT_MAX);
	const char *address = NULL;

	buf_add_safe(&b, p->wanted->label);
	buf_add_safe(&b, "@");
	buf_add_safe(&b, p->node_name);
	buf_add_safe(&b, " ");
	buf_add_safe(&b, i->name);
	for (size_t n = 0; !address && n < p->wanted->n_networks; n++) {
		address = address_on(i, &p->wanted->networks[n]);
		if (!address)
			continue;
		buf_add_safe(&b, " (");
		buf_add_safe(&b, p->wanted->networks[n].name);
		buf_addf(&b, " %s)", address);
	}
	if (!address && i->n_addresses && strcmp(i->name, "lo"))
		buf_addf(&b, " (%s)", i->addresses[0]);
	return buf_take(&b);
}

static char *suffix_of(uint16_t link_type)
{
	char text[32], *s = names_clean(tap_link_text(link_type, text), 24);

	for (char *p = s; *p; p++)
		*p = *p == '.' ? '_' : (char)tolower((unsigned char)*p);
	return s;
}

static struct group *group_for(struct tap_file *f, uint16_t link_type)
{
	struct group *g;

	for (size_t k = 0; k < f->n_groups; k++)
		if (f->groups[k].link_type == link_type)
			return &f->groups[k];
	f->groups = xrealloc(f->groups, f->n_groups + 1, sizeof(*f->groups));
	g = &f->groups[f->n_groups];
	*g = (struct group){ .link_type = link_type };
	g->suffix = f->n_groups ? suffix_of(link_type) : NULL;
	f->n_groups++;
	return g;
}

/* What the files would weigh if they ended now. */
static uint64_t weight(const struct tap_file *f)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < f->n_groups; i++)
		sum += f->groups[i].segment ? segment_size(f->groups[i].segment) : 0;
	return sum;
}

/* How large the group's file may become, the others being as they are; 0: no limit. */
static uint64_t room_for(const struct tap_file *f, const struct group *g)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;

	return max ? max - (weight(f) - segment_size(g->segment)) : 0;
}

int tap_file_declare(struct tap_file *f, uint16_t link_type, const struct tap_interface *i,
		     struct err *err)
{
	struct group *g = group_for(f, link_type);
	struct pcapng_interface *p;
	struct buf name = BUF_INIT(8 * sizeof(i->name));
	int r = 0;

	g->interfaces = xrealloc(g->interfaces, g->n + 1, sizeof(*g->interfaces));
	p = &g->interfaces[g->n];
	buf_add_safe(&name, i->name);
	*p = (struct pcapng_interface){
		.name = buf_take(&name), .description = describe(&f->plan, i),
		.filter = xstrdup_null(f->plan.arm->filter), .link_type = link_type,
		.snaplen = f->plan.arm->snaplen, .has_mac = i->has_mac,
	};
	memcpy(p->mac, i->mac, sizeof(p->mac));
	f->where = xrealloc(f->where, f->n + 1, sizeof(*f->where));
	f->where[f->n++] = (struct where){ (size_t)(g - f->groups), g->n++ };

	if (g->segment && f->plan.arm->format != WIRE_PCAP)
		r = segment_add_interface(g->segment, p, room_for(f, g), err);
	return r == SEGMENT_E_FULL ? TAP_FILE_E_BYTES : r;
}

size_t tap_file_interfaces(const struct tap_file *f)
{
	return f->n;
}

const char *tap_file_interface_name(const struct tap_file *f, size_t number)
{
	return f->groups[f->where[number].group].interfaces[f->where[number].index].name;
}

uint16_t tap_file_link_type(const struct tap_file *f, size_t number)
{
	return f->groups[f->where[number].group].link_type;
}

bool tap_file_loses_interfaces(const struct tap_file *f)
{
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->plan.arm->format == WIRE_PCAP && f->groups[i].n > 1)
			return true;
	return false;
}

/* ---- files ---- */

static char *name_of(const struct tap_file *f, const struct group *g)
{
	return segment_file_name(f->plan.target, 0, g->suffix, f->plan.arm->format);
}

static int open_group(struct tap_file *f, struct group *g, struct err *err)
{
	cleanup_free char *name = name_of(f, g);
	struct segment_plan p = {
		.dirfd = f->plan.dirfd, .name = name,
		.section = { .os = f->os, .application = "swarmcap " SWARMCAP_VERSION,
			     .comment = f->plan.comment },
		.interfaces = g->interfaces, .n_interfaces = g->n,
		.names = f->names, .n_names = f->plan.arm->n_hosts,
		.stats_comment = f->stats_comment, .one_count = f->plan.one_count,
	};

	return segment_open(&g->segment, &p, err);
}

int tap_file_begin(struct tap_file *f, struct err *err)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;
	int r = f->n_groups ? open_group(f, &f->groups[0], err)
			    : err_set(err, -ENODEV, "there is no interface to capture on");

	if (r || !max || weight(f) <= max)
		return r;
	r = err_set(err, -EFBIG, "max-bytes %lld is less than an empty capture needs: %llu",
		    (long long)max, (unsigned long long)weight(f));
	segment_discard(f->groups[0].segment);
	f->groups[0].segment = NULL;
	return r;
}

/* The limit may leave no room for a further file's header. */
static int open_further(struct tap_file *f, struct group *g, struct err *err)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;
	int r = open_group(f, g, err);

	if (r || !max || weight(f) <= max)
		return r;
	segment_discard(g->segment);
	g->segment = NULL;
	return TAP_FILE_E_BYTES;
}

int tap_file_add(struct tap_file *f, const struct pcapng_packet *p, struct err *err)
{
	const struct where *at = &f->where[p->interface];
	struct group *g = &f->groups[at->group];
	struct pcapng_packet mine = *p;
	int r;

	mine.interface = (uint32_t)at->index;
	r = g->segment ? 0 : open_further(f, g, err);
	if (r)
		return r;
	r = segment_add(g->segment, &mine, room_for(f, g), err);
	if (r == SEGMENT_E_FULL)
		return TAP_FILE_E_BYTES;
	if (r)
		return r;
	f->packets++;
	f->truncated += p->caplen < p->len;
	return f->packets == f->plan.arm->max_packets ? TAP_FILE_E_PACKETS : 0;
}

int tap_file_flush_aged(struct tap_file *f, int age_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < f->n_groups; i++)
		if (f->groups[i].segment)
			r = segment_flush_aged(f->groups[i].segment, age_ms, err);
	return r;
}

int64_t tap_file_bytes(const struct tap_file *f)
{
	return (int64_t)weight(f);
}

int64_t tap_file_packets(const struct tap_file *f)
{
	return f->packets;
}

int64_t tap_file_truncated(const struct tap_file *f)
{
	return f->truncated;
}

/* ---- the end ---- */

static struct pcapng_stats *stats_of(const struct tap_file *f, size_t group,
				     const struct tap_file_end *end)
{
	struct pcapng_stats *v = xcalloc(f->groups[group].n + 1, sizeof(*v));

	for (size_t i = 0; i < f->n; i++) {
		bool known = i < end->n_stats;

		if (f->where[i].group != group)
			continue;
		v[f->where[i].index] = (struct pcapng_stats){
			.ts_ns = end->end_ns, .start_ns = end->start_ns, .end_ns = end->end_ns,
			.received = known ? end->stats[i].received : -1,
			.dropped = known ? end->stats[i].dropped : -1,
		};
	}
	return v;
}

/* A commit that fails leaves the hidden file; what is whole of it is kept. */
static int end_group(struct tap_file *f, size_t group, struct tap_file_end *end, struct err *err)
{
	cleanup_free struct pcapng_stats *stats = stats_of(f, group, end);
	cleanup_free char *name = name_of(f, &f->groups[group]);
	struct wire_file file = { 0 };
	int r = segment_commit(f->groups[group].segment, stats, &file, err);

	segment_free(f->groups[group].segment);
	f->groups[group].segment = NULL;
	if (r && segment_salvage(f->plan.dirfd, name, &file, NULL))
		return r;
	file.suffix = xstrdup_null(f->groups[group].suffix);
	end->files[end->n_files++] = file;
	return r;
}

int tap_file_finish(struct tap_file *f, struct tap_file_end *end, struct err *err)
{
	int r = 0;

	end->files = xcalloc(f->n_groups + 1, sizeof(*end->files));
	end->n_files = 0;
	for (size_t i = 0; i < f->n_groups; i++) {
		int one = f->groups[i].segment ? end_group(f, i, end, err) : 0;

		r = r ? r : one;
	}
	return r;
}
