/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_test.c - the files of one target: a file per link type, limits over all, rotation
 */
#include "fileset_world.h"

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
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
