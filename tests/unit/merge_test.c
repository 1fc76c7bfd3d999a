/* SPDX-License-Identifier: Apache-2.0
 *
 * merge_test.c - files made by hand become one, as tshark and capinfos see it
 */
#include "../../coordinator/merge.h"
#include "judge.h"
#include "pcapng_made.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#define US (T0 / 1000)
#define MANY 300u

struct merging {
	struct merge_input inputs[MERGE_MANY + 2];
	struct merge_job job;
	struct merge_result result;
	struct err err;
	const char *to;		/* NULL: out.pcapng; of the test's folder */
};

static void add(struct merging *x, struct made *m, const struct merge_input *in)
{
	struct merge_input *to = &x->inputs[x->job.n++];

	*to = *in;
	to->path = "made";
	to->fd = made_file(&m->b, m->b.len);
	buf_release(&m->b);
}

static int merge(struct merging *x)
{
	cleanup_free char *path = xasprintf("%s/%s", judge_dir, x->to ? x->to : "out.pcapng");
	struct sink *sink = NULL;
	int r;

	assert_int_equal(sink_open(&sink, path, true, &x->err), 0);
	x->job.inputs = x->inputs;
	x->job.sink = sink;
	r = merge_run(&x->job, &x->result, &x->err);
	if (r == 0)
		assert_int_equal(sink_commit(sink, &x->err), 0);
	sink_free(sink);
	for (size_t i = 0; i < x->job.n; i++)
		close(x->inputs[i].fd);
	return r;
}

static void assert_merged(struct merging *x)
{
	int r = merge(x);

	if (r != 0)
		fail_msg("%d: %s", r, x->err.text);
}

static void assert_says(const char *command, const char *want)
{
	cleanup_free char *out = judge_run(command);

	assert_string_equal(out, want);
}

#define FIELDS "tshark -r out.pcapng -T fields -e frame.time_epoch -e frame.interface_name " \
	       "-e frame.interface_description -e frame.len -e frame.cap_len"

static void by_corrected_time(void **state)
{
	struct merging x = { .job.comment = "who made it" };
	struct made a = made_new(false), b = made_new(true);

	made_section(&a);
	made_clocked(&a, 9, 0);
	made_packet(&a, 0, T0 + 1, "one");
	made_packet(&a, 0, T0 + 2000, "three");
	made_section(&b);
	made_clocked(&b, 6, 0);		/* 750 ms ahead, and in microseconds */
	made_packet(&b, 0, US + 750001, "two");
	made_packet(&b, 0, US + 750003, "four and so on");
	add(&x, &a, &(struct merge_input){ .label = "web.1@n1", .interface = "eth0" });
	add(&x, &b, &(struct merge_input){ .label = "web.2@n2", .where = " (app 10.0.1.5/24)",
					   .clock.offset_ns = 750 * NS_PER_MS });
	assert_merged(&x);
	assert_int_equal(x.result.packets, 4);
	assert_int_equal(x.result.interfaces, 2);
	assert_int_equal(x.result.first_ns, T0 + 1);
	assert_says(FIELDS,
		    "1795444745.120334552\teth0\tweb.1@n1 eth0\t1500\t3\n"
		    "1795444745.120335000\tweb.2@n2\tweb.2@n2 (app 10.0.1.5/24)\t1500\t3\n"
		    "1795444745.120336551\teth0\tweb.1@n1 eth0\t1500\t5\n"
		    "1795444745.120337000\tweb.2@n2\tweb.2@n2 (app 10.0.1.5/24)\t1500\t14\n");
	judge_says("capinfos out.pcapng", "who made it");
	judge_says("capinfos out.pcapng", "Strict time order:   True");
	merge_result_release(&x.result);
}

/* An option of four or eight bytes, which is an integer. */
static void option_number(struct made *m, uint16_t code, uint64_t v, size_t n)
{
	made_add(m, code, 2);
	made_add(m, n, 2);
	made_add(m, v, n);
}

static void options_of_both_orders(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct merging x = { 0 };
		struct made m = made_new(big);

		made_section(&m);
		made_begin(&m, 1);
		made_add(&m, 1, 2);
		made_add(&m, 0, 2);
		made_add(&m, 96, 4);
		made_option(&m, 2, "eth7", 4);
		made_option(&m, 3, "by hand", 7);
		option_number(&m, 8, 100000000, 8);
		made_option(&m, 12, "an OS", 5);
		made_option(&m, 15, "a card", 6);
		made_end(&m);
		made_begin(&m, 6);
		made_add(&m, 0, 4);
		made_add(&m, US >> 32, 4);
		made_add(&m, US & UINT32_MAX, 4);
		made_add(&m, 3, 4);
		made_add(&m, 60, 4);
		made_add_bytes(&m, "abc", 3);
		made_option(&m, 1, "look here", 9);
		option_number(&m, 2, 2, 4);
		option_number(&m, 5, 0x1122334455667788, 8);
		made_add(&m, 0, 4);
		made_end(&m);
		add(&x, &m, &(struct merge_input){ .label = "lb", .names_all = big });
		assert_merged(&x);
		assert_says("tshark -r out.pcapng -T fields -e frame.interface_name "
			    "-e frame.interface_description -e frame.comment "
			    "-e frame.packet_flags_direction -e frame.packet_id -e frame.cap_len",
			    big ? "eth7\tlb eth7 (by hand)\tlook here\t0x00000002"
				  "\t1234605616436508552\t3\n"
				: "eth7\tby hand\tlook here\t0x00000002\t1234605616436508552\t3\n");
		judge_says("capinfos out.pcapng", "Speed = 100000000");
		judge_says("capinfos out.pcapng", "Operating system = an OS");
		judge_says("capinfos out.pcapng", "Hardware = a card");
		judge_says("capinfos out.pcapng", "Capture length = 96");
		merge_result_release(&x.result);
	}
}

static void old_and_simple_packets(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct merging x = { 0 };
		struct made m = made_new(big);

		made_section(&m);
		made_interface(&m, 1, 0);
		made_begin(&m, 2);
		made_add(&m, 0, 2);
		made_add(&m, 7, 2);
		made_add(&m, US >> 32, 4);
		made_add(&m, US & UINT32_MAX, 4);
		made_add(&m, 5, 4);
		made_add(&m, 99, 4);
		made_add_bytes(&m, "older", 5);
		option_number(&m, 2, 1, 4);
		made_end(&m);
		made_begin(&m, 3);
		made_add(&m, 6, 4);
		made_add_bytes(&m, "simple", 6);
		made_end(&m);
		add(&x, &m, &(struct merge_input){ 0 });
		assert_merged(&x);
		assert_says("tshark -r out.pcapng -T fields -e frame.time_epoch -e frame.len "
			    "-e frame.packet_flags_direction",
			    "1795444745.120334000\t99\t0x00000001\n"
			    "1795444745.120334000\t6\t\n");
		merge_result_release(&x.result);
	}
}

static void put_stats(struct made *m, uint64_t ts, uint64_t received, uint64_t dropped)
{
	made_begin(m, 5);
	made_add(m, 0, 4);
	made_add(m, ts >> 32, 4);
	made_add(m, ts & UINT32_MAX, 4);
	option_number(m, 4, received, 8);
	option_number(m, 7, dropped, 8);
	made_end(m);
}

/* Reads out.pcapng: its statistics. */
static size_t read_stats(struct pcapng_stats *out, size_t max)
{
	cleanup_free char *path = xasprintf("%s/out.pcapng", judge_dir);
	cleanup_close int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct pcapng_reader *r = pcapng_reader_new(fd);
	struct pcapng_block b;
	size_t n = 0;

	while (pcapng_next(r, &b, NULL) == 0)
		if (b.kind == PCAPNG_STATS && n < max)
			out[n++] = b.stats;
	pcapng_reader_free(r);
	return n;
}

/* Three files of a rotation and one of another target: two interfaces, and counts that add up. */
static void files_of_a_rotation(void **state)
{
	struct merging x = { 0 };
	struct pcapng_stats stats[4];

	for (uint32_t i = 0; i < 4; i++) {
		struct made m = made_new(false);

		made_section(&m);
		made_clocked(&m, 9, 0);
		made_packet(&m, 0, T0 + i, "data");
		put_stats(&m, T0 + 50, 100, 7);		/* the last of a file counts */
		put_stats(&m, T0 + 100 + i, 10 + i, i);
		add(&x, &m, &(struct merge_input){ .label = i == 3 ? "b" : "a",
						   .group = i == 3 ? 2 : 1 });
	}
	assert_merged(&x);
	assert_int_equal(x.result.interfaces, 2);
	assert_says("tshark -r out.pcapng -T fields -e frame.interface_name", "a\na\na\nb\n");
	assert_int_equal(read_stats(stats, 4), 2);
	assert_int_equal(stats[0].received, 33);
	assert_int_equal(stats[0].dropped, 3);
	assert_int_equal(stats[0].ts_ns, T0 + 102);
	assert_int_equal(stats[1].received, 13);
	assert_int_equal(stats[1].dropped, 3);
	merge_result_release(&x.result);
}

/* Each packet is `distance` late; those within half the window find their places. */
static void packets_out_of_order(void **state)
{
	static const struct {
		uint32_t distance;
		uint64_t late;
		size_t inputs;
	} cases[] = {
		{ 1, 0, 1 }, { MERGE_WINDOW_PACKETS / 2, 0, 1 }, { MANY - 1, 1, 1 },
		{ MERGE_MANY_WINDOW_PACKETS / 2, 0, MERGE_MANY + 1 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct merging x = { 0 };
		struct made m = made_new(false);
		uint32_t n = cases[i].distance + 1;

		made_section(&m);
		made_clocked(&m, 9, 0);
		/* of each n the first one stands last */
		for (uint32_t k = 0; k < MANY; k++)
			made_packet(&m, 0, T0 + (k / n * n + n > MANY ? k : k / n * n + (k + 1) % n),
				    "data");
		add(&x, &m, &(struct merge_input){ 0 });
		while (x.job.n < cases[i].inputs) {
			m = made_new(false);
			made_section(&m);
			add(&x, &m, &(struct merge_input){ 0 });
		}
		assert_merged(&x);
		assert_int_equal(x.result.packets, MANY);
		assert_int_equal(x.result.reports[0].late, cases[i].late);
		judge_says("capinfos out.pcapng", cases[i].late ? "Strict time order:   False"
								: "Strict time order:   True");
		merge_result_release(&x.result);
	}
}

static void cut_and_damaged_files(void **state)
{
	struct merging x = { 0 };
	struct made a = made_new(false), b = made_new(true), empty = made_new(false);

	made_section(&a);
	made_interface(&a, 1, 0);
	made_packet(&a, 0, US, "whole");
	made_packet(&a, 0, US + 2, "cut");
	a.b.len -= 2;
	made_section(&b);
	made_interface(&b, 1, 0);
	made_packet(&b, 0, US + 1, "whole");
	made_packet(&b, 9, US + 3, "of nobody");
	add(&x, &a, &(struct merge_input){ 0 });
	add(&x, &b, &(struct merge_input){ 0 });
	add(&x, &empty, &(struct merge_input){ 0 });
	assert_merged(&x);
	assert_int_equal(x.result.packets, 2);
	assert_int_equal(x.result.reports[0].packets, 1);
	assert_string_equal(x.result.reports[0].cut, "the capture ends inside a block, at byte 122");
	assert_string_equal(x.result.reports[1].cut,
			    "damaged at byte 88: a packet of an interface that was not described");
	assert_string_equal(x.result.reports[2].cut, "the file is empty");
	judge_says("capinfos out.pcapng", "Number of packets:   2");
	merge_result_release(&x.result);
}

static void what_is_no_capture(void **state)
{
	cleanup_free char *path = xasprintf("%s/out.pcapng", judge_dir);
	struct merging x = { 0 };
	struct made m = made_new(false);

	unlink(path);
	assert_int_equal(buf_add(&m.b, "hello, world", 12), 0);
	add(&x, &m, &(struct merge_input){ 0 });
	assert_int_equal(merge(&x), -EINVAL);
	assert_string_equal(x.err.text,
			    "'made' is no capture file: neither a pcapng nor a pcap file");
	assert_int_equal(access(path, F_OK), -1);
	merge_result_release(&x.result);
}

static void names_come_once(void **state)
{
	static const struct pcapng_name names[] = { { "10.0.1.5", "web.1" }, { "fd00::5", "six" } };
	struct merging x = { .job.names = names, .job.n_names = 2 };

	for (int i = 0; i < 2; i++) {
		struct made m = made_new(i);

		made_section(&m);
		made_begin(&m, 4);
		made_option(&m, 1, "\x0a\0\1\5web.1", 10);
		made_option(&m, 1, "\x0a\0\1\6web.2", 10);
		made_end(&m);
		made_interface(&m, 1, 0);
		add(&x, &m, &(struct merge_input){ 0 });
	}
	assert_merged(&x);
	judge_says("capinfos out.pcapng", "Number of resolved IPv4 addresses in file: 2");
	judge_says("capinfos out.pcapng", "Number of resolved IPv6 addresses in file: 1");
	merge_result_release(&x.result);
}

/* One that lies in the middle of a file, beside one that is larger than the sink takes at once. */
static void parts_and_large_packets(void **state)
{
	cleanup_free char *data = xmalloc(1000001);
	struct merging x = { 0 };
	struct made m = made_new(false), large = made_new(true);
	cleanup_free char *path = NULL;
	cleanup_close int fd = -1;
	struct pcapng_summary sum;
	size_t begin;

	memset(data, 'x', 1000000);
	data[1000000] = '\0';
	assert_int_equal(buf_add(&m.b, "in front", 8), 0);
	begin = m.b.len;
	made_section(&m);
	made_interface(&m, 1, 0);
	made_packet(&m, 0, US, "here");
	assert_int_equal(buf_add(&m.b, "behind!!", 8), 0);
	made_section(&large);
	made_interface(&large, 1, 0);
	for (uint32_t i = 1; i <= 3; i++)
		made_packet(&large, 0, US + i, data);
	add(&x, &m, &(struct merge_input){ .is_part = true, .begin = (int64_t)begin,
					   .size = (int64_t)(m.b.len - begin - 8) });
	add(&x, &large, &(struct merge_input){ 0 });
	assert_merged(&x);
	assert_null(x.result.reports[0].cut);
	assert_int_equal(x.result.packets, 4);
	path = xasprintf("%s/out.pcapng", judge_dir);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_int_equal(pcapng_summarize(fd, &sum, NULL), 0);	/* too large for tshark */
	assert_int_equal(sum.packets, 4);
	assert_false(sum.cut);
	merge_result_release(&x.result);
}

/* Blocks of a merge's usual kind, and one of another in between, so that both ways are gone. */
static void add_mixed(struct merging *x)
{
	cleanup_free char *data = xmalloc(1500);

	memset(data, 'y', 1499);
	data[1499] = '\0';
	for (uint32_t i = 0; i < 5; i++) {
		struct made m = made_new(i == 4);

		made_section(&m);
		made_interface(&m, 1, 0);
		for (uint32_t n = 0; n < (i == 4 ? 3 : 2000); n++)
			made_packet(&m, 0, US + 5 * (uint64_t)n + i, data + 53 * n % 1400);
		add(x, &m, &(struct merge_input){ .clock.offset_ns = i });
	}
}

static void into_a_pipe_as_into_a_file(void **state)
{
	struct merging file = { 0 }, piped = { .to = "pipe" };
	cleanup_free char *path = xasprintf("%s/pipe", judge_dir);
	cleanup_free char *command = xasprintf("exec cat %s >%s/piped.pcapng", path, judge_dir);
	FILE *cat;

	add_mixed(&file);
	add_mixed(&piped);
	assert_merged(&file);
	assert_int_equal(mkfifo(path, 0600), 0);
	cat = popen(command, "we");
	assert_non_null(cat);
	assert_merged(&piped);
	assert_int_equal(pclose(cat), 0);
	assert_int_equal(piped.result.packets, 8003);
	judge_says("cmp out.pcapng piped.pcapng && echo the same", "the same");
	judge_says("capinfos -Mc piped.pcapng", " 8003\n");
	merge_result_release(&file.result);
	merge_result_release(&piped.result);
}

static bool always(void *arg)
{
	return true;
}

static void interrupted(void **state)
{
	struct merging x = { .job.cancel = always };
	struct made m = made_new(false);

	made_section(&m);
	made_interface(&m, 1, 0);
	made_packet(&m, 0, US, "data");
	add(&x, &m, &(struct merge_input){ 0 });
	assert_int_equal(merge(&x), -ECANCELED);
	merge_result_release(&x.result);
}

static void times_are_corrected(void **state)
{
	const struct merge_clock none = { 0 }, ahead = { .offset_ns = 5 };
	const struct merge_clock drifts = { .offset_ns = 1000, .drift = 1e-6, .from_ns = T0 };
	const struct merge_clock extreme = { .offset_ns = INT64_MIN, .drift = 1e-2 };

	assert_int_equal(merge_correct(&none, T0), T0);
	assert_int_equal(merge_correct(&ahead, T0), T0 - 5);
	assert_int_equal(merge_correct(&ahead, 3), 0);
	assert_int_equal(merge_correct(&drifts, T0), T0 - 1000);
	assert_int_equal(merge_correct(&drifts, T0 + NS_PER_S), T0 + NS_PER_S - 2000);
	assert_int_equal(merge_correct(&drifts, T0 - NS_PER_S), T0 - NS_PER_S);
	assert_int_equal(merge_correct(&extreme, T0), PCAPNG_TIME_MAX);
	assert_int_equal(merge_correct(&none, INT64_MAX), PCAPNG_TIME_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(by_corrected_time),
		cmocka_unit_test(options_of_both_orders),
		cmocka_unit_test(old_and_simple_packets),
		cmocka_unit_test(files_of_a_rotation),
		cmocka_unit_test(packets_out_of_order),
		cmocka_unit_test(cut_and_damaged_files),
		cmocka_unit_test(what_is_no_capture),
		cmocka_unit_test(names_come_once),
		cmocka_unit_test(parts_and_large_packets),
		cmocka_unit_test(into_a_pipe_as_into_a_file),
		cmocka_unit_test(interrupted),
		cmocka_unit_test(times_are_corrected),
	};

	return cmocka_run_group_tests_name("merge", tests, judge_setup, judge_teardown);
}
