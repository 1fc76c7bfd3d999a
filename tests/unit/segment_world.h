/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_world.h - segments in a spool, for the tests of them
 */
#ifndef SEGMENT_WORLD_H
#define SEGMENT_WORLD_H

#include "agent_world.h"
#include "judge.h"
#include "segment.h"

#include <sys/stat.h>

#define T0 1795444745120334551LL

static struct world w;
static int folder;
static struct disk *disk;	/* NULL: the caller writes */
static const uint8_t data[300000];

static const struct pcapng_interface interfaces[] = {
	{ .name = "lo", .description = "web.1 lo", .link_type = 1, .snaplen = 262144 },
	{ .name = "eth0", .description = "web.1 eth0", .link_type = 1, .snaplen = 262144 },
};

static inline struct segment *open_segment(const char *name)
{
	const struct segment_plan p = {
		.room = spool_segment_room(w.spool),
		.disk = disk,
		.dirfd = folder,
		.name = name,
		.section = { .application = "test" },
		.interfaces = interfaces,
		.n_interfaces = 2,
		.stats_comment = "a comment",
		.counts_drops = true,
	};
	struct segment *s = NULL;
	struct err err = ERR_INIT;

	if (segment_open(&s, &p, &err))
		fail_msg("%s", err.text);
	return s;
}

static inline struct pcapng_packet packet(uint32_t caplen, int64_t ts)
{
	return (struct pcapng_packet){ .interface = 1, .ts_ns = ts, .caplen = caplen, .len = caplen,
				       .data = data };
}

static inline int commit(struct segment *s, struct wire_file *f)
{
	const struct segment_end end = { .start_ns = T0, .end_ns = T0 + 9, .dropped = 7 };

	*f = (struct wire_file){ 0 };
	return segment_commit(s, &end, f, NULL);
}

static inline int64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) ? -1 : st.st_size;
}

static inline int64_t hidden_size_of(const char *name)
{
	cleanup_free char *hidden = segment_hidden_name(name);

	return size_of(hidden);
}

/* One packet; what was not taken is told. */
static inline int add(struct segment *s, const struct pcapng_packet *p, uint64_t max_size)
{
	static const uint32_t same[] = { 0, 1, 2, 3 };
	const struct segment_run run = { same, max_size, INT64_MAX };
	size_t taken = 2;
	int r = segment_add(s, &run, p, 1, &taken, NULL);

	assert_int_equal(taken, !r);
	return r;
}

static inline void cut(const char *name, off_t by)
{
	cleanup_free char *hidden = segment_hidden_name(name);
	int fd = openat(folder, hidden, O_RDWR | O_CLOEXEC);
	struct stat st;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	assert_return_code(ftruncate(fd, st.st_size - by), errno);
	close(fd);
}

static inline int start_disk(void **state)
{
	return disk_start(&disk, 4, NULL);
}

static inline int stop_disk(void **state)
{
	disk_stop(disk);
	disk = NULL;
	return 0;
}

static inline int set_up(void **state)
{
	if (judge_setup(state))
		return -1;
	world_make(&w);
	return spool_create_dir(w.spool, WORLD_ID, &folder, NULL);
}

static inline int tear_down(void **state)
{
	close(folder);
	world_free(&w);
	return judge_teardown(state);
}

#define ON_DISK(t) { "on disk: " #t, t, start_disk, stop_disk, NULL }

#endif
