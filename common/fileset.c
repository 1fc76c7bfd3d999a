/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset.c - the files of one target: limits, packets
 *
 * Interfaces are grouped by link type; of a group one file is being written. The first interface's
 * group is opened at once, so that a target without packets has a file too; all other files
 * wait for a packet. The limit by bytes is over the sum of what was rotated away and what
 * the open files would have if they ended now.
 */
#include "fileset_parts.h"

#include <errno.h>
#include <string.h>

#include "version.h"

#define STATS_COMMENT "drops: of all interfaces together, while this file was written"

struct fileset *fileset_new(const struct fileset_plan *p)
{
	struct fileset *f = xcalloc(1, sizeof(*f));
	const struct wire_arm *a = p->arm;

	f->plan = *p;
	f->plan.node_name = xstrdup(p->node_name);
	f->plan.os = xstrdup_null(p->os);
	f->plan.comment = xstrdup_null(p->comment);
	f->dropped = -1;
	pthread_mutex_init(&f->lock, NULL);
	pthread_cond_init(&f->done, NULL);
	f->names = xcalloc(a->n_hosts + 1, sizeof(*f->names));
	for (size_t i = 0; i < a->n_hosts; i++)
		f->names[i] = (struct pcapng_name){ .address = a->hosts[i].address,
						    .name = a->hosts[i].name };
	return f;
}

static void group_release(struct fileset_group *g)
{
	for (size_t i = 0; i < g->n; i++) {
		free((char *)g->interfaces[i].name);
		free((char *)g->interfaces[i].description);
		free((char *)g->interfaces[i].filter);
	}
	free(g->interfaces);
	free(g->numbers);
	free(g->suffix);
	segment_free(g->segment);
}

void fileset_free(struct fileset *f)
{
	if (!f)
		return;
	fileset_wait(f);
	fileset_forget_old(f);
	for (size_t i = 0; i < f->n_groups; i++)
		group_release(&f->groups[i]);
	free(f->groups);
	free(f->where);
	free(f->names);
	free((char *)f->plan.node_name);
	free((char *)f->plan.os);
	free((char *)f->plan.comment);
	pthread_mutex_destroy(&f->lock);
	pthread_cond_destroy(&f->done);
	free(f);
}

/* What all files would weigh if they ended now. */
static uint64_t weight(const struct fileset *f)
{
	uint64_t sum = (uint64_t)f->old_bytes;

	for (size_t i = 0; i < f->n_groups; i++)
		sum += f->groups[i].segment ? segment_size(f->groups[i].segment) : 0;
	return sum;
}

uint64_t fileset_room_for(const struct fileset *f, const struct fileset_group *g)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;

	return max ? max - (weight(f) - segment_size(g->segment)) : 0;
}

/* ---- files ---- */

/* ts_ns: what its first packet says, or the present. */
static int open_group(struct fileset *f, struct fileset_group *g, int64_t ts_ns, struct err *err)
{
	cleanup_free char *name = fileset_file_name(f, g);
	const struct segment_plan p = {
		.room = f->plan.room, .disk = f->plan.disk, .dirfd = f->plan.dirfd, .name = name,
		.section = { .os = f->plan.os, .application = "swarmcap " SWARMCAP_VERSION,
			     .comment = f->plan.comment },
		.interfaces = g->interfaces, .n_interfaces = g->n,
		.names = f->names, .n_names = f->plan.arm->n_hosts,
		.stats_comment = g->suffix ? NULL : STATS_COMMENT, .counts_drops = !g->suffix,
	};

	int64_t now = clock_wall_ns();
	int r;

	fileset_make_place(f, g);
	g->start_ns = ts_ns < now ? ts_ns : now;
	fileset_set_interval(f, g, ts_ns);
	r = segment_open(&g->segment, &p, err);
	g->empty_size = r ? 0 : segment_size(g->segment);
	return r;
}

static void discard(struct fileset_group *g)
{
	segment_discard(g->segment);
	g->segment = NULL;
}

int fileset_begin(struct fileset *f, struct err *err)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;
	int r = f->n_groups ? open_group(f, &f->groups[0], clock_wall_ns(), err)
			    : err_set(err, -ENODEV, "there is no interface to capture on");

	if (r || !max || weight(f) <= max)
		return r;
	r = err_set(err, -EFBIG, "max-bytes %lld is less than an empty capture needs: %llu",
		    (long long)max, (unsigned long long)weight(f));
	discard(&f->groups[0]);
	return r;
}

/* The limit may leave no room for a further file's header. */
static int open_further(struct fileset *f, struct fileset_group *g, int64_t ts_ns, struct err *err)
{
	uint64_t max = (uint64_t)f->plan.arm->max_bytes;
	int r = open_group(f, g, ts_ns, err);

	if (r || !max || weight(f) <= max)
		return r;
	discard(g);
	return FILESET_E_BYTES;
}

/* ---- packets ---- */

/*
 * The size at which the group's file is to end, and the next one to begin; 0: it is not. A file
 * with thousands of hosts' names in front holds as much of packets.
 */
static uint64_t rotation_for(const struct fileset *f, const struct fileset_group *g)
{
	uint64_t size = (uint64_t)f->plan.arm->rotate_bytes;

	if (size && size < 2 * g->empty_size)
		size = 2 * g->empty_size;
	return size && segment_packets(g->segment) && fileset_may_rotate(f, g) ? size : 0;
}

struct segment_run fileset_run(const struct fileset *f, const struct fileset_group *g)
{
	const uint64_t room = fileset_room_for(f, g), rotation = rotation_for(f, g);

	return (struct segment_run){
		.numbers = g->numbers, .until_ns = g->until_ns,
		.max_size = rotation && (!room || rotation < room) ? rotation : room,
	};
}

/*
 * Into the group's file, as many as are of it; rotated at most once, since one packet fits into every
 * file. What is said is said of the first one that was not taken.
 */
static int put(struct fileset *f, struct fileset_group *g, const struct pcapng_packet *p, size_t n,
	       size_t *taken, struct err *err)
{
	struct segment_run run = fileset_run(f, g);
	const bool rotates = run.max_size != fileset_room_for(f, g);
	int r;

	/* with the first packet of a file it is known where that ends */
	if (f->plan.arm->rotate_bytes && !segment_packets(g->segment))
		n = 1;
	r = segment_add(g->segment, &run, p, n, taken, err);
	if (r != SEGMENT_E_FULL || !rotates)
		return r;
	if (*taken)
		return 0;
	fileset_rotate(f, g);
	r = open_further(f, g, p->ts_ns, err);
	if (r)
		return r;
	run.until_ns = g->until_ns;
	run.max_size = fileset_room_for(f, g);
	return segment_add(g->segment, &run, p, 1, taken, err);
}

/* The packet is of a later interval than the group's file. */
static int change_interval(struct fileset *f, struct fileset_group *g, int64_t ts_ns,
			   struct err *err)
{
	if (segment_packets(g->segment) && fileset_may_rotate(f, g)) {
		fileset_rotate(f, g);
		return open_further(f, g, ts_ns, err);
	}
	fileset_set_interval(f, g, ts_ns);
	return 0;
}

static int result_of(struct fileset *f, struct fileset_group *g, int r)
{
	if (r == SEGMENT_E_BUSY)
		return FILESET_E_BUSY;
	if (r != SEGMENT_E_FULL)
		return r;
	/* opened for this packet, and it has no room */
	if (g->segment && !segment_packets(g->segment) && (g->suffix || g->number))
		discard(g);
	return FILESET_E_BYTES;
}

/* Packets from p on, of one file. */
static int add_run(struct fileset *f, const struct pcapng_packet *p, size_t n, size_t *taken,
		   struct err *err)
{
	struct fileset_group *g = &f->groups[f->where[p->interface].group];
	int r = 0;

	*taken = 0;
	if (!g->segment)
		r = open_further(f, g, p->ts_ns, err);
	else if (p->ts_ns >= g->until_ns)
		r = change_interval(f, g, p->ts_ns, err);
	if (r)
		return r;
	r = put(f, g, p, n, taken, err);
	return r > 0 ? result_of(f, g, r) : r;
}

int fileset_add(struct fileset *f, const struct pcapng_packet *p, size_t n, size_t *taken,
		struct err *err)
{
	int64_t max = f->plan.arm->max_packets;
	size_t most = max && max - f->packets < (int64_t)n ? (size_t)(max - f->packets) : n;
	int r = 0;

	*taken = 0;
	while (!r && *taken < most) {
		size_t run;

		r = add_run(f, p + *taken, most - *taken, &run, err);
		*taken += run;
		f->packets += (int64_t)run;
	}
	return !r && max && f->packets == max ? FILESET_E_PACKETS : r;
}

int fileset_tick(struct fileset *f, int64_t now_ns, int age_ms, struct err *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < f->n_groups; i++) {
		struct fileset_group *g = &f->groups[i];

		if (!g->segment)
			continue;
		r = segment_tick(g->segment, now_ns, age_ms, err);
		if (!r)
			fileset_end_interval(f, g, now_ns);
	}
	return r;
}

size_t fileset_share(struct fileset *f, int **fds)
{
	size_t n = 0;

	*fds = xcalloc(f->n_groups + 1, sizeof(**fds));
	for (size_t i = 0; i < f->n_groups; i++) {
		int fd = f->groups[i].segment ? segment_share(f->groups[i].segment) : -1;

		if (fd >= 0)
			(*fds)[n++] = fd;
	}
	return n;
}

void fileset_set_dropped(struct fileset *f, int64_t dropped)
{
	f->dropped = dropped;
}

bool fileset_is_flushed(const struct fileset *f)
{
	for (size_t i = 0; i < f->n_groups; i++)
		if (f->groups[i].segment && !segment_is_flushed(f->groups[i].segment))
			return false;
	return true;
}

int64_t fileset_bytes(const struct fileset *f)
{
	return (int64_t)weight(f);
}

int64_t fileset_packets(const struct fileset *f)
{
	return f->packets;
}

int64_t fileset_truncated(const struct fileset *f)
{
	int64_t sum = f->old_truncated;

	for (size_t i = 0; i < f->n_groups; i++)
		sum += f->groups[i].segment ? segment_truncated(f->groups[i].segment) : 0;
	return sum;
}
