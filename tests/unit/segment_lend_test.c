/* SPDX-License-Identifier: Apache-2.0
 *
 * segment_lend_test.c - pieces of a capture file that are not copied, but written from where they lie
 */
#include "segment_world.h"

#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>

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
		r = add(v[n], &one, 0);
		/* its header may have had the last one, which is on its way back */
		for (int ms = 0; r == SEGMENT_E_BUSY && ms < 200; ms++) {
			clock_sleep_ms(1);
			r = add(v[n], &one, 0);
		}
		n++;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lend_without_disk),
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
