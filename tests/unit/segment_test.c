/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_test.c - one capture file: hidden until whole, exact in size, salvaged when cut;
 * of both formats
 */
#include "agent_world.h"
#include "judge.h"
#include "segment.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

#define T0 1795444745120334551LL

static struct world w;
static int folder;
static struct disk *disk;	/* NULL: the caller writes */
static const uint8_t data[300000];

static const struct pcapng_interface interfaces[] = {
	{ .name = "lo", .description = "web.1 lo", .link_type = 1, .snaplen = 262144 },
	{ .name = "eth0", .description = "web.1 eth0", .link_type = 1, .snaplen = 262144 },
};

static struct segment *open_segment(const char *name)
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

static struct pcapng_packet packet(uint32_t caplen, int64_t ts)
{
	return (struct pcapng_packet){ .interface = 1, .ts_ns = ts, .caplen = caplen, .len = caplen,
				       .data = data };
}

static int commit(struct segment *s, struct wire_file *f)
{
	const struct segment_end end = { .start_ns = T0, .end_ns = T0 + 9, .dropped = 7 };

	*f = (struct wire_file){ 0 };
	return segment_commit(s, &end, f, NULL);
}

static int64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) ? -1 : st.st_size;
}

static int64_t hidden_size_of(const char *name)
{
	cleanup_free char *hidden = segment_hidden_name(name);

	return size_of(hidden);
}

/* One packet; what was not taken is told. */
static int add(struct segment *s, const struct pcapng_packet *p, uint64_t max_size)
{
	static const uint32_t same[] = { 0, 1, 2, 3 };
	const struct segment_run run = { same, max_size, INT64_MAX };
	size_t taken = 2;
	int r = segment_add(s, &run, p, 1, &taken, NULL);

	assert_int_equal(taken, !r);
	return r;
}

static void test_hidden_until_whole(void **state)
{
	cleanup_free char *path = xasprintf("%s/%s/0-000.pcapng", w.spool_dir, WORLD_ID);
	struct pcapng_summary sum;
	struct pcapng_packet p = packet(100, T0 + 5);
	struct segment *s = open_segment("0-000.pcapng");
	struct wire_file f;
	char hex[CHECKSUM_HEX];
	uint64_t size;
	int fd;

	assert_int_equal(add(s, &p, 0), 0);
	p = packet(101, T0 + 3);
	assert_int_equal(add(s, &p, 0), 0);
	assert_int_equal(size_of("0-000.pcapng"), -1);
	assert_true(size_of(".0-000.pcapng.part") >= 0);
	size = segment_size(s);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(size_of(".0-000.pcapng.part"), -1);
	assert_int_equal(size_of("0-000.pcapng"), size);
	assert_string_equal(f.name, "0-000.pcapng");
	assert_int_equal(f.bytes, size);
	assert_int_equal(f.packets, 2);
	assert_int_equal(f.first_ns, T0 + 3);
	assert_int_equal(f.last_ns, T0 + 5);
	world_summarize(path, &sum);
	assert_int_equal(sum.packets, 2);
	assert_int_equal(sum.whole, size);
	fd = openat(folder, f.name, O_RDONLY | O_CLOEXEC);
	assert_int_equal(checksum_fd(fd, hex), 0);
	assert_string_equal(hex, f.xxh128);
	close(fd);
	free(f.name);
	unlinkat(folder, "0-000.pcapng", 0);
}

/* What a file without interfaces keeps is judged by those who need it. */
static void test_classic(void **state)
{
	cleanup_free char *path = xasprintf("%s/%s/7-000.pcap", w.spool_dir, WORLD_ID);
	cleanup_free char *info = xasprintf("capinfos -TrtcM %s", path);
	cleanup_free char *times = xasprintf(
		"tshark -r %s -T fields -e frame.time_epoch -e frame.len -e frame.cap_len", path);
	cleanup_free char *dump = xasprintf("tcpdump --nano -e -r %s", path);
	struct pcapng_packet p = packet(100, T0 + 5);
	struct segment *s = open_segment("7-000.pcap");
	struct wire_file f;
	uint64_t size;

	p.flags = 1;
	p.len = 1514;
	assert_int_equal(add(s, &p, 0), 0);
	p = packet(61, T0 + 3);
	assert_int_equal(add(s, &p, 0), 0);
	size = segment_size(s);
	assert_int_equal(size, PCAPFILE_HEADER_SIZE + 16 + 100 + 16 + 61);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(size_of("7-000.pcap"), size);
	assert_int_equal(f.bytes, size);
	assert_int_equal(f.packets, 2);
	assert_int_equal(f.first_ns, T0 + 3);
	judge_says(info, "\tnsecpcap\t2\n");
	judge_says(times, "1795444745.120334556\t1514\t100\n1795444745.120334554\t61\t61\n");
	judge_says(dump, "14:39:05.120334554 00:00:00:00:00:00");
	free(f.name);
	unlinkat(folder, "7-000.pcap", 0);
}

/* At every limit: never larger, and the next packet would not have fitted. */
static void check_limit(const char *name, size_t one)
{
	struct segment *s = open_segment(name);
	const uint64_t empty = segment_size(s);

	segment_discard(s);
	assert_int_equal(hidden_size_of(name), -1);
	for (uint64_t max = empty; max < empty + 3 * one; max += 13) {
		struct pcapng_packet p = packet(77, T0);
		struct wire_file f;

		s = open_segment(name);
		while (add(s, &p, max) == 0)
			continue;
		assert_int_equal(add(s, &p, max), SEGMENT_E_FULL);
		assert_int_equal(commit(s, &f), 0);
		segment_free(s);
		assert_int_equal(f.packets, (max - empty) / one);
		assert_int_equal(size_of(name), f.bytes);
		assert_true((uint64_t)f.bytes <= max && (uint64_t)f.bytes + one > max);
		free(f.name);
		unlinkat(folder, name, 0);
	}
}

static void test_limit_is_exact(void **state)
{
	check_limit("1-000.pcapng", pcapng_packet_size(77, 0));
	check_limit("1-000.pcap", pcapfile_packet_size(77));
}

static void test_large_packets(void **state)
{
	struct pcapng_packet p = packet(262144, T0);
	struct segment *s = open_segment("2-000.pcapng");
	struct wire_file f;

	for (int i = 0; i < 5; i++)
		assert_int_equal(add(s, &p, 0), 0);
	p.caplen = SEGMENT_ROOM_STEP;
	assert_int_equal(add(s, &p, 0), -EMSGSIZE);
	assert_int_equal(commit(s, &f), 0);
	assert_int_equal(f.packets, 5);
	segment_free(s);
	free(f.name);
	unlinkat(folder, "2-000.pcapng", 0);
}

/* Little traffic is handed over when it is old; where buffers fill by themselves, nothing is done before they are full. */
static void test_tick(void **state)
{
	struct pcapng_packet p = packet(1400, T0);
	struct segment *s = open_segment("11-000.pcapng");
	const int64_t now = clock_mono_ns();

	assert_int_equal(add(s, &p, 0), 0);
	assert_int_equal(segment_tick(s, now + 100 * NS_PER_MS, 250, NULL), 0);
	assert_false(segment_is_flushed(s));
	assert_int_equal(segment_tick(s, now + 300 * NS_PER_MS, 250, NULL), 0);
	assert_true(segment_is_flushed(s));

	for (int tick = 0; tick < 3; tick++) {
		for (int i = 0; i < 2000; i++)
			assert_int_equal(add(s, &p, 0), 0);
		assert_int_equal(segment_tick(s, now + (600 + tick * 250) * NS_PER_MS, 250, NULL), 0);
		assert_false(segment_is_flushed(s));
	}
	/* and the last ones are, one tick later */
	assert_int_equal(segment_tick(s, now + 1350 * NS_PER_MS, 250, NULL), 0);
	assert_true(segment_is_flushed(s));
	segment_discard(s);
}

static void cut(const char *name, off_t by)
{
	cleanup_free char *hidden = segment_hidden_name(name);
	int fd = openat(folder, hidden, O_RDWR | O_CLOEXEC);
	struct stat st;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	assert_return_code(ftruncate(fd, st.st_size - by), errno);
	close(fd);
}

/* The agent died: the last packet is cut at any byte, the others are kept. */
static void check_salvage(const char *name, size_t one)
{
	for (off_t by = 0; by <= (off_t)one; by++) {
		struct pcapng_packet p = packet(50, T0);
		struct segment *s = open_segment(name);
		struct wire_file f = { 0 };

		for (int i = 0; i < 4; i++)
			assert_int_equal(add(s, &p, 0), 0);
		assert_int_equal(segment_tick(s, 0, 0, NULL), 0);
		segment_free(s);
		cut(name, by);
		assert_int_equal(segment_salvage(folder, name, &f, NULL), 0);
		assert_int_equal(f.packets, by ? 3 : 4);
		assert_true(f.recovered);
		assert_int_equal(size_of(name), f.bytes);
		assert_true(checksum_is_hex(f.xxh128));
		free(f.name);
		f = (struct wire_file){ 0 };
		assert_int_equal(segment_inspect(folder, name, &f, NULL), 0);
		assert_int_equal(f.packets, by ? 3 : 4);
		free(f.name);
		unlinkat(folder, name, 0);
	}
}

static void test_salvage(void **state)
{
	check_salvage("3-000.pcapng", pcapng_packet_size(50, 0));
	check_salvage("3-000.pcap", pcapfile_packet_size(50));
}

static void test_salvage_of_nothing(void **state)
{
	struct wire_file f = { 0 };
	int fd = openat(folder, ".4-000.pcapng.part", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(segment_salvage(folder, "4-000.pcapng", &f, NULL), -ENODATA);
	assert_int_equal(size_of(".4-000.pcapng.part"), -1);
	segment_free(open_segment("4-000.pcap"));
	cut("4-000.pcap", 1);
	assert_int_equal(segment_salvage(folder, "4-000.pcap", &f, NULL), -ENODATA);
	assert_int_equal(hidden_size_of("4-000.pcap"), -1);
	assert_int_equal(segment_salvage(folder, "5-000.pcapng", &f, NULL), -ENOENT);
}

/* At the quota the packet is refused, what was taken stays, and the file ends in good order. */
static void test_quota(void **state)
{
	struct pcapng_packet p = packet(1400, T0);
	struct spool_room room;
	struct segment *s;
	struct wire_file f;
	int64_t n = 0, before;
	int r;

	spool_room(w.spool, &room);
	before = room.used;
	assert_int_equal(spool_take(w.spool, room.quota - room.used - (1 << 20), NULL), 0);
	s = open_segment("6-000.pcapng");
	while ((r = add(s, &p, 0)) == 0)
		n++;
	assert_int_equal(r, -EDQUOT);
	spool_room(w.spool, &room);
	assert_true(room.used <= room.quota);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(f.packets, n);
	assert_true(f.bytes <= 1 << 20);
	spool_room(w.spool, &room);
	spool_give(w.spool, room.quota - before - (1 << 20));
	spool_room(w.spool, &room);
	assert_int_equal(room.used, before + f.bytes);
	spool_give(w.spool, f.bytes);
	free(f.name);
	unlinkat(folder, "6-000.pcapng", 0);
}

/*
 * A write that the disk took half of: the error stays, the file cannot be ended, and what is whole
 * of it gets its name. The quota knows of no other bytes.
 */
static void test_half_a_write(void **state)
{
	struct pcapng_packet p = packet(1400, T0);
	struct rlimit before, half = { 100000, RLIM_INFINITY };
	struct wire_file f = { 0 };
	struct spool_room room;
	struct segment *s;
	int64_t used;

	spool_room(w.spool, &room);
	used = room.used;
	s = open_segment("8-000.pcapng");
	signal(SIGXFSZ, SIG_IGN);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	half.rlim_max = before.rlim_max;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &half), errno);
	for (int i = 0; i < 100; i++)
		assert_int_equal(add(s, &p, 0), 0);
	assert_int_not_equal(commit(s, &f), 0);
	assert_int_equal(add(s, &p, 0), -EFBIG);
	assert_int_equal(segment_tick(s, 0, 0, NULL), -EFBIG);
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
	assert_int_equal(segment_rescue(s, &f, NULL), 0);
	assert_true(f.packets > 60 && f.packets < 70);
	assert_true(f.recovered);
	assert_int_equal(size_of("8-000.pcapng"), f.bytes);
	spool_room(w.spool, &room);
	assert_int_equal(room.used, used + f.bytes);
	spool_give(w.spool, f.bytes);
	free(f.name);
	unlinkat(folder, "8-000.pcapng", 0);
}

/* Per interface what was taken; drops once, for they are the socket's. */
static void test_statistics(void **state)
{
	cleanup_free char *info = xasprintf("capinfos %s/%s/9-000.pcapng", w.spool_dir, WORLD_ID);
	struct pcapng_packet p = packet(100, T0);
	struct segment *s = open_segment("9-000.pcapng");
	const struct pcapng_interface late = { .name = "eth1", .link_type = 1, .snaplen = 262144 };
	struct pcapng_reader *r;
	struct pcapng_block b;
	int64_t received[3] = { 0 }, dropped[3] = { 0 };
	struct wire_file f;
	uint64_t size;
	int fd;

	assert_int_equal(add(s, &p, 0), 0);
	assert_int_equal(segment_add_interface(s, &late, 0, NULL), 0);
	p.interface = 2;
	p.flags = PCAPNG_OUTBOUND;
	assert_int_equal(add(s, &p, 0), 0);
	assert_int_equal(add(s, &p, 0), 0);
	size = segment_size(s);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(f.bytes, size);
	judge_says(info, "Number of interfaces in file: 3");
	fd = openat(folder, f.name, O_RDONLY | O_CLOEXEC);
	r = pcapng_reader_new(fd);
	while (pcapng_next(r, &b, NULL) == 0) {
		if (b.kind == PCAPNG_STATS) {
			received[b.stats.interface] = b.stats.received;
			dropped[b.stats.interface] = b.stats.dropped;
		}
		if (b.kind == PCAPNG_PACKET && b.packet.interface == 2)
			assert_int_equal(b.packet.flags, PCAPNG_OUTBOUND);
	}
	pcapng_reader_free(r);
	close(fd);
	assert_int_equal(received[0], 0);
	assert_int_equal(received[1], 1);
	assert_int_equal(received[2], 2);
	assert_int_equal(dropped[0], 7);
	assert_int_equal(dropped[1], -1);
	free(f.name);
	unlinkat(folder, "9-000.pcapng", 0);
}

/* A child captures and is killed: what was handed over, and as much as was written, is there. */
static void test_killed(void **state)
{
	const struct spool_limits limits = { .quota = 256 << 20, .floor = 0 };
	struct pcapng_packet p = packet(1400, T0);
	struct wire_file f = { 0 };
	int pipe_fd[2], status;
	char c;
	pid_t child;

	assert_return_code(pipe(pipe_fd), errno);
	world_close(&w);		/* no threads: one might hold malloc's lock */
	child = fork();
	if (!child) {
		struct segment *s;

		world_open(&w, &limits);
		disk_start(&disk, 4, NULL);
		s = open_segment("10-000.pcapng");
		for (int i = 0; i < 5000;)
			i += add(s, &p, 0) == 0;
		segment_tick(s, 0, 0, NULL);
		clock_sleep_ms(500);
		add(s, &p, 0);	/* this one is lost */
		if (write(pipe_fd[1], "x", 1) < 0)
			_exit(1);
		pause();
	}
	assert_int_equal(read(pipe_fd[0], &c, 1), 1);
	kill(child, SIGKILL);
	assert_int_equal(waitpid(child, &status, 0), child);
	world_open(&w, &limits);
	assert_int_equal(segment_salvage(folder, "10-000.pcapng", &f, NULL), 0);
	assert_int_equal(f.packets, 5000);
	assert_int_equal(size_of("10-000.pcapng"), f.bytes);
	free(f.name);
	unlinkat(folder, "10-000.pcapng", 0);
	close(pipe_fd[0]);
	close(pipe_fd[1]);
}

/* ---- lent pieces ---- */

/* What becomes a piece of the file: packets of interfaces 0 and 1 by turns, a nanosecond apart, each fifth cut. */
struct piece {
	struct segment_lent l;
	uint32_t counts[3], caplen;
	atomic_int laid, done;
};

static struct pcapng_packet packet_of(const struct piece *p, uint32_t i)
{
	return (struct pcapng_packet){ .interface = i % 2, .ts_ns = p->l.first_ns + i,
				       .caplen = p->caplen, .len = p->caplen + (i % 5 == 0),
				       .data = data };
}

/* The block goes on to `size`, by an option that readers do not know. */
static void stretch(uint8_t *block, size_t old, size_t size)
{
	const uint16_t option[2] = { htole16(0x8000), htole16((uint16_t)(size - old - 8)) };
	const uint32_t total = htole32((uint32_t)size);

	memset(block + old - 4, 0, size - old);
	memcpy(block + old - 4, option, sizeof(option));
	memcpy(block + 4, &total, sizeof(total));
	memcpy(block + size - 4, &total, sizeof(total));
}

static void lay(struct segment_lent *l, const uint32_t *numbers)
{
	struct piece *p = (struct piece *)l;
	uint8_t *at = l->data, *last = NULL;

	for (uint32_t i = 0; i < l->packets; i++) {
		struct pcapng_packet one = packet_of(p, i);

		one.interface = numbers[one.interface];
		last = at;
		at += pcapng_put_packet(at, &one);
	}
	stretch(last, (size_t)(at - last), (size_t)((uint8_t *)l->data + l->size - last));
	atomic_fetch_add(&p->laid, 1);
}

static void done(struct segment_lent *l)
{
	atomic_fetch_add(&((struct piece *)l)->done, 1);
}

static struct piece *make_piece(size_t pages, uint32_t caplen, int64_t first_ns)
{
	struct piece *p = xcalloc(1, sizeof(*p));
	const size_t size = pages * DISK_ALIGN;

	assert_int_equal(posix_memalign(&p->l.data, DISK_ALIGN, size), 0);
	p->caplen = caplen;
	p->l.size = size;
	p->l.packets = (uint32_t)((size - 8) / pcapng_packet_size(caplen, 0));
	p->l.truncated = (p->l.packets + 4) / 5;
	p->l.first_ns = first_ns;
	p->l.last_ns = first_ns + p->l.packets - 1;
	p->counts[0] = (p->l.packets + 1) / 2;
	p->counts[1] = p->l.packets / 2;
	p->l.counts = p->counts;
	p->l.n_counts = 3;
	p->l.lay = lay;
	p->l.done = done;
	return p;
}

/* Behind the file's end. */
static void free_piece(struct piece *p, bool taken)
{
	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(atomic_load(&p->done), taken);
	free(p->l.data);
	free(p);
}

static bool lend_in(struct segment *s, struct piece *p, const struct segment_run *run)
{
	const uint64_t size = segment_size(s);
	const int64_t packets = segment_packets(s), truncated = segment_truncated(s);
	const bool taken = segment_lend(s, run, &p->l);

	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(segment_packets(s), packets + (taken ? p->l.packets : 0));
	assert_int_equal(segment_truncated(s), truncated + (taken ? p->l.truncated : 0));
	if (!taken)
		assert_int_equal(segment_size(s), size);
	if (taken)
		assert_in_range(segment_size(s), size + p->l.size,
				size + p->l.size + DISK_ALIGN + 11);
	return taken;
}

static bool lend(struct segment *s, struct piece *p, uint64_t max_size)
{
	static const uint32_t same[] = { 0, 1, 2, 3 };
	const struct segment_run run = { same, max_size, INT64_MAX };

	return lend_in(s, p, &run);
}

/* What each interface received, as the file's end says, and as its packets say. */
static void check_received(const char *name, int64_t first, int64_t second)
{
	cleanup_close int fd = openat(folder, name, O_RDONLY | O_CLOEXEC);
	struct pcapng_reader *r = pcapng_reader_new(fd);
	int64_t told[2] = { 0 }, there[2] = { 0 };
	struct pcapng_block b;
	int rc;

	while ((rc = pcapng_next(r, &b, NULL)) == 0) {
		if (b.kind == PCAPNG_STATS)
			told[b.stats.interface] = b.stats.received;
		if (b.kind == PCAPNG_PACKET)
			there[b.packet.interface]++;
	}
	assert_int_equal(rc, PCAPNG_E_END);
	pcapng_reader_free(r);
	assert_int_equal(told[0], first);
	assert_int_equal(told[1], second);
	assert_int_equal(there[0], first);
	assert_int_equal(there[1], second);
}

/* Others find each packet, and nothing else. */
static void check_by_others(const char *name, int64_t packets, int64_t first_ns, int64_t last_ns)
{
	cleanup_free char *path = xasprintf("%s/%s/%s", w.spool_dir, WORLD_ID, name);
	cleanup_free char *info = xasprintf("capinfos -TrcM %s", path);
	cleanup_free char *times = xasprintf("tshark -r %s -T fields -e frame.number -e frame.time_epoch | "
					     "sed -n '1p;$p'", path);
	cleanup_free char *counted = xasprintf("\t%lld\n", (long long)packets);
	cleanup_free char *said = xasprintf("1\t%lld.%09lld\n%lld\t%lld.%09lld\n",
					    (long long)(first_ns / NS_PER_S),
					    (long long)(first_ns % NS_PER_S), (long long)packets,
					    (long long)(last_ns / NS_PER_S),
					    (long long)(last_ns % NS_PER_S));
	struct pcapng_summary sum;

	world_summarize(path, &sum);
	assert_int_equal(sum.packets, packets);
	judge_says(info, counted);
	judge_says(times, said);
}

static void test_lend(void **state)
{
	struct piece *v[] = { make_piece(64, 1400, T0 + 100), make_piece(200, 9000, T0 + 100000),
			      make_piece(1, 100, T0 + 200000) };
	const int64_t lent = v[0]->l.packets + v[1]->l.packets + v[2]->l.packets;
	struct pcapng_packet p = packet(500, T0 + 50);
	struct spool_room before, after;
	struct segment *s;
	struct wire_file f;
	uint64_t size;

	spool_room(w.spool, &before);
	s = open_segment("12-000.pcapng");
	assert_int_equal(add(s, &p, 0), 0);
	assert_true(lend(s, v[0], 0));
	for (int i = 0; i < 10; i++)
		assert_int_equal(add(s, &p, 0), 0);
	assert_true(lend(s, v[1], 0));
	assert_true(lend(s, v[2], 0));		/* no filler between the two */
	p.ts_ns = T0 + 300000;
	assert_int_equal(add(s, &p, 0), 0);
	size = segment_size(s);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(f.bytes, size);
	assert_int_equal(size_of(f.name), size);
	assert_int_equal(f.packets, lent + 12);
	assert_int_equal(f.first_ns, T0 + 50);
	assert_int_equal(f.last_ns, T0 + 300000);
	check_by_others(f.name, lent + 12, T0 + 50, T0 + 300000);
	check_received(f.name, v[0]->counts[0] + v[1]->counts[0] + v[2]->counts[0],
		       v[0]->counts[1] + v[1]->counts[1] + v[2]->counts[1] + 12);
	spool_room(w.spool, &after);
	spool_give(w.spool, f.bytes);
	assert_int_equal(after.used - before.used, f.bytes);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], true);
	free(f.name);
	unlinkat(folder, "12-000.pcapng", 0);
}

/* Nothing but what was lent: its times are the file's. */
static void test_lend_alone(void **state)
{
	struct piece *a = make_piece(3, 60, T0 + 70), *b = make_piece(3, 60, T0 + 3);
	struct segment *s = open_segment("13-000.pcapng");
	struct wire_file f;

	assert_true(lend(s, a, 0));
	assert_true(lend(s, b, 0));
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(f.packets, a->l.packets + b->l.packets);
	assert_int_equal(f.first_ns, T0 + 3);
	assert_int_equal(f.last_ns, a->l.last_ns);
	check_received(f.name, a->counts[0] + b->counts[0], a->counts[1] + b->counts[1]);
	free_piece(a, true);
	free_piece(b, true);
	free(f.name);
	unlinkat(folder, "13-000.pcapng", 0);
}

/* The disk may be behind. */
static void lend_patiently(struct segment *s, struct piece *p)
{
	int ms = 0;

	while (!lend(s, p, 0)) {
		assert_true(ms++ < 5000);
		clock_sleep_ms(1);
	}
}

/* Wherever in a page the copied packets end: also where a filler has no room before the page's end. */
static void test_lend_behind_every_byte(void **state)
{
	struct segment *s = open_segment("14-000.pcapng");
	static struct piece *v[DISK_ALIGN / 4 + 1];
	int64_t packets = 0;
	struct wire_file f;

	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		struct pcapng_packet p = packet((uint32_t)i * 4, T0);
		int r;

		while ((r = add(s, &p, 0)) == SEGMENT_E_BUSY)
			clock_sleep_ms(1);
		assert_int_equal(r, 0);
		v[i] = make_piece(1, 1900, T0);
		lend_patiently(s, v[i]);
		packets += 1 + v[i]->l.packets;
	}
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(f.packets, packets);
	check_by_others(f.name, packets, T0, T0 + 1);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], true);
	free(f.name);
	unlinkat(folder, "14-000.pcapng", 0);
}

/* To the byte, as for packets; the refused piece is as it was, and so is the file. */
static void check_lend_limit(uint32_t caplen)
{
	struct piece *a = make_piece(4, 1000, T0), *b = make_piece(4, 1000, T0);
	struct pcapng_packet p = packet(caplen, T0);
	struct segment *s = open_segment("15-000.pcapng");
	struct wire_file f;
	uint64_t size;

	assert_int_equal(add(s, &p, 0), 0);
	assert_true(lend(s, a, 0));
	size = segment_size(s);
	segment_discard(s);
	s = open_segment("15-000.pcapng");
	assert_int_equal(add(s, &p, 0), 0);
	for (uint64_t less = 1; less < b->l.size; less += 511)
		assert_false(lend(s, b, size - less));
	assert_true(lend(s, b, size));
	assert_int_equal(segment_size(s), size);
	assert_int_equal(add(s, &p, size), SEGMENT_E_FULL);
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	assert_int_equal(size_of(f.name), size);
	assert_int_equal(f.packets, 1 + b->l.packets);
	free_piece(a, true);
	free_piece(b, true);
	free(f.name);
	unlinkat(folder, "15-000.pcapng", 0);
}

static void test_lend_limit_is_exact(void **state)
{
	for (uint32_t caplen = 0; caplen < DISK_ALIGN; caplen += 164)
		check_lend_limit(caplen);
}

/* A piece is of one run, or is not taken. */
static void test_lend_of_other_runs(void **state)
{
	static const uint32_t first[] = { 0, SEGMENT_OTHER, SEGMENT_OTHER };
	static const uint32_t swapped[] = { 1, 0, SEGMENT_OTHER };
	struct piece *p = make_piece(2, 200, T0), *one = make_piece(1, 3000, T0);
	const struct segment_run until = { swapped, 0, p->l.last_ns };
	const struct segment_run behind = { swapped, 0, p->l.last_ns + 1 };
	const struct segment_run half = { first, 0, INT64_MAX };
	struct segment *s = open_segment("16-000.pcapng");
	struct wire_file f;

	assert_false(lend_in(s, p, &until));
	assert_false(lend_in(s, p, &half));
	assert_true(lend_in(s, p, &behind));
	/* interfaces that have no packets in it may be of other files */
	assert_int_equal(one->l.packets, 1);
	assert_true(lend_in(s, one, &half));
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	check_received(f.name, p->counts[1] + 1, p->counts[0]);
	free_piece(p, true);
	free_piece(one, true);
	free(f.name);
	unlinkat(folder, "16-000.pcapng", 0);
}

static void check_no_lending(const char *name)
{
	struct piece *p = make_piece(4, 1000, T0);
	struct segment *s = open_segment(name);
	struct pcapng_packet one = packet(100, T0);

	assert_int_equal(add(s, &one, 0), 0);
	assert_false(lend(s, p, 0));
	assert_int_equal(add(s, &one, 0), 0);
	segment_discard(s);
	free_piece(p, false);
}

static void test_lend_to_classic(void **state)
{
	check_no_lending("17-000.pcap");
}

static void test_lend_without_disk(void **state)
{
	check_no_lending("17-000.pcapng");
}

/* Room for the piece is not there: packets are still taken, until there is none for them. */
static void test_lend_at_the_quota(void **state)
{
	struct piece *p = make_piece(512, 1400, T0);
	struct pcapng_packet one = packet(1400, T0);
	struct spool_room room;
	struct segment *s;
	struct wire_file f;
	int64_t before;

	spool_room(w.spool, &room);
	before = room.used;
	assert_int_equal(spool_take(w.spool, room.quota - room.used - (1 << 20), NULL), 0);
	s = open_segment("18-000.pcapng");
	assert_int_equal(add(s, &one, 0), 0);
	assert_false(lend(s, p, 0));
	assert_int_equal(add(s, &one, 0), 0);
	spool_room(w.spool, &room);
	assert_true(room.used <= room.quota);
	spool_give(w.spool, room.quota - before - (1 << 20));
	assert_true(lend(s, p, 0));
	assert_int_equal(commit(s, &f), 0);
	segment_free(s);
	spool_room(w.spool, &room);
	assert_int_equal(room.used, before + f.bytes);
	spool_give(w.spool, f.bytes);
	free_piece(p, true);
	free(f.name);
	unlinkat(folder, "18-000.pcapng", 0);
}

#define HOLDERS 80			/* more than there are buffers */

/* No buffer is free for the filler: not now, and nothing is broken. */
static void test_lend_to_a_disk_that_is_behind(void **state)
{
	struct pcapng_packet one = packet(100, T0);
	struct piece *p = make_piece(4, 1000, T0);
	struct segment *v[HOLDERS];
	size_t n = 0;
	int r = 0;

	while (!r) {
		cleanup_free char *name = xasprintf("19-%03zu.pcapng", n);

		assert_true(n < HOLDERS);
		v[n] = open_segment(name);
		r = add(v[n++], &one, 0);
	}
	assert_int_equal(r, SEGMENT_E_BUSY);
	assert_false(lend(v[n - 1], p, 0));
	for (size_t i = 0; i < n - 1; i++)
		segment_discard(v[i]);
	assert_true(lend(v[n - 1], p, 0));
	segment_discard(v[n - 1]);
	free_piece(p, true);
}

/* The disk took no more: what is lent comes back, and no more is taken. */
static void test_lend_to_a_failed_file(void **state)
{
	struct rlimit before, low = { 100000, RLIM_INFINITY };
	struct piece *p = make_piece(100, 1400, T0), *q = make_piece(4, 1000, T0);
	struct wire_file f = { 0 };
	struct segment *s = open_segment("20-000.pcapng");

	signal(SIGXFSZ, SIG_IGN);
	assert_return_code(getrlimit(RLIMIT_FSIZE, &before), errno);
	low.rlim_max = before.rlim_max;
	assert_return_code(setrlimit(RLIMIT_FSIZE, &low), errno);
	assert_true(lend(s, p, 0));
	assert_int_not_equal(commit(s, &f), 0);
	assert_false(lend(s, q, 0));
	assert_return_code(setrlimit(RLIMIT_FSIZE, &before), errno);
	assert_int_equal(segment_rescue(s, &f, NULL), 0);
	assert_true(f.packets > 50 && f.packets < 70);
	spool_give(w.spool, f.bytes);
	free_piece(p, true);
	free_piece(q, false);
	free(f.name);
	unlinkat(folder, "20-000.pcapng", 0);
}

/* The agent died while a piece was written: its whole packets are kept. */
static void check_salvage_of_lent(off_t by)
{
	struct piece *p = make_piece(4, 1000, T0);
	const off_t one = (off_t)pcapng_packet_size(1000, 0), size = (off_t)p->l.size;
	struct segment *s = open_segment("21-000.pcapng");
	struct pcapng_packet before = packet(50, T0);
	struct wire_file f = { 0 };
	off_t whole = (size - by) / one;

	assert_int_equal(add(s, &before, 0), 0);
	assert_true(lend(s, p, 0));
	segment_free(s);
	cut("21-000.pcapng", by);
	/* the last one goes on to the piece's end */
	if (by && whole == p->l.packets)
		whole--;
	assert_int_equal(segment_salvage(folder, "21-000.pcapng", &f, NULL), 0);
	assert_int_equal(f.packets, 1 + whole);
	assert_true(f.recovered);
	assert_int_equal(size_of(f.name), f.bytes);
	assert_int_equal(f.last_ns, whole ? T0 + whole - 1 : T0);
	free_piece(p, true);
	free(f.name);
	unlinkat(folder, "21-000.pcapng", 0);
}

static void test_salvage_of_lent(void **state)
{
	for (off_t by = 0; by < 4 * (off_t)DISK_ALIGN; by += by < 40 ? 1 : 97)
		check_salvage_of_lent(by);
	check_salvage_of_lent(4 * (off_t)DISK_ALIGN);
}

static int start_disk(void **state)
{
	return disk_start(&disk, 4, NULL);
}

static int stop_disk(void **state)
{
	disk_stop(disk);
	disk = NULL;
	return 0;
}

static int set_up(void **state)
{
	if (judge_setup(state))
		return -1;
	world_make(&w);
	return spool_create_dir(w.spool, WORLD_ID, &folder, NULL);
}

static int tear_down(void **state)
{
	close(folder);
	world_free(&w);
	return judge_teardown(state);
}

#define ON_DISK(t) { "on disk: " #t, t, start_disk, stop_disk, NULL }

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),
		cmocka_unit_test(test_hidden_until_whole),
		cmocka_unit_test(test_classic),
		cmocka_unit_test(test_limit_is_exact),
		cmocka_unit_test(test_large_packets),
		cmocka_unit_test(test_salvage),
		cmocka_unit_test(test_salvage_of_nothing),
		cmocka_unit_test(test_quota),
		cmocka_unit_test(test_tick),
		cmocka_unit_test(test_half_a_write),
		cmocka_unit_test(test_statistics),
		cmocka_unit_test(test_lend_without_disk),
		ON_DISK(test_hidden_until_whole),
		ON_DISK(test_classic),
		ON_DISK(test_limit_is_exact),
		ON_DISK(test_large_packets),
		ON_DISK(test_salvage),
		ON_DISK(test_salvage_of_nothing),
		ON_DISK(test_quota),
		ON_DISK(test_half_a_write),
		ON_DISK(test_statistics),
		ON_DISK(test_lend),
		ON_DISK(test_lend_alone),
		ON_DISK(test_lend_behind_every_byte),
		ON_DISK(test_lend_limit_is_exact),
		ON_DISK(test_lend_of_other_runs),
		ON_DISK(test_lend_to_classic),
		ON_DISK(test_lend_at_the_quota),
		ON_DISK(test_lend_to_a_disk_that_is_behind),
		ON_DISK(test_lend_to_a_failed_file),
		ON_DISK(test_salvage_of_lent),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
