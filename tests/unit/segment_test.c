/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_test.c - one file of the spool: hidden until whole, exact in size, salvaged when cut
 */
#include "agent_world.h"
#include "../../agent/segment.h"

#define T0 1795444745120334551LL

static struct world w;
static int folder;
static const uint8_t data[300000];

static const struct pcapng_interface interfaces[] = {
	{ .name = "lo", .description = "web.1 lo", .link_type = 1, .snaplen = 262144 },
	{ .name = "eth0", .description = "web.1 eth0", .link_type = 1, .snaplen = 262144 },
};

static struct segment *open_segment(const char *name)
{
	const struct segment_plan p = {
		.spool = w.spool,
		.dirfd = folder,
		.name = name,
		.section = { .application = "test" },
		.interfaces = interfaces,
		.n_interfaces = 2,
		.stats_comment = "a comment",
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
	const struct pcapng_stats stats[2] = {
		{ .ts_ns = T0 + 9,
		  .start_ns = T0,
		  .end_ns = T0 + 9,
		  .received = 1LL << 40,
		  .dropped = 7 },
		{ .ts_ns = T0 + 9, .start_ns = T0, .end_ns = T0 + 9, .received = 3 },
	};

	*f = (struct wire_file){ 0 };
	return segment_commit(s, stats, f, NULL);
}

static int64_t size_of(const char *name)
{
	struct stat st;

	return fstatat(folder, name, &st, 0) ? -1 : st.st_size;
}

static void test_hidden_until_whole(void **state)
{
	cleanup_free char *path = xasprintf("%s/%s/0-000.pcapng", w.spool_dir, WORLD_ID);
	struct pcapng_summary sum;
	struct pcapng_packet p = packet(100, T0 + 5);
	struct segment *s = open_segment("0-000.pcapng");
	struct wire_file f;
	char hex[DIGEST_HEX];
	uint64_t size;
	int fd;

	assert_int_equal(segment_add(s, &p, 0, NULL), 0);
	p = packet(101, T0 + 3);
	assert_int_equal(segment_add(s, &p, 0, NULL), 0);
	assert_int_equal(size_of("0-000.pcapng"), -1);
	assert_true(size_of(".0-000.pcapng.part") > 0);
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
	assert_int_equal(digest_fd(fd, hex), 0);
	assert_string_equal(hex, f.sha256);
	close(fd);
	free(f.name);
	unlinkat(folder, "0-000.pcapng", 0);
}

/* At every limit: never larger, and the next packet would not have fitted. */
static void test_limit_is_exact(void **state)
{
	const size_t one = pcapng_packet_size(77, 0);
	struct segment *s = open_segment("1-000.pcapng");
	const uint64_t empty = segment_size(s);

	segment_discard(s);
	assert_int_equal(size_of(".1-000.pcapng.part"), -1);
	for (uint64_t max = empty; max < empty + 3 * one; max += 13) {
		struct pcapng_packet p = packet(77, T0);
		struct wire_file f;

		s = open_segment("1-000.pcapng");
		while (segment_add(s, &p, max, NULL) == 0)
			continue;
		assert_int_equal(segment_add(s, &p, max, NULL), SEGMENT_E_FULL);
		assert_int_equal(commit(s, &f), 0);
		segment_free(s);
		assert_int_equal(f.packets, (max - empty) / one);
		assert_int_equal(size_of("1-000.pcapng"), f.bytes);
		assert_true((uint64_t)f.bytes <= max && (uint64_t)f.bytes + one > max);
		free(f.name);
		unlinkat(folder, "1-000.pcapng", 0);
	}
}

static void test_large_packets(void **state)
{
	struct pcapng_packet p = packet(262144, T0);
	struct segment *s = open_segment("2-000.pcapng");
	struct wire_file f;

	for (int i = 0; i < 5; i++)
		assert_int_equal(segment_add(s, &p, 0, NULL), 0);
	p.caplen = SEGMENT_BUFFER;
	assert_int_equal(segment_add(s, &p, 0, NULL), -EMSGSIZE);
	assert_int_equal(commit(s, &f), 0);
	assert_int_equal(f.packets, 5);
	segment_free(s);
	free(f.name);
	unlinkat(folder, "2-000.pcapng", 0);
}

static void cut(const char *hidden, off_t by)
{
	int fd = openat(folder, hidden, O_RDWR | O_CLOEXEC);
	struct stat st;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	assert_return_code(ftruncate(fd, st.st_size - by), errno);
	close(fd);
}

/* The agent died: the last packet is cut at any byte, the others are kept. */
static void test_salvage(void **state)
{
	const off_t one = (off_t)pcapng_packet_size(50, 0);

	for (off_t by = 0; by <= one; by++) {
		struct pcapng_packet p = packet(50, T0);
		struct segment *s = open_segment("3-000.pcapng");
		struct wire_file f = { 0 };

		for (int i = 0; i < 4; i++)
			assert_int_equal(segment_add(s, &p, 0, NULL), 0);
		assert_int_equal(segment_flush_aged(s, 0, NULL), 0);
		segment_free(s);
		cut(".3-000.pcapng.part", by);
		assert_int_equal(segment_salvage(folder, "3-000.pcapng", &f, NULL), 0);
		assert_int_equal(f.packets, by ? 3 : 4);
		assert_true(f.recovered);
		assert_int_equal(size_of("3-000.pcapng"), f.bytes);
		assert_true(digest_is_hex(f.sha256));
		free(f.name);
		unlinkat(folder, "3-000.pcapng", 0);
	}
}

static void test_salvage_of_nothing(void **state)
{
	struct wire_file f = { 0 };
	int fd = openat(folder, ".4-000.pcapng.part", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(segment_salvage(folder, "4-000.pcapng", &f, NULL), -ENODATA);
	assert_int_equal(size_of(".4-000.pcapng.part"), -1);
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
	while ((r = segment_add(s, &p, 0, NULL)) == 0)
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hidden_until_whole),
		cmocka_unit_test(test_limit_is_exact),
		cmocka_unit_test(test_large_packets),
		cmocka_unit_test(test_salvage),
		cmocka_unit_test(test_salvage_of_nothing),
		cmocka_unit_test(test_quota),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
