/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_test.c - the files of one target: a file per link type, limits over all, rotation
 */
#include "agent_world.h"
#include "fileset.h"

#include <stdatomic.h>

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

static void *work_main(void *arg)
{
	struct work *x = arg;

	x->fn(x->job);
	free(x);
	return NULL;
}

static void defer(void *arg, void (*fn)(void *job), void *job)
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

static void on_ended(void *arg, struct wire_file *f)
{
	pthread_mutex_lock(&lock);
	ended[n_ended++] = *f;
	pthread_mutex_unlock(&lock);
}

static size_t count_ended(void)
{
	size_t n;

	pthread_mutex_lock(&lock);
	n = n_ended;
	pthread_mutex_unlock(&lock);
	return n;
}

static void on_removed(void *arg, const char *name)
{
	pthread_mutex_lock(&lock);
	snprintf(removed[n_removed++], sizeof(removed[0]), "%s", name);
	pthread_mutex_unlock(&lock);
}

static void on_failed(void *arg, const struct err *err, int64_t n)
{
	pthread_mutex_lock(&lock);
	n_failed++;
	lost += n;
	pthread_mutex_unlock(&lock);
}

static struct fileset *open_fileset(const struct wire_arm *a, int *result)
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

static int add(struct fileset *f, uint32_t interface, uint32_t n)
{
	const struct pcapng_packet p = { .interface = interface, .ts_ns = T0, .caplen = n,
					 .len = n + 1, .data = data };
	size_t taken;
	int r;

	while ((r = fileset_add(f, &p, 1, &taken, NULL)) == FILESET_E_BUSY)
		clock_sleep_ms(1);
	return r;
}

static void finish(struct fileset *f, struct fileset_end *end)
{
	int64_t bytes;

	*end = (struct fileset_end){ .start_ns = T0, .end_ns = T0 + 1 };
	fileset_set_dropped(f, 2);
	bytes = fileset_bytes(f);
	assert_int_equal(fileset_finish(f, end, NULL), 0);
	assert_int_equal(fileset_bytes(f), bytes);
	fileset_free(f);
}

static void forget(struct wire_file *f)
{
	unlinkat(folder, f->name, 0);
	free(f->name);
	free(f->suffix);
}

static void clear(struct fileset_end *end)
{
	for (size_t i = 0; i < end->n_files; i++)
		forget(&end->files[i]);
	free(end->files);
	for (size_t i = 0; i < n_ended; i++)
		forget(&ended[i]);
	n_ended = n_removed = n_failed = 0;
	lost = 0;
}

static void summarize(const char *name, struct pcapng_summary *sum)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, name);

	world_summarize(path, sum);
}

static void test_file_per_link_type(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	struct fileset *f;
	int r;

	f = open_fileset(&a, &r);
	assert_int_equal(r, 0);
	assert_int_equal(add(f, 0, 60), 0);
	assert_int_equal(add(f, 2, 60), 0);
	assert_int_equal(add(f, 1, 60), 0);
	assert_int_equal(fileset_packets(f), 3);
	assert_false(fileset_loses_interfaces(f));
	assert_int_equal(fileset_truncated(f), 3);
	finish(f, &end);
	assert_int_equal(end.n_files, 2);
	assert_string_equal(end.files[0].name, "4-000.pcapng");
	assert_null(end.files[0].suffix);
	assert_int_equal(end.files[0].packets, 2);
	assert_string_equal(end.files[1].name, "4-000-raw.pcapng");
	assert_string_equal(end.files[1].suffix, "raw");
	summarize("4-000.pcapng", &sum);
	assert_int_equal(sum.link_type, 1);
	assert_int_equal(sum.interfaces, 2);
	summarize("4-000-raw.pcapng", &sum);
	assert_int_equal(sum.link_type, 101);
	assert_int_equal(sum.interfaces, 1);
	assert_int_equal(sum.packets, 1);
	clear(&end);
	wire_arm_release(&a);
}

/* No name, no statistics, one link type: but each packet, in the file of its link type. */
static void test_classic_files(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.format = WIRE_PCAP;
	f = open_fileset(&a, &r);
	assert_int_equal(r, 0);
	assert_true(fileset_loses_interfaces(f));
	assert_int_equal(add(f, 0, 60), 0);
	assert_int_equal(add(f, 2, 60), 0);
	assert_int_equal(add(f, 1, 60), 0);
	finish(f, &end);
	assert_int_equal(end.n_files, 2);
	assert_string_equal(end.files[0].name, "4-000.pcap");
	assert_int_equal(end.files[0].bytes, PCAPFILE_HEADER_SIZE + 2 * (16 + 60));
	assert_string_equal(end.files[1].name, "4-000-raw.pcap");
	summarize("4-000.pcap", &sum);
	assert_int_equal(sum.link_type, 1);
	assert_int_equal(sum.packets, 2);
	summarize("4-000-raw.pcap", &sum);
	assert_int_equal(sum.link_type, 101);
	assert_int_equal(sum.packets, 1);
	clear(&end);
	wire_arm_release(&a);
}

static void test_quiet_target_has_one_file(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	int r;

	finish(open_fileset(&a, &r), &end);
	assert_int_equal(end.n_files, 1);
	assert_int_equal(end.files[0].packets, 0);
	clear(&end);
	wire_arm_release(&a);
}

static void test_max_packets_over_all_files(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.max_packets = 5;
	f = open_fileset(&a, &r);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(add(f, i % 2, 60), 0);
	assert_int_equal(add(f, 0, 60), FILESET_E_PACKETS);
	finish(f, &end);
	assert_int_equal(end.files[0].packets + end.files[1].packets, 5);
	clear(&end);
	wire_arm_release(&a);
}

/* ---- many at once ---- */

#define MANY 3000

struct told {
	int result;
	char text[4096];		/* each file's name, bytes, packets and times */
};

static void tell(struct told *t, const struct wire_file *f)
{
	size_t n = strlen(t->text);

	snprintf(t->text + n, sizeof(t->text) - n, "%s %lld %lld %lld %lld\n", f->name,
		 (long long)f->bytes, (long long)f->packets, (long long)f->first_ns,
		 (long long)f->last_ns);
}

/* Packets of all sizes and interfaces, in runs of up to `step` for one call. */
static void feed(const struct wire_arm *a, size_t step, struct told *t)
{
	static struct pcapng_packet p[MANY];
	struct fileset_end end;
	size_t at = 0, taken;
	struct fileset *f;

	for (size_t i = 0; i < MANY; i++)
		p[i] = (struct pcapng_packet){
			.interface = i % 97 < 50 ? 0 : i % 3, .ts_ns = T0 + (int64_t)i,
			.caplen = (uint32_t)(i * 7 % 1500), .len = 1400, .data = data,
			.flags = i % 2 ? PCAPNG_INBOUND : 0,
		};
	*t = (struct told){ .text = "" };
	f = open_fileset(a, &t->result);
	while (at < MANY && (!t->result || t->result == FILESET_E_BUSY)) {
		size_t n = MANY - at < step ? MANY - at : step;

		t->result = fileset_add(f, p + at, n, &taken, NULL);
		assert_true(t->result ? taken <= n : taken == n);
		at += taken;
		if (t->result == FILESET_E_BUSY)
			clock_sleep_ms(1);
	}
	assert_int_equal(fileset_packets(f), at);
	finish(f, &end);
	for (size_t i = 0; i < n_ended; i++)
		tell(t, &ended[i]);
	for (size_t i = 0; i < end.n_files; i++)
		tell(t, &end.files[i]);
	clear(&end);
}

/* How many are given at once makes no difference, at no limit. */
static void test_runs(void **state)
{
	static const struct {
		int64_t max_bytes, max_packets, rotate_bytes;
		enum wire_format format;
	} cases[] = {
		{ 0, 0, 0, WIRE_PCAPNG }, { 0, 1234, 0, WIRE_PCAPNG },
		{ 1000000, 0, 0, WIRE_PCAPNG }, { 1000001, 0, 0, WIRE_PCAP },
		{ 0, 0, 100000, WIRE_PCAPNG }, { 1500000, 2000, 70000, WIRE_PCAP },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct told one, many;

		a.max_bytes = cases[i].max_bytes;
		a.max_packets = cases[i].max_packets;
		a.rotate_bytes = cases[i].rotate_bytes;
		a.format = cases[i].format;
		feed(&a, 1, &one);
		assert_true(strlen(one.text) > 0);
		for (size_t step = 3; step <= 3000; step *= 10) {
			feed(&a, step, &many);
			assert_string_equal(many.text, one.text);
			assert_int_equal(many.result, one.result);
		}
		wire_arm_release(&a);
	}
}

static int64_t bytes_of(const struct fileset_end *end)
{
	int64_t sum = 0;

	for (size_t i = 0; i < end->n_files; i++)
		sum += end->files[i].bytes;
	return sum;
}

/* Whatever the limit: the sum of all files stays within, also when a second file begins. */
static void check_max_bytes(enum wire_format format, int64_t from)
{
	for (int64_t max = from; max < from + 1500; max += 41) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.format = format;
		a.max_bytes = max;
		f = open_fileset(&a, &r);
		if (r) {
			assert_int_equal(r, -EFBIG);
			wire_arm_release(&a);
			continue;
		}
		for (uint32_t i = 0; !r; i++)
			r = add(f, i % 3, 60);
		assert_int_equal(r, FILESET_E_BYTES);
		assert_true(fileset_bytes(f) <= max);
		finish(f, &end);
		assert_true(bytes_of(&end) <= max);
		clear(&end);
		wire_arm_release(&a);
	}
}

static void test_max_bytes_over_all_files(void **state)
{
	check_max_bytes(WIRE_PCAPNG, 700);
	check_max_bytes(WIRE_PCAP, 10);
}

static void test_too_small_leaves_nothing(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int r;

	a.max_bytes = 100;
	assert_null(open_fileset(&a, &r));
	assert_int_equal(r, -EFBIG);
	assert_int_equal(faccessat(folder, ".4-000.pcapng.part", F_OK, 0), -1);
	wire_arm_release(&a);
}

/* ---- rotation ---- */

static int64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) ? -1 : st.st_size;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct wire_file *)a)->name, ((const struct wire_file *)b)->name);
}

/* No file is larger, and none could have held one packet more. */
static void test_rotation_by_bytes(void **state)
{
	const int64_t one = 32 + 100;

	for (int64_t max = 1500; max < 1500 + 2 * one; max += 7) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.rotate_bytes = max;
		f = open_fileset(&a, &r);
		for (int i = 0; i < 50; i++)
			assert_int_equal(add(f, 0, 100), 0);
		finish(f, &end);
		qsort(ended, n_ended, sizeof(ended[0]), by_name);
		assert_int_equal(end.n_files, 1);
		assert_true(n_ended > 2);
		assert_string_equal(ended[1].name, "4-001.pcapng");
		assert_int_equal(ended[1].segment, 1);
		assert_int_equal(end.files[0].segment, n_ended);
		for (size_t i = 0; i < n_ended; i++) {
			assert_true(ended[i].bytes <= max && ended[i].bytes + one > max);
			assert_int_equal(size_of(ended[i].name), ended[i].bytes);
		}
		clear(&end);
		wire_arm_release(&a);
	}
}

static void test_rotation_loses_nothing(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int64_t packets = 0, bytes;
	int r;

	a.rotate_bytes = 300000;
	f = open_fileset(&a, &r);
	for (uint32_t i = 0; i < 9000; i++)
		assert_int_equal(add(f, i % 3, i % 2000), 0);
	bytes = fileset_bytes(f);
	finish(f, &end);
	for (size_t i = 0; i < n_ended + end.n_files; i++) {
		const struct wire_file *x = i < n_ended ? &ended[i] : &end.files[i - n_ended];
		struct pcapng_summary sum;

		summarize(x->name, &sum);
		assert_int_equal(sum.packets, x->packets);
		packets += x->packets;
		bytes -= x->bytes;
	}
	assert_int_equal(packets, 9000);
	assert_int_equal(bytes, 0);
	assert_int_equal(n_failed, 0);
	clear(&end);
	wire_arm_release(&a);
}

static int add_at(struct fileset *f, int64_t ts)
{
	const struct pcapng_packet p = { .ts_ns = ts, .caplen = 60, .len = 60, .data = data };
	size_t taken;
	int r;

	while ((r = fileset_add(f, &p, 1, &taken, NULL)) == FILESET_E_BUSY)
		clock_sleep_ms(1);
	return r;
}

/* By the timer, and not by the next packet; an empty file is not rotated. */
static void test_rotation_by_timer(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t now = clock_mono_ns();
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.rotate_ms = 1000;
	f = open_fileset(&a, &r);
	assert_int_equal(fileset_tick(f, now + 5 * NS_PER_S, 0, NULL), 0);
	assert_int_equal(add_at(f, clock_wall_ns()), 0);
	assert_int_equal(fileset_tick(f, now + 1900 * NS_PER_MS, 0, NULL), 0);
	assert_int_equal(count_ended(), 0);
	/* its second, and two more for a ring's last block */
	assert_int_equal(fileset_tick(f, now + 3100 * NS_PER_MS, 0, NULL), 0);
	fileset_tick(f, now + 60 * NS_PER_S, 0, NULL);
	finish(f, &end);
	assert_int_equal(n_ended, 1);
	assert_int_equal(ended[0].packets, 1);
	assert_int_equal(end.n_files, 0);
	clear(&end);
	wire_arm_release(&a);
}

/* Threads finish files in any order. */
static int64_t packets_of(int number)
{
	for (size_t i = 0; i < n_ended; i++)
		if (ended[i].segment == number)
			return ended[i].packets;
	return -1;
}

/* A packet's file is its second's, however late and in whatever crowd it comes. */
static void test_rotation_by_time(void **state)
{
	static const int64_t at_ms[] = {
		100, 900,
		1010, 1990, 1500,	/* the ring's order is not time's */
		5100, 5900,
		6050,
	};
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int64_t start;
	int r;

	a.rotate_ms = 1000;
	f = open_fileset(&a, &r);
	start = clock_wall_ns();
	for (size_t i = 0; i < ARRAY_SIZE(at_ms); i++)
		assert_int_equal(add_at(f, start + at_ms[i] * NS_PER_MS), 0);
	finish(f, &end);
	assert_int_equal(n_ended, 3);
	assert_int_equal(packets_of(0), 2);
	assert_int_equal(packets_of(1), 3);
	assert_int_equal(packets_of(2), 2);
	assert_int_equal(end.n_files, 1);
	assert_int_equal(end.files[0].packets, 1);
	clear(&end);
	wire_arm_release(&a);
}

/* The clock is set back by an hour: files go on, by the timer. */
static void test_rotation_after_clock_step(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	int64_t now = clock_mono_ns(), start;
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.rotate_ms = 1000;
	f = open_fileset(&a, &r);
	start = clock_wall_ns();
	assert_int_equal(add_at(f, start), 0);
	assert_int_equal(add_at(f, start - 3600 * NS_PER_S), 0);
	fileset_tick(f, now + 4 * NS_PER_S, 0, NULL);
	assert_int_equal(add_at(f, start - 3599 * NS_PER_S), 0);
	assert_int_equal(add_at(f, start - 3597 * NS_PER_S), 0);
	finish(f, &end);
	assert_int_equal(n_ended, 2);
	assert_int_equal(packets_of(0), 2);
	assert_int_equal(packets_of(1), 1);
	clear(&end);
	wire_arm_release(&a);
}

static void test_ring(void **state)
{
	for (int keep = 1; keep <= 3; keep++) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct spool_room before, after;
		struct fileset_end end;
		struct fileset *f;
		size_t there = 0;
		int64_t bytes = 0;
		int r;

		spool_room(w.spool, &before);
		a.rotate_bytes = 2000;
		a.keep_files = keep;
		f = open_fileset(&a, &r);
		for (int i = 0; i < 100; i++) {
			assert_int_equal(add(f, 0, 100), 0);
			if (i % 10 == 0)
				assert_int_equal(add(f, 1, 100), 0);
		}
		finish(f, &end);
		for (size_t i = 0; i < n_ended; i++) {
			there += size_of(ended[i].name) >= 0 && !ended[i].suffix;
			bytes += size_of(ended[i].name) >= 0 ? ended[i].bytes : 0;
		}
		for (size_t i = 0; i < end.n_files; i++)
			bytes += end.files[i].bytes;
		assert_int_equal(there, keep - 1);
		assert_int_equal(end.n_files, 2);
		for (size_t i = 0; i < n_removed; i++)
			assert_int_equal(size_of(removed[i]), -1);
		spool_room(w.spool, &after);
		assert_int_equal(after.used - before.used, bytes);
		spool_give(w.spool, bytes);
		clear(&end);
		wire_arm_release(&a);
	}
}

static void test_limits_over_rotated_files(void **state)
{
	for (int64_t max = 4000; max < 4000 + 1500; max += 31) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct fileset_end end;
		struct fileset *f;
		int64_t sum;
		int r, n = 0;

		a.rotate_bytes = 1200;
		a.max_bytes = max;
		f = open_fileset(&a, &r);
		while ((r = add(f, 0, 60)) == 0)
			n++;
		assert_int_equal(r, FILESET_E_BYTES);
		finish(f, &end);
		sum = bytes_of(&end);
		for (size_t i = 0; i < n_ended; i++)
			sum += ended[i].bytes;
		assert_true(sum <= max);
		for (size_t i = 0; i < end.n_files; i++)
			assert_true(end.files[i].packets > 0);
		clear(&end);
		wire_arm_release(&a);
	}
}

/* Its block stands in the file that is open, and at the front of the next one. */
static void test_late_interface(void **state)
{
	cleanup_free char *line = xasprintf("tshark -r %s/%s/4-001.pcapng -T fields -e "
					    "frame.interface_name 2>/dev/null | sort -u",
					    w.spool_dir, WORLD_ID);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct pcapng_summary sum;
	struct fileset *f;
	char said[64] = "";
	FILE *p;
	int r;

	a.rotate_bytes = 3000;
	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_int_equal(fileset_declare(f, &interfaces[3], NULL), 0);
	assert_int_equal(fileset_interfaces(f), 4);
	assert_string_equal(fileset_interface_name(f, 3), "eth1");
	while (count_ended() == 0)
		assert_int_equal(add(f, 3, 100), 0);
	assert_int_equal(add(f, 3, 100), 0);
	finish(f, &end);
	summarize("4-000.pcapng", &sum);
	assert_int_equal(sum.interfaces, 3);
	p = popen(line, "re");
	assert_non_null(fgets(said, sizeof(said), p));
	pclose(p);
	assert_string_equal(said, "eth1\n");
	clear(&end);
	wire_arm_release(&a);
}

/* ---- lent packets ---- */

#define PIECE (64u << 10)

/* Packets of 1000 bytes, one after the other; the last one's block goes on to the piece's end. */
struct piece {
	struct segment_lent l;
	uint32_t counts[4], interface;
	atomic_int laid, done;
};

static void lay(struct segment_lent *l, const uint32_t *numbers)
{
	struct piece *p = (struct piece *)l;
	struct pcapng_packet one = { .ts_ns = T0, .caplen = 1000, .len = 1001, .data = data };
	uint8_t *at = l->data;
	uint32_t size = PIECE;
	uint16_t option[2];

	for (uint32_t i = 0; i < l->packets; i++) {
		one.interface = numbers[!i && p->counts[0] ? 0 : p->interface];
		size = PIECE - (uint32_t)(at - (uint8_t *)l->data);
		at += pcapng_put_packet(at, &one);
	}
	option[0] = 0x8000;		/* unknown to everybody */
	option[1] = (uint16_t)(size - pcapng_packet_size(1000, 0) - 8);
	memset(at - 4, 0, (size_t)((uint8_t *)l->data + PIECE - at + 4));
	memcpy(at - 4, option, sizeof(option));
	memcpy(at - pcapng_packet_size(1000, 0) + 4, &size, sizeof(size));
	memcpy((uint8_t *)l->data + PIECE - 4, &size, sizeof(size));
	atomic_fetch_add(&p->laid, 1);
}

static void done(struct segment_lent *l)
{
	atomic_fetch_add(&((struct piece *)l)->done, 1);
}

/* Packets of one interface; the first one may be of interface 0, too. */
static struct piece *make_piece(uint32_t interface, bool mixed)
{
	struct piece *p = xcalloc(1, sizeof(*p));

	assert_int_equal(posix_memalign(&p->l.data, DISK_ALIGN, PIECE), 0);
	p->interface = interface;
	p->l.size = PIECE;
	p->l.packets = p->l.truncated = (uint32_t)((PIECE - 8) / pcapng_packet_size(1000, 0));
	p->l.first_ns = p->l.last_ns = T0;
	p->counts[0] = mixed;
	p->counts[interface] += p->l.packets - mixed;
	p->l.counts = p->counts;
	p->l.n_counts = interface < 3 ? 3 : 4;
	p->l.lay = lay;
	p->l.done = done;
	return p;
}

static void free_piece(struct piece *p, bool taken)
{
	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(atomic_load(&p->done), taken);
	free(p->l.data);
	free(p);
}

/* Taken or not, all counts say so. */
static bool lend(struct fileset *f, struct piece *p)
{
	const int64_t packets = fileset_packets(f), truncated = fileset_truncated(f),
		      bytes = fileset_bytes(f);
	const bool taken = fileset_lend(f, &p->l);

	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(fileset_packets(f), packets + (taken ? p->l.packets : 0));
	assert_int_equal(fileset_truncated(f), truncated + (taken ? p->l.truncated : 0));
	if (taken)
		assert_true(fileset_bytes(f) >= bytes + PIECE);
	else
		assert_int_equal(fileset_bytes(f), bytes);
	return taken;
}

static void test_lend(void **state)
{
	struct piece *v[] = { make_piece(0, false), make_piece(2, true), make_piece(1, false) };
	const int64_t each = v[0]->l.packets;
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	struct fileset *f;
	int r;

	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_true(lend(f, v[0]));
	assert_true(lend(f, v[1]));
	assert_int_equal(add(f, 1, 60), 0);
	assert_true(lend(f, v[2]));
	assert_int_equal(add(f, 2, 60), 0);
	assert_int_equal(fileset_packets(f), 3 * each + 3);
	assert_int_equal(fileset_truncated(f), 3 * each + 3);
	finish(f, &end);
	assert_int_equal(end.n_files, 2);
	assert_int_equal(end.files[0].packets, 2 * each + 2);
	assert_int_equal(end.files[1].packets, each + 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(size_of(end.files[i].name), end.files[i].bytes);
		summarize(end.files[i].name, &sum);
		assert_int_equal(sum.packets, end.files[i].packets);
	}
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], true);
	clear(&end);
	wire_arm_release(&a);
}

/* By its first packet a file learns where it ends: that one is copied. */
static void test_lend_before_the_first_packet(void **state)
{
	struct piece *p = make_piece(0, false), *raw = make_piece(1, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	f = open_fileset(&a, &r);
	assert_false(lend(f, p));
	assert_int_equal(add(f, 0, 60), 0);
	assert_false(lend(f, raw));		/* its file is not there yet */
	assert_true(lend(f, p));
	finish(f, &end);
	assert_int_equal(end.n_files, 1);
	assert_int_equal(end.files[0].packets, 1 + p->l.packets);
	free_piece(p, true);
	free_piece(raw, false);
	clear(&end);
	wire_arm_release(&a);
}

/* Of two files, or of none that is known. */
static void test_lend_of_other_interfaces(void **state)
{
	struct piece *two = make_piece(1, true), *late = make_piece(3, false), *none = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	memset(none->counts, 0, sizeof(none->counts));
	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_int_equal(add(f, 1, 60), 0);
	assert_false(lend(f, two));
	assert_false(lend(f, none));
	assert_false(lend(f, late));
	assert_int_equal(fileset_declare(f, &interfaces[3], NULL), 0);
	assert_true(lend(f, late));
	finish(f, &end);
	free_piece(two, false);
	free_piece(none, false);
	free_piece(late, true);
	clear(&end);
	wire_arm_release(&a);
}

/* The last packet is one that fileset_add tells of. */
static void test_lend_up_to_max_packets(void **state)
{
	for (int64_t more = -1; more <= 2; more++) {
		struct piece *p = make_piece(0, false), *q = make_piece(0, false);
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.max_packets = 1 + 2 * p->l.packets + more;
		f = open_fileset(&a, &r);
		assert_int_equal(add(f, 0, 60), 0);
		assert_true(lend(f, p));
		assert_int_equal(lend(f, q), more > 0);
		while ((r = add(f, 0, 60)) == 0)
			continue;
		assert_int_equal(r, FILESET_E_PACKETS);
		assert_int_equal(fileset_packets(f), a.max_packets);
		finish(f, &end);
		assert_int_equal(end.files[0].packets, a.max_packets);
		free_piece(p, true);
		free_piece(q, more > 0);
		clear(&end);
		wire_arm_release(&a);
	}
}

/* What is lent at most goes up to the limit, and what packets are left fill the file as without. */
static void test_lend_up_to_max_bytes(void **state)
{
	const int64_t least = 2 * PIECE + DISK_ALIGN;

	for (int64_t max = least; max < least + 2 * DISK_ALIGN; max += 509) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct piece *v[3];
		bool taken[3];
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.max_bytes = max;
		f = open_fileset(&a, &r);
		assert_int_equal(add(f, 0, 60), 0);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
			v[i] = make_piece(0, false);
			taken[i] = lend(f, v[i]);
		}
		assert_true(taken[0]);
		assert_false(taken[2]);
		while ((r = add(f, 0, 60)) == 0)
			continue;
		assert_int_equal(r, FILESET_E_BYTES);
		assert_true(fileset_bytes(f) <= max && fileset_bytes(f) + 92 > max);
		finish(f, &end);
		assert_true(end.files[0].bytes <= max);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			free_piece(v[i], taken[i]);
		clear(&end);
		wire_arm_release(&a);
	}
}

/* A file is never larger, and lending begins anew in the next one. */
static void test_lend_and_rotation_by_bytes(void **state)
{
	static struct piece *v[100];
	static bool taken[ARRAY_SIZE(v)];
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	int64_t packets = 0;
	struct fileset *f;
	size_t lent = 0;
	int r;

	a.rotate_bytes = 5 * PIECE;
	f = open_fileset(&a, &r);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = make_piece(i % 2 ? 0 : 2, false);
		taken[i] = lend(f, v[i]);
		lent += taken[i];
		for (size_t k = 0; !taken[i] && k < v[i]->l.packets; k++)
			assert_int_equal(add(f, 0, 1000), 0);
	}
	packets = fileset_packets(f);
	finish(f, &end);
	assert_int_equal(packets, ARRAY_SIZE(v) * v[0]->l.packets);
	assert_true(lent > ARRAY_SIZE(v) / 2 && lent < ARRAY_SIZE(v));
	assert_true(n_ended > 10);
	for (size_t i = 0; i < n_ended; i++) {
		assert_true(ended[i].bytes <= a.rotate_bytes);
		assert_int_equal(size_of(ended[i].name), ended[i].bytes);
		summarize(ended[i].name, &sum);
		assert_int_equal(sum.packets, ended[i].packets);
		packets -= ended[i].packets;
	}
	assert_int_equal(packets, end.files[0].packets);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], taken[i]);
	clear(&end);
	wire_arm_release(&a);
}

/* A piece that reaches into the next interval is copied, packet by packet. */
static void test_lend_and_rotation_by_time(void **state)
{
	struct piece *p = make_piece(0, false), *q = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int64_t start;
	int r;

	a.rotate_ms = 60000;
	f = open_fileset(&a, &r);
	start = clock_wall_ns();
	assert_int_equal(add_at(f, start), 0);
	p->l.first_ns = q->l.first_ns = start;
	p->l.last_ns = start + 50 * NS_PER_S;
	q->l.last_ns = start + 61 * NS_PER_S;
	assert_true(lend(f, p));
	assert_false(lend(f, q));
	assert_int_equal(add_at(f, start + 61 * NS_PER_S), 0);
	assert_true(lend(f, q));
	finish(f, &end);
	assert_int_equal(n_ended, 1);
	assert_int_equal(packets_of(0), 1 + p->l.packets);
	assert_int_equal(end.files[0].packets, 1 + q->l.packets);
	free_piece(p, true);
	free_piece(q, true);
	clear(&end);
	wire_arm_release(&a);
}

/* Without a disk, and in a classic file, nothing is. */
static void check_no_lending(enum wire_format format)
{
	struct piece *p = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.format = format;
	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_false(lend(f, p));
	assert_int_equal(add(f, 0, 60), 0);
	finish(f, &end);
	assert_int_equal(end.files[0].packets, 2);
	free_piece(p, false);
	clear(&end);
	wire_arm_release(&a);
}

static void test_lend_without_disk(void **state)
{
	check_no_lending(WIRE_PCAPNG);
}

static void test_lend_to_classic(void **state)
{
	check_no_lending(WIRE_PCAP);
}

static int set_up(void **state)
{
	world_make(&w);
	return spool_create_dir(w.spool, WORLD_ID, &folder, NULL);
}

static int tear_down(void **state)
{
	close(folder);
	world_free(&w);
	return 0;
}

static int start_disk(void **state)
{
	threads = true;
	return disk_start(&disk, 4, NULL);
}

static int stop_disk(void **state)
{
	threads = false;
	disk_stop(disk);
	disk = NULL;
	return 0;
}

#define ON_DISK(t) { "on disk: " #t, t, start_disk, stop_disk, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_file_per_link_type),
		cmocka_unit_test(test_classic_files),
		cmocka_unit_test(test_quiet_target_has_one_file),
		cmocka_unit_test(test_max_packets_over_all_files),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_max_bytes_over_all_files),
		cmocka_unit_test(test_too_small_leaves_nothing),
		cmocka_unit_test(test_rotation_by_bytes),
		cmocka_unit_test(test_rotation_loses_nothing),
		cmocka_unit_test(test_rotation_by_timer),
		cmocka_unit_test(test_rotation_by_time),
		cmocka_unit_test(test_rotation_after_clock_step),
		cmocka_unit_test(test_ring),
		cmocka_unit_test(test_limits_over_rotated_files),
		cmocka_unit_test(test_late_interface),
		cmocka_unit_test(test_lend_without_disk),
		ON_DISK(test_file_per_link_type),
		ON_DISK(test_classic_files),
		ON_DISK(test_quiet_target_has_one_file),
		ON_DISK(test_max_packets_over_all_files),
		ON_DISK(test_max_bytes_over_all_files),
		ON_DISK(test_too_small_leaves_nothing),
		ON_DISK(test_rotation_by_bytes),
		ON_DISK(test_rotation_loses_nothing),
		ON_DISK(test_rotation_by_time),
		ON_DISK(test_ring),
		ON_DISK(test_limits_over_rotated_files),
		ON_DISK(test_late_interface),
		ON_DISK(test_lend),
		ON_DISK(test_lend_before_the_first_packet),
		ON_DISK(test_lend_of_other_interfaces),
		ON_DISK(test_lend_up_to_max_packets),
		ON_DISK(test_lend_up_to_max_bytes),
		ON_DISK(test_lend_and_rotation_by_bytes),
		ON_DISK(test_lend_and_rotation_by_time),
		ON_DISK(test_lend_to_classic),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
