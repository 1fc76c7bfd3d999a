/* SPDX-License-Identifier: Apache-2.0
 *
 * live_merge_test.c - streams made by hand become one while they come, as tshark and capinfos see it
 */
#include "../../coordinator/live_merge.h"
#include "judge.h"
#include "pcapng_made.h"

#include <errno.h>

#define DELAY (200 * NS_PER_MS)
#define LATER (T0 + 3600 * NS_PER_S)

/* A stream of which so many bytes have come. */
struct source {
	struct made m;
	size_t come, at;
	bool ended;
};

static ssize_t read_source(void *arg, void *p, size_t n)
{
	struct source *s = arg;
	size_t left = s->come - s->at;

	if (!left)
		return s->ended ? 0 : -EAGAIN;
	n = n < left ? n : left;
	memcpy(p, s->m.b.data + s->at, n);
	s->at += n;
	return (ssize_t)n;
}

static void all_come(struct source *s)
{
	s->come = s->m.b.len;
}

static struct live_input *add(struct live_merge *m, struct source *s, const char *name)
{
	const struct capfile_source from = { .read = read_source, .arg = s, .fd = -1 };

	return live_merge_add(m, name, &from);
}

static struct source begun(void)
{
	struct source s = { .m = made_new(false) };

	made_section(&s.m);
	made_clocked(&s.m, 9, 0);
	return s;
}

static void read_all(struct live_input *in)
{
	struct err err = ERR_INIT;
	int r;

	while ((r = live_merge_read(in, &err)) == LIVE_E_MORE)
		continue;
	if (r < 0)
		fail_msg("%s", err.text);
}

static void assert_times(const struct buf *b, const char *want)
{
	cleanup_free char *out = NULL;

	judge_save("live.pcapng", b);
	out = judge_run("tshark -r live.pcapng -T fields -e frame.time_epoch -e frame.cap_len");
	assert_string_equal(out, want);
}

static uint64_t late_of(const struct live_merge *m)
{
	struct live_merge_counts c;

	live_merge_count(m, &c);
	return c.late;
}

static void in_order_once_they_are_due(void **state)
{
	struct live_merge *m = live_merge_new(DELAY, "who made it");
	struct source a = begun(), b = begun();
	struct live_input *one = add(m, &a, "n1"), *two = add(m, &b, "n2");
	cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);

	/* the second node's clock is 2 s ahead */
	live_merge_set_clock(two, &(struct merge_clock){ .offset_ns = 2 * NS_PER_S });
	made_packet(&a.m, 0, T0 + 1000, "a");
	made_packet(&a.m, 0, T0 + 3000, "bbb");
	made_packet(&b.m, 0, T0 + 2 * NS_PER_S + 2000, "cc");
	all_come(&a);
	read_all(one);
	assert_int_equal(live_merge_due(m), T0 + 1000 + DELAY);
	live_merge_take(m, T0 + 1000 + DELAY - 1, &out);
	assert_times(&out, "");
	all_come(&b);
	read_all(two);
	live_merge_take(m, T0 + 2000 + DELAY, &out);
	assert_times(&out, "1795444745.120335551\t1\n1795444745.120336551\t2\n");
	live_merge_take(m, LATER, &out);
	assert_times(&out, "1795444745.120335551\t1\n1795444745.120336551\t2\n"
			   "1795444745.120337551\t3\n");
	assert_int_equal(live_merge_due(m), INT64_MAX);
	judge_says("capinfos live.pcapng", "Strict time order:   True");
	judge_says("capinfos live.pcapng", "who made it");
	judge_says("capinfos live.pcapng", "Number of interfaces in file: 2");
	assert_int_equal(late_of(m), 0);
	live_merge_free(m);
	buf_release(&a.m.b);
	buf_release(&b.m.b);
}

static void late_ones_are_there_and_counted(void **state)
{
	struct live_merge *m = live_merge_new(DELAY, NULL);
	struct source a = begun(), b = begun();
	struct live_input *one = add(m, &a, "n1"), *two = add(m, &b, "n2");
	cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);

	made_packet(&a.m, 0, T0 + 3000, "a");
	made_packet(&b.m, 0, T0 + 1000, "bb");
	all_come(&a);
	read_all(one);
	live_merge_take(m, LATER, &out);
	all_come(&b);
	read_all(two);
	live_merge_take(m, LATER, &out);
	assert_times(&out, "1795444745.120337551\t1\n1795444745.120335551\t2\n");
	assert_int_equal(late_of(m), 1);
	live_merge_free(m);
	buf_release(&a.m.b);
	buf_release(&b.m.b);
}

/* However a stream is cut into pieces, and an interface that comes later stands before its packets. */
static void byte_by_byte(void **state)
{
	struct live_merge *m = live_merge_new(0, NULL);
	struct source a = begun();
	struct live_input *one = add(m, &a, "n1");
	cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);

	made_packet(&a.m, 0, T0 + 1, "a");
	made_interface(&a.m, 1, 1500);
	made_packet(&a.m, 1, T0 + 2000, "later");
	while (a.come < a.m.b.len) {
		a.come++;
		read_all(one);
		live_merge_take(m, LATER, &out);
	}
	a.ended = true;
	assert_int_equal(live_merge_read(one, NULL), LIVE_E_OVER);
	assert_true(live_merge_is_over(one));
	live_merge_end(m, &out);
	judge_save("live.pcapng", &out);
	judge_says("capinfos live.pcapng", "Number of packets:   2");
	judge_says("capinfos live.pcapng", "Number of interfaces in file: 2");
	live_merge_free(m);
	buf_release(&a.m.b);
}

static void statistics_stand_last(void **state)
{
	struct live_merge *m = live_merge_new(DELAY, NULL);
	struct source a = begun(), b = begun();
	struct live_input *one = add(m, &a, "n1"), *two = add(m, &b, "n2");
	cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);
	const struct pcapng_stats stats = { .ts_ns = T0, .received = 9, .dropped = 7,
					    .comment = "why" };

	pcapng_put_stats(&b.m.b, &stats);
	made_packet(&a.m, 0, T0 + 1, "a");
	all_come(&a);
	all_come(&b);
	read_all(one);
	read_all(two);
	live_merge_end(m, &out);
	judge_save("live.pcapng", &out);
	judge_says("capinfos live.pcapng", "Number of packets:   1");
	judge_says("capinfos live.pcapng", "Number of stat entries = 1");
	live_merge_free(m);
	buf_release(&a.m.b);
	buf_release(&b.m.b);
}

static void a_damaged_stream_ends_alone(void **state)
{
	struct live_merge *m = live_merge_new(0, NULL);
	struct source a = begun(), b = begun();
	struct live_input *one = add(m, &a, "n1"), *two = add(m, &b, "n2");
	cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);
	struct err err = ERR_INIT;

	made_packet(&b.m, 0, T0 + 1, "good");
	buf_add(&a.m.b, "this is no block at all, and long enough", 40);
	all_come(&a);
	all_come(&b);
	assert_int_equal(live_merge_read(one, &err), -EINVAL);
	assert_non_null(strstr(err.text, "the stream of n1: damaged at byte"));
	assert_true(live_merge_is_over(one));
	read_all(two);
	live_merge_take(m, LATER, &out);
	assert_times(&out, "1795444745.120334552\t4\n");
	live_merge_free(m);
	buf_release(&a.m.b);
	buf_release(&b.m.b);
}

/* More than may wait: the oldest go before their time. */
static void memory_is_bounded(void **state)
{
	const size_t large = 200000, n = LIVE_MERGE_BYTES / large + 10;
	struct live_merge *m = live_merge_new(DELAY, NULL);
	struct source a = begun();
	struct live_input *one = add(m, &a, "n1");
	cleanup_free char *data = xcalloc(1, large + 1);
	size_t gone = 0;

	memset(data, 'x', large);
	for (size_t i = 0; i < n; i++) {
		cleanup_buf struct buf out = BUF_INIT(LIVE_MERGE_OUT);

		made_packet(&a.m, 0, T0 + i, data);
		all_come(&a);
		read_all(one);
		live_merge_take(m, T0, &out);
		gone += out.len;
	}
	assert_true(gone > large);
	assert_true(gone < 20 * large);
	live_merge_free(m);
	buf_release(&a.m.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order_once_they_are_due),
		cmocka_unit_test(late_ones_are_there_and_counted),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(statistics_stand_last),
		cmocka_unit_test(a_damaged_stream_ends_alone),
		cmocka_unit_test(memory_is_bounded),
	};

	return cmocka_run_group_tests(tests, judge_setup, judge_teardown);
}
