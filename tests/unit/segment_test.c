/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_test.c - one capture file: hidden until whole, exact in size, salvaged when cut;
 * of both formats
 */
#include "segment_world.h"

#include <signal.h>
#include <sys/resource.h>

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
		ON_DISK(test_hidden_until_whole),
		ON_DISK(test_classic),
		ON_DISK(test_limit_is_exact),
		ON_DISK(test_large_packets),
		ON_DISK(test_salvage),
		ON_DISK(test_salvage_of_nothing),
		ON_DISK(test_quota),
		ON_DISK(test_half_a_write),
		ON_DISK(test_statistics),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
