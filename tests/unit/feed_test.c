/* SPDX-License-Identifier: Apache-2.0
 *
 * feed_test.c - a live capture's stream: what its viewer reads, what finds no room, a viewer that leaves
 */
#include "../../agent/feed.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAME 1000u
#define T0 1795444745120334551LL

static const uint8_t frame[FRAME];

struct view {
	struct feed *feed;
	int ends[2];			/* the viewer's connection: ours is [0] */
};

static void open_view(struct view *v)
{
	const struct pcapng_section s = { .application = "test" };
	const struct pcapng_name names[] = { { "10.0.1.5/24", "web.1" } };
	struct err err = ERR_INIT;

	v->feed = feed_new(&s, names, 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, v->ends), 0);
	assert_int_equal(feed_open(v->feed, v->ends[0], &err), 0);
}

static void close_view(struct view *v)
{
	feed_close(v->feed);
	feed_free(v->feed);
	close(v->ends[0]);
	close(v->ends[1]);
}

static uint32_t declare(struct feed *f)
{
	const struct pcapng_interface i = { .name = "eth0", .description = "web.1@n1 eth0",
					    .link_type = 1, .snaplen = 262144 };

	return feed_declare(f, &i);
}

static size_t put(struct feed *f, uint32_t interface, int64_t ts_ns)
{
	const struct pcapng_packet p = { .interface = interface, .ts_ns = ts_ns, .caplen = FRAME,
					 .len = FRAME, .data = frame };

	return feed_put(f, &p, 1);
}

/* Until the end, into a file, odd pieces at a time. */
static int read_all(struct feed *f, ssize_t *end)
{
	int fd = memfd_create("test", MFD_CLOEXEC);
	uint8_t piece[777];

	while ((*end = feed_read(f, piece, sizeof(piece))) > 0)
		assert_int_equal(util_write_full(fd, piece, (size_t)*end), 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	return fd;
}

static void what_is_put_is_read(void **state)
{
	cleanup_close int fd = -1;
	struct pcapng_summary sum;
	struct view v;
	ssize_t end;

	open_view(&v);
	assert_int_equal(declare(v.feed), 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(put(v.feed, 0, T0 + i), 1);
	assert_int_equal(declare(v.feed), 1);
	assert_int_equal(put(v.feed, 1, T0 + 100), 1);
	feed_stats(v.feed, &(struct pcapng_stats){ .ts_ns = T0, .received = 100, .dropped = 0 });
	feed_end(v.feed);
	/* it is over: nothing is taken any more */
	assert_int_equal(put(v.feed, 0, T0), 0);
	assert_int_equal(declare(v.feed), FEED_NO_INTERFACE);
	fd = read_all(v.feed, &end);
	assert_int_equal(end, 0);
	assert_int_equal(pcapng_summarize(fd, &sum, NULL), 0);
	assert_false(sum.cut);
	assert_int_equal(sum.packets, 101);
	assert_int_equal(sum.interfaces, 2);
	assert_int_equal(sum.last_ns, T0 + 100);
	close_view(&v);
}

/* Nobody reads: packets find no room, interfaces and statistics do, and memory does not grow. */
static void a_full_one(void **state)
{
	cleanup_close int fd = -1;
	struct pcapng_summary sum;
	uint64_t taken = 0;
	struct view v;
	ssize_t end;

	open_view(&v);
	declare(v.feed);
	for (int i = 0; i < 10000; i++)
		taken += put(v.feed, 0, T0 + i);
	assert_true(taken * FRAME < FEED_BYTES);
	assert_true(taken * (FRAME + 100) > FEED_BYTES - FRAME);
	assert_int_equal(declare(v.feed), 1);
	assert_int_equal(put(v.feed, 1, T0), 0);
	feed_stats(v.feed, &(struct pcapng_stats){ .interface = 1, .ts_ns = T0, .dropped = 1 });
	feed_end(v.feed);
	fd = read_all(v.feed, &end);
	assert_int_equal(end, 0);
	assert_int_equal(pcapng_summarize(fd, &sum, NULL), 0);
	assert_false(sum.cut);
	assert_int_equal(sum.packets, taken);
	assert_int_equal(sum.interfaces, 2);
	close_view(&v);
}

static void interfaces_are_bounded_too(void **state)
{
	struct view v;
	uint32_t n = 0;

	open_view(&v);
	while (n < PCAPNG_INTERFACES_MAX && declare(v.feed) != FEED_NO_INTERFACE)
		n++;
	assert_true(n > 1000);
	assert_int_equal(declare(v.feed), FEED_NO_INTERFACE);
	close_view(&v);
}

static void one_viewer(void **state)
{
	struct err err = ERR_INIT;
	struct view v;

	open_view(&v);
	assert_int_equal(feed_open(v.feed, v.ends[0], &err), -EBUSY);
	feed_close(v.feed);
	assert_int_equal(feed_open(v.feed, v.ends[0], NULL), -EBUSY);
	close_view(&v);
}

struct waiting {
	pthread_t thread;
	struct feed *feed;
	ssize_t end;
};

static void *wait_for_end(void *arg)
{
	struct waiting *w = arg;
	uint8_t piece[777];

	while ((w->end = feed_read(w->feed, piece, sizeof(piece))) > 0)
		continue;
	return NULL;
}

/* While it waits for packets that do not come. */
static void a_viewer_that_hangs_up_is_noticed(void **state)
{
	struct waiting w;
	struct view v;

	open_view(&v);
	w.feed = v.feed;
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_end, &w), 0);
	close(v.ends[1]);
	pthread_join(w.thread, NULL);
	v.ends[1] = -1;
	assert_int_equal(w.end, -ECONNRESET);
	close_view(&v);

	open_view(&v);
	w.feed = v.feed;
	assert_int_equal(pthread_create(&w.thread, NULL, wait_for_end, &w), 0);
	feed_cut_off(v.feed);
	pthread_join(w.thread, NULL);
	assert_int_equal(w.end, -ECONNRESET);
	close_view(&v);
}

#define WRITERS 4
#define EACH 5000

struct writing {
	pthread_t thread;
	struct feed *feed;
	uint32_t interface;
	uint64_t taken;
};

static void *write_packets(void *arg)
{
	struct writing *w = arg;

	for (int i = 0; i < EACH; i++)
		w->taken += put(w->feed, w->interface, T0 + i);
	return NULL;
}

/* Taken and refused are all that there were, and what was taken is read. */
static void many_writers(void **state)
{
	struct writing writers[WRITERS];
	struct pcapng_block b;
	struct view v;
	uint64_t taken = 0, seen[WRITERS] = { 0 }, seen_all = 0;
	cleanup_close int fd = -1;
	struct pcapng_reader *reader;
	ssize_t end;
	int r;

	open_view(&v);
	for (uint32_t i = 0; i < WRITERS; i++) {
		writers[i] = (struct writing){ .feed = v.feed, .interface = declare(v.feed) };
		assert_int_equal(pthread_create(&writers[i].thread, NULL, write_packets,
						&writers[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(writers[i].thread, NULL);
		taken += writers[i].taken;
	}
	feed_end(v.feed);
	fd = read_all(v.feed, &end);
	assert_int_equal(end, 0);
	reader = pcapng_reader_new(fd);
	while ((r = pcapng_next(reader, &b, NULL)) == 0) {
		if (b.kind != PCAPNG_PACKET)
			continue;
		seen[b.packet.interface]++;
		seen_all++;
	}
	assert_int_equal(r, PCAPNG_E_END);
	pcapng_reader_free(reader);
	assert_int_equal(seen_all, taken);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(seen[writers[i].interface], writers[i].taken);
	close_view(&v);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_put_is_read),
		cmocka_unit_test(a_full_one),
		cmocka_unit_test(interfaces_are_bounded_too),
		cmocka_unit_test(one_viewer),
		cmocka_unit_test(a_viewer_that_hangs_up_is_noticed),
		cmocka_unit_test(many_writers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
