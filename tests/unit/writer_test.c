/* SPDX-License-Identifier: Apache-2.0
 *
 * writer_test.c - the files of one target: a file per link type, limits over all of them
 */
#include "agent_world.h"
#include "../../agent/writer.h"

#define T0 1795444745120334551LL

static struct world w;
static int folder;
static uint8_t data[2000];

static struct iface ifaces[] = {
	{ .name = "lo", .index = 1, .loopback = true, .link_type = 1, .link_text = "EN10MB" },
	{ .name = "tun0", .index = 2, .link_type = 101, .link_text = "RAW" },
	{ .name = "eth0", .index = 3, .link_type = 1, .link_text = "EN10MB", .has_mac = true },
};

static struct writer *open_writer(const struct wire_arm *a, int *result)
{
	const struct writer_plan p = {
		.spool = w.spool, .dirfd = folder, .target = 4, .ifaces = ifaces, .n_ifaces = 3,
		.arm = a, .wanted = &a->targets[0], .node_name = "node1", .kernel = "6.1",
	};
	struct writer *out = NULL;

	*result = writer_open(&out, &p, NULL);
	return out;
}

static int add(struct writer *wr, uint32_t interface, uint32_t n)
{
	const struct pcapng_packet p = { .interface = interface, .ts_ns = T0, .caplen = n,
					 .len = n + 1, .data = data };

	return writer_add(wr, &p, NULL);
}

static void finish(struct writer *wr, struct writer_end *end)
{
	static const struct sniff_counts counts[3] = { { 5, 0 }, { 1, 0 }, { 3, 2 } };

	*end = (struct writer_end){ .counts = counts, .start_ns = T0, .end_ns = T0 + 1 };
	assert_int_equal(writer_finish(wr, end, NULL), 0);
	writer_free(wr);
}

static void clear(struct writer_end *end)
{
	for (size_t i = 0; i < end->n_files; i++) {
		unlinkat(folder, end->files[i].name, 0);
		free(end->files[i].name);
		free(end->files[i].suffix);
	}
	free(end->files);
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
	struct writer_end end;
	struct writer *wr;
	int r;

	wr = open_writer(&a, &r);
	assert_int_equal(r, 0);
	assert_int_equal(add(wr, 0, 60), 0);
	assert_int_equal(add(wr, 2, 60), 0);
	assert_int_equal(add(wr, 1, 60), 0);
	assert_int_equal(writer_packets(wr), 3);
	assert_false(writer_loses_interfaces(wr));
	assert_int_equal(writer_truncated(wr), 3);
	finish(wr, &end);
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
	struct writer_end end;
	struct writer *wr;
	int r;

	a.format = WIRE_PCAP;
	wr = open_writer(&a, &r);
	assert_int_equal(r, 0);
	assert_true(writer_loses_interfaces(wr));
	assert_int_equal(add(wr, 0, 60), 0);
	assert_int_equal(add(wr, 2, 60), 0);
	assert_int_equal(add(wr, 1, 60), 0);
	finish(wr, &end);
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
	struct writer_end end;
	int r;

	finish(open_writer(&a, &r), &end);
	assert_int_equal(end.n_files, 1);
	assert_int_equal(end.files[0].packets, 0);
	clear(&end);
	wire_arm_release(&a);
}

static void test_max_packets_over_all_files(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct writer_end end;
	struct writer *wr;
	int r;

	a.max_packets = 5;
	wr = open_writer(&a, &r);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(add(wr, i % 2, 60), 0);
	assert_int_equal(add(wr, 0, 60), WRITER_E_PACKETS);
	finish(wr, &end);
	assert_int_equal(end.files[0].packets + end.files[1].packets, 5);
	clear(&end);
	wire_arm_release(&a);
}

static int64_t bytes_of(const struct writer_end *end)
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
		struct writer_end end;
		struct writer *wr;
		int r;

		a.format = format;
		a.max_bytes = max;
		wr = open_writer(&a, &r);
		if (r) {
			assert_int_equal(r, -EFBIG);
			wire_arm_release(&a);
			continue;
		}
		for (uint32_t i = 0; !r; i++)
			r = add(wr, i % 3, 60);
		assert_int_equal(r, WRITER_E_BYTES);
		assert_true(writer_bytes(wr) <= max);
		finish(wr, &end);
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
	assert_null(open_writer(&a, &r));
	assert_int_equal(r, -EFBIG);
	assert_int_equal(faccessat(folder, ".4-000.pcapng.part", F_OK, 0), -1);
	wire_arm_release(&a);
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
		cmocka_unit_test(test_file_per_link_type),
		cmocka_unit_test(test_classic_files),
		cmocka_unit_test(test_quiet_target_has_one_file),
		cmocka_unit_test(test_max_packets_over_all_files),
		cmocka_unit_test(test_max_bytes_over_all_files),
		cmocka_unit_test(test_too_small_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
