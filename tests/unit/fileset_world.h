/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_world.h - a fileset and what it tells, for the tests of it
 */
#ifndef FILESET_WORLD_H
#define FILESET_WORLD_H

#include "agent_world.h"
#include "fileset.h"

#define T0 1795444745120334551LL

static struct world w;
static int folder;
static struct disk *disk;
static uint8_t data[2000];

/* What rotation told. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wire_file ended[64];
static size_t n_ended, n_removed, n_failed;
static int64_t lost;
static char removed[64][32];
static bool threads;

static const uint8_t mac[6] = { 2, 0x42, 10, 0, 1, 5 };
static char *const addresses[] = { (char *)"10.0.1.5/24" };
static const struct fileset_interface interfaces[] = {
	{ .name = "lo", .loopback = true, .link_type = 1, .link_text = "EN10MB" },
	{ .name = "tun0", .link_type = 101, .link_text = "RAW" },
	{ .name = "eth0", .link_type = 1, .link_text = "EN10MB", .mac = mac,
	  .addresses = addresses, .n_addresses = 1 },
	{ .name = "eth1", .link_type = 1, .link_text = "EN10MB" },
};

struct work {
	void (*fn)(void *job);
	void *job;
};

static inline void *work_main(void *arg)
{
	struct work *x = arg;

	x->fn(x->job);
	free(x);
	return NULL;
}

static inline void defer(void *arg, void (*fn)(void *job), void *job)
{
	struct work *x = xcalloc(1, sizeof(*x));
	pthread_t thread;

	*x = (struct work){ fn, job };
	if (!threads) {
		work_main(x);
		return;
	}
	assert_int_equal(pthread_create(&thread, NULL, work_main, x), 0);
	pthread_detach(thread);
}

static inline void on_ended(void *arg, struct wire_file *f)
{
	pthread_mutex_lock(&lock);
	ended[n_ended++] = *f;
	pthread_mutex_unlock(&lock);
}

static inline size_t count_ended(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = n_ended;
	pthread_mutex_unlock(&lock);
	return n;
}

static inline void on_removed(void *arg, const char *name)
{
	pthread_mutex_lock(&lock);
	snprintf(removed[n_removed++], sizeof(removed[0]), "%s", name);
	pthread_mutex_unlock(&lock);
}

static inline void on_failed(void *arg, const struct err *err, int64_t n)
{
	pthread_mutex_lock(&lock);
	n_failed++;
	lost += n;
	pthread_mutex_unlock(&lock);
}

static inline struct fileset *open_fileset(const struct wire_arm *a, int *result)
{
	const struct fileset_plan p = {
		.room = spool_segment_room(w.spool), .disk = disk, .dirfd = folder, .target = 4,
		.arm = a, .wanted = &a->targets[0], .node_name = "node1", .os = "6.1",
		.defer = defer, .ended = on_ended, .removed = on_removed, .failed = on_failed,
	};
	struct fileset *f = fileset_new(&p);

	for (size_t i = 0; i < 3; i++)
		assert_int_equal(fileset_declare(f, &interfaces[i], NULL), 0);
	fileset_set_dropped(f, 0);
	*result = fileset_begin(f, NULL);
	if (!*result)
		return f;
	fileset_free(f);
	return NULL;
}

static inline int add(struct fileset *f, uint32_t interface, uint32_t n)
{
	const struct pcapng_packet p = { .interface = interface, .ts_ns = T0, .caplen = n,
					 .len = n + 1, .data = data };
	size_t taken;
	int r;

	while ((r = fileset_add(f, &p, 1, &taken, NULL)) == FILESET_E_BUSY)
		clock_sleep_ms(1);
	return r;
}

static inline void finish(struct fileset *f, struct fileset_end *end)
{
	int64_t bytes;

	*end = (struct fileset_end){ .start_ns = T0, .end_ns = T0 + 1 };
	fileset_set_dropped(f, 2);
	bytes = fileset_bytes(f);
	assert_int_equal(fileset_finish(f, end, NULL), 0);
	assert_int_equal(fileset_bytes(f), bytes);
	fileset_free(f);
}

static inline void forget(struct wire_file *f)
{
	unlinkat(folder, f->name, 0);
	free(f->name);
	free(f->suffix);
}

static inline void clear(struct fileset_end *end)
{
	for (size_t i = 0; i < end->n_files; i++)
		forget(&end->files[i]);
	free(end->files);
	for (size_t i = 0; i < n_ended; i++)
		forget(&ended[i]);
	n_ended = n_removed = n_failed = 0;
	lost = 0;
}

static inline void summarize(const char *name, struct pcapng_summary *sum)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, name);

	world_summarize(path, sum);
}

static inline int64_t bytes_of(const struct fileset_end *end)
{
	int64_t sum = 0;

	for (size_t i = 0; i < end->n_files; i++)
		sum += end->files[i].bytes;
	return sum;
}

static inline int64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) ? -1 : st.st_size;
}

static inline int add_at(struct fileset *f, int64_t ts)
{
	const struct pcapng_packet p = { .ts_ns = ts, .caplen = 60, .len = 60, .data = data };
	size_t taken;
	int r;

	while ((r = fileset_add(f, &p, 1, &taken, NULL)) == FILESET_E_BUSY)
		clock_sleep_ms(1);
	return r;
}

/* Threads finish files in any order. */
static inline int64_t packets_of(int number)
{
	for (size_t i = 0; i < n_ended; i++)
		if (ended[i].segment == number)
			return ended[i].packets;
	return -1;
}

static inline int set_up(void **state)
{
	world_make(&w);
	return spool_create_dir(w.spool, WORLD_ID, &folder, NULL);
}

static inline int tear_down(void **state)
{
	close(folder);
	world_free(&w);
	return 0;
}

static inline int start_disk(void **state)
{
	threads = true;
	return disk_start(&disk, 4, NULL);
}

static inline int stop_disk(void **state)
{
	threads = false;
	disk_stop(disk);
	disk = NULL;
	return 0;
}

#define ON_DISK(t) { "on disk: " #t, t, start_disk, stop_disk, NULL }

#endif
