/* SPDX-License-Identifier: Apache-2.0
 *
 * pcapng_read_test.c - files of both byte orders, made by hand, by us and by editcap
 */
#include "judge.h"
#include "pcapfile.h"
#include "pcapng_made.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>

static void assert_packet(struct reading *x, uint32_t interface_index, int64_t ts, const char *data)
{
	reading_expect(x, PCAPNG_PACKET);
	assert_int_equal(x->block.packet.interface, interface_index);
	assert_int_equal(x->block.packet.ts_ns, ts);
	assert_int_equal(x->block.packet.caplen, strlen(data));
	assert_memory_equal(x->block.packet.data, data, strlen(data));
}

static void assert_end(struct reading *x)
{
	assert_int_equal(pcapng_next(x->r, &x->block, &x->err), PCAPNG_E_END);
	assert_int_equal(pcapng_next(x->r, &x->block, &x->err), PCAPNG_E_END);
	reading_end(x);
}

static void put_packet(struct buf *b, const struct pcapng_packet *p)
{
	uint8_t out[256];

	assert_int_equal(buf_add(b, out, pcapng_put_packet(out, p)), 0);
}

static void own_files_come_back(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(1 << 20);
	const struct pcapng_section s = { "hw", "os", "app", "comment" };
	const struct pcapng_interface i = {
		"eth0", "web", "tcp", 1, 96, { 1, 2, 3, 4, 5, 6 }, true
	};
	const struct pcapng_stats st = { 0, T0, T0 - 2, T0 - 1, 7, 8, "note" };
	const struct pcapng_name name = { "10.0.0.1", "one" };
	struct reading x;

	assert_int_equal(pcapng_put_section(&b, &s), 0);
	assert_int_equal(pcapng_put_interface(&b, &i), 0);
	assert_int_equal(pcapng_put_names(&b, &name, 1), 0);
	put_packet(&b, &(struct pcapng_packet){ 0, T0, 3, 9, (const uint8_t *)"abc", 2 });
	assert_int_equal(pcapng_put_stats(&b, &st), 0);

	reading_begin(&x, &b);
	reading_expect(&x, PCAPNG_SECTION);
	assert_string_equal(x.block.section.hardware, "hw");
	assert_string_equal(x.block.section.os, "os");
	assert_string_equal(x.block.section.application, "app");
	assert_string_equal(x.block.section.comment, "comment");
	reading_expect(&x, PCAPNG_INTERFACE);
	assert_string_equal(x.block.interface.name, "eth0");
	assert_string_equal(x.block.interface.description, "web");
	assert_string_equal(x.block.interface.filter, "tcp");
	assert_int_equal(x.block.interface.snaplen, 96);
	assert_true(x.block.interface.has_mac);
	assert_memory_equal(x.block.interface.mac, i.mac, 6);
	reading_expect(&x, PCAPNG_NAMES);
	assert_packet(&x, 0, T0, "abc");
	assert_int_equal(x.block.packet.len, 9);
	assert_int_equal(x.block.packet.flags, 2);
	reading_expect(&x, PCAPNG_STATS);
	assert_int_equal(x.block.stats.ts_ns, T0);
	assert_int_equal(x.block.stats.start_ns, T0 - 2);
	assert_int_equal(x.block.stats.end_ns, T0 - 1);
	assert_int_equal(x.block.stats.received, 7);
	assert_int_equal(x.block.stats.dropped, 8);
	assert_string_equal(x.block.stats.comment, "note");
	assert_end(&x);
}

static void both_orders(void **state)
{
	for (int big = 0; big <= 1; big++) {
		struct made m = made_new(big);
		struct reading x;

		made_section(&m);
		made_interface(&m, 113, 4);
		made_packet(&m, 0, 1000001, "enhanced");
		made_begin(&m, 3);			/* simple, cut by the interface's snaplen */
		made_add(&m, 9, 4);
		made_add_bytes(&m, "simp", 4);
		made_end(&m);
		made_begin(&m, 2);			/* the old one */
		made_add(&m, 0, 2);
		made_add(&m, 5, 2);
		made_add(&m, 0, 4);
		made_add(&m, 7, 4);
		made_add(&m, 3, 4);
		made_add(&m, 3, 4);
		made_add_bytes(&m, "old", 3);
		made_end(&m);
		made_begin(&m, 0x0bad);
		made_add_bytes(&m, "whatever", 8);
		made_end(&m);

		reading_begin(&x, &m.b);
		reading_expect(&x, PCAPNG_SECTION);
		reading_expect(&x, PCAPNG_INTERFACE);
		assert_int_equal(x.block.interface.link_type, 113);
		assert_null(x.block.interface.name);
		assert_packet(&x, 0, 1000001000, "enhanced");
		assert_packet(&x, 0, 0, "simp");
		assert_int_equal(x.block.packet.len, 9);
		assert_packet(&x, 0, 7000, "old");
		reading_expect(&x, PCAPNG_OTHER);
		assert_int_equal(x.block.type, 0x0bad);
		assert_end(&x);
		buf_release(&m.b);
	}
}

static void resolutions_and_offsets(void **state)
{
	const struct { uint8_t resolution; int64_t offset; uint64_t ts; int64_t ns; } list[] = {
		{ 0, 0, 5, 5 * NS_PER_S },
		{ 3, 0, 5001, 5001 * NS_PER_MS },
		{ 9, 0, T0, T0 },
		{ 12, 0, 5000, 5 },
		{ 19, 0, 10000000000, 1 },
		{ 0x80, 0, 7, 7 * NS_PER_S },
		{ 0x80 | 10, 0, 1536, 1500000000 },
		{ 0x80 | 63, 0, 1ull << 62, NS_PER_S / 2 },
		{ 6, 1700000000, 1, 1700000000000001000 },
		{ 6, -1, 1000001, 1000 },
		{ 6, -5, 1, 0 },
		{ 6, INT64_MIN, UINT64_MAX, 0 },
		{ 0, INT64_MAX, UINT64_MAX, PCAPNG_TIME_MAX },
	};

	for (size_t i = 0; i < ARRAY_SIZE(list); i++) {
		struct made m = made_new(i % 2);
		struct reading x;

		made_section(&m);
		made_clocked(&m, list[i].resolution, list[i].offset);
		made_packet(&m, 0, list[i].ts, "x");
		reading_begin(&x, &m.b);
		reading_expect(&x, PCAPNG_SECTION);
		reading_expect(&x, PCAPNG_INTERFACE);
		assert_packet(&x, 0, list[i].ns, "x");
		assert_end(&x);
		buf_release(&m.b);
	}
}

static void sections_begin_anew(void **state)
{
	struct made m = made_new(false);
	struct reading x;

	made_section(&m);
	made_clocked(&m, 9, 0);
	made_interface(&m, 1, 0);
	made_packet(&m, 1, 1, "a");
	m.big = true;
	made_section(&m);
	made_interface(&m, 1, 0);
	made_packet(&m, 0, 1, "b");
	made_packet(&m, 1, 1, "c");

	reading_begin(&x, &m.b);
	reading_expect(&x, PCAPNG_SECTION);
	reading_expect(&x, PCAPNG_INTERFACE);
	reading_expect(&x, PCAPNG_INTERFACE);
	assert_packet(&x, 1, 1000, "a");
	reading_expect(&x, PCAPNG_SECTION);
	reading_expect(&x, PCAPNG_INTERFACE);
	assert_packet(&x, 0, 1000, "b");
	assert_int_equal(pcapng_next(x.r, &x.block, &x.err), -EINVAL);
	assert_non_null(strstr(x.err.text, "a packet of an interface that was not described"));
	assert_int_equal(pcapng_next(x.r, &x.block, &x.err), -EINVAL);
	reading_end(&x);
	buf_release(&m.b);
}

struct feed {
	int fd;
	const struct buf *b;
};

static void *feed_in_pieces(void *arg)
{
	const struct feed *f = arg;
	size_t piece = 1;

	for (size_t at = 0; at < f->b->len; at += piece, piece = piece * 3 % 8191) {
		if (piece > f->b->len - at)
			piece = f->b->len - at;
		if (util_write_full(f->fd, f->b->data + at, piece) < 0)
			break;
	}
	close(f->fd);
	return NULL;
}

static void pipes_and_large_blocks(void **state)
{
	struct made m = made_new(false);
	cleanup_free char *data = xmalloc(1000001);
	struct pcapng_summary s;
	struct feed feed = { -1, &m.b };
	pthread_t thread;
	int ends[2];

	memset(data, 'x', 1000000);
	data[1000000] = '\0';
	made_section(&m);
	made_interface(&m, 1, 0);
	for (uint64_t i = 1; i <= 3; i++) {
		made_packet(&m, 0, i, "small");
		made_packet(&m, 0, i, data);
	}

	signal(SIGPIPE, SIG_IGN);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	feed.fd = ends[1];
	assert_int_equal(pthread_create(&thread, NULL, feed_in_pieces, &feed), 0);
	assert_int_equal(pcapng_summarize(ends[0], &s, NULL), 0);
	close(ends[0]);		/* ends the feeder, should the reader have stopped early */
	pthread_join(thread, NULL);
	assert_int_equal(s.packets, 6);
	assert_int_equal(s.whole, m.b.len);
	assert_int_equal(s.last_ns, 3000);
	assert_false(s.cut);
	buf_release(&m.b);
}

static void put_classic(struct buf *b, int64_t ts, const char *data)
{
	uint8_t out[256];
	struct pcapng_packet p = { 0, ts, (uint32_t)strlen(data), 1500, (const uint8_t *)data, 0 };

	assert_int_equal(buf_add(b, out, pcapfile_put_packet(out, &p)), 0);
}

/* editcap writes a pcapng of its own from our classic file. */
static void editcap_files_are_read(void **state)
{
	cleanup_buf struct buf b = BUF_INIT(4096);
	cleanup_free char *path = xasprintf("%s/out.pcapng", judge_dir);
	struct pcapng_summary s;
	FILE *f;

	assert_int_equal(pcapfile_put_header(&b, 1, 262144), 0);
	put_classic(&b, T0, "one packet that is of no protocol");
	put_classic(&b, T0 + 5, "another");
	judge_save("in.pcap", &b);
	free(judge_run("editcap -F pcapng in.pcap out.pcapng"));

	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(pcapng_summarize(fileno(f), &s, NULL), 0);
	fclose(f);
	assert_int_equal(s.packets, 2);
	assert_int_equal(s.first_ns, T0);
	assert_int_equal(s.last_ns, T0 + 5);
	assert_int_equal(s.link_type, 1);
	assert_false(s.cut);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_files_come_back),
		cmocka_unit_test(both_orders),
		cmocka_unit_test(resolutions_and_offsets),
		cmocka_unit_test(sections_begin_anew),
		cmocka_unit_test(pipes_and_large_blocks),
		cmocka_unit_test(editcap_files_are_read),
	};

	return cmocka_run_group_tests_name("pcapng_read", tests, judge_setup, judge_teardown);
}
