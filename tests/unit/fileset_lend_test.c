/* SPDX-License-Identifier: Apache-2.0
 *
 * fileset_lend_test.c - packets that are not copied, within the limits of a target's files
 */
#include "fileset_world.h"

#include <stdatomic.h>

#define PIECE (64u << 10)

/* Packets of 1000 bytes, one after the other; the last one's block goes on to the piece's end. */
struct piece {
	struct segment_lent l;
	uint32_t counts[4], interface;
	atomic_int laid, done;
};

static void lay(struct segment_lent *l, const uint32_t *numbers)
{
	struct piece *p = (struct piece *)l;
	struct pcapng_packet one = { .ts_ns = T0, .caplen = 1000, .len = 1001, .data = data };
	uint8_t *at = l->data;
	uint32_t size = PIECE;
	uint16_t option[2];

	for (uint32_t i = 0; i < l->packets; i++) {
		one.interface = numbers[!i && p->counts[0] ? 0 : p->interface];
		size = PIECE - (uint32_t)(at - (uint8_t *)l->data);
		at += pcapng_put_packet(at, &one);
	}
	option[0] = 0x8000;		/* unknown to everybody */
	option[1] = (uint16_t)(size - pcapng_packet_size(1000, 0) - 8);
	memset(at - 4, 0, (size_t)((uint8_t *)l->data + PIECE - at + 4));
	memcpy(at - 4, option, sizeof(option));
	memcpy(at - pcapng_packet_size(1000, 0) + 4, &size, sizeof(size));
	memcpy((uint8_t *)l->data + PIECE - 4, &size, sizeof(size));
	atomic_fetch_add(&p->laid, 1);
}

static void done(struct segment_lent *l)
{
	atomic_fetch_add(&((struct piece *)l)->done, 1);
}

/* Packets of one interface; the first one may be of interface 0, too. */
static struct piece *make_piece(uint32_t interface, bool mixed)
{
	struct piece *p = xcalloc(1, sizeof(*p));

	assert_int_equal(posix_memalign(&p->l.data, DISK_ALIGN, PIECE), 0);
	p->interface = interface;
	p->l.size = PIECE;
	p->l.packets = p->l.truncated = (uint32_t)((PIECE - 8) / pcapng_packet_size(1000, 0));
	p->l.first_ns = p->l.last_ns = T0;
	p->counts[0] = mixed;
	p->counts[interface] += p->l.packets - mixed;
	p->l.counts = p->counts;
	p->l.n_counts = interface < 3 ? 3 : 4;
	p->l.lay = lay;
	p->l.done = done;
	return p;
}

static void free_piece(struct piece *p, bool taken)
{
	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(atomic_load(&p->done), taken);
	free(p->l.data);
	free(p);
}

/* Taken or not, all counts say so. */
static bool lend(struct fileset *f, struct piece *p)
{
	const int64_t packets = fileset_packets(f), truncated = fileset_truncated(f),
		      bytes = fileset_bytes(f);
	const bool taken = fileset_lend(f, &p->l);

	assert_int_equal(atomic_load(&p->laid), taken);
	assert_int_equal(fileset_packets(f), packets + (taken ? p->l.packets : 0));
	assert_int_equal(fileset_truncated(f), truncated + (taken ? p->l.truncated : 0));
	if (taken)
		assert_true(fileset_bytes(f) >= bytes + PIECE);
	else
		assert_int_equal(fileset_bytes(f), bytes);
	return taken;
}

static void test_lend(void **state)
{
	struct piece *v[] = { make_piece(0, false), make_piece(2, true), make_piece(1, false) };
	const int64_t each = v[0]->l.packets;
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	struct fileset *f;
	int r;

	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_true(lend(f, v[0]));
	assert_true(lend(f, v[1]));
	assert_int_equal(add(f, 1, 60), 0);
	assert_true(lend(f, v[2]));
	assert_int_equal(add(f, 2, 60), 0);
	assert_int_equal(fileset_packets(f), 3 * each + 3);
	assert_int_equal(fileset_truncated(f), 3 * each + 3);
	finish(f, &end);
	assert_int_equal(end.n_files, 2);
	assert_int_equal(end.files[0].packets, 2 * each + 2);
	assert_int_equal(end.files[1].packets, each + 1);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(size_of(end.files[i].name), end.files[i].bytes);
		summarize(end.files[i].name, &sum);
		assert_int_equal(sum.packets, end.files[i].packets);
	}
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], true);
	clear(&end);
	wire_arm_release(&a);
}

/* By its first packet a file learns where it ends: that one is copied. */
static void test_lend_before_the_first_packet(void **state)
{
	struct piece *p = make_piece(0, false), *raw = make_piece(1, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	f = open_fileset(&a, &r);
	assert_false(lend(f, p));
	assert_int_equal(add(f, 0, 60), 0);
	assert_false(lend(f, raw));		/* its file is not there yet */
	assert_true(lend(f, p));
	finish(f, &end);
	assert_int_equal(end.n_files, 1);
	assert_int_equal(end.files[0].packets, 1 + p->l.packets);
	free_piece(p, true);
	free_piece(raw, false);
	clear(&end);
	wire_arm_release(&a);
}

/* Of two files, or of none that is known. */
static void test_lend_of_other_interfaces(void **state)
{
	struct piece *two = make_piece(1, true), *late = make_piece(3, false), *none = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	memset(none->counts, 0, sizeof(none->counts));
	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_int_equal(add(f, 1, 60), 0);
	assert_false(lend(f, two));
	assert_false(lend(f, none));
	assert_false(lend(f, late));
	assert_int_equal(fileset_declare(f, &interfaces[3], NULL), 0);
	assert_true(lend(f, late));
	finish(f, &end);
	free_piece(two, false);
	free_piece(none, false);
	free_piece(late, true);
	clear(&end);
	wire_arm_release(&a);
}

/* The last packet is one that fileset_add tells of. */
static void test_lend_up_to_max_packets(void **state)
{
	for (int64_t more = -1; more <= 2; more++) {
		struct piece *p = make_piece(0, false), *q = make_piece(0, false);
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.max_packets = 1 + 2 * p->l.packets + more;
		f = open_fileset(&a, &r);
		assert_int_equal(add(f, 0, 60), 0);
		assert_true(lend(f, p));
		assert_int_equal(lend(f, q), more > 0);
		while ((r = add(f, 0, 60)) == 0)
			continue;
		assert_int_equal(r, FILESET_E_PACKETS);
		assert_int_equal(fileset_packets(f), a.max_packets);
		finish(f, &end);
		assert_int_equal(end.files[0].packets, a.max_packets);
		free_piece(p, true);
		free_piece(q, more > 0);
		clear(&end);
		wire_arm_release(&a);
	}
}

/* What is lent at most goes up to the limit, and what packets are left fill the file as without. */
static void test_lend_up_to_max_bytes(void **state)
{
	const int64_t least = 2 * PIECE + DISK_ALIGN;

	for (int64_t max = least; max < least + 2 * DISK_ALIGN; max += 509) {
		struct wire_arm a = world_arm(WORLD_ID, 1);
		struct piece *v[3];
		bool taken[3];
		struct fileset_end end;
		struct fileset *f;
		int r;

		a.max_bytes = max;
		f = open_fileset(&a, &r);
		assert_int_equal(add(f, 0, 60), 0);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
			v[i] = make_piece(0, false);
			taken[i] = lend(f, v[i]);
		}
		assert_true(taken[0]);
		assert_false(taken[2]);
		while ((r = add(f, 0, 60)) == 0)
			continue;
		assert_int_equal(r, FILESET_E_BYTES);
		assert_true(fileset_bytes(f) <= max && fileset_bytes(f) + 92 > max);
		finish(f, &end);
		assert_true(end.files[0].bytes <= max);
		for (size_t i = 0; i < ARRAY_SIZE(v); i++)
			free_piece(v[i], taken[i]);
		clear(&end);
		wire_arm_release(&a);
	}
}

/* A file is never larger, and lending begins anew in the next one. */
static void test_lend_and_rotation_by_bytes(void **state)
{
	static struct piece *v[100];
	static bool taken[ARRAY_SIZE(v)];
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct pcapng_summary sum;
	struct fileset_end end;
	int64_t packets = 0;
	struct fileset *f;
	size_t lent = 0;
	int r;

	a.rotate_bytes = 5 * PIECE;
	f = open_fileset(&a, &r);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++) {
		v[i] = make_piece(i % 2 ? 0 : 2, false);
		taken[i] = lend(f, v[i]);
		lent += taken[i];
		for (size_t k = 0; !taken[i] && k < v[i]->l.packets; k++)
			assert_int_equal(add(f, 0, 1000), 0);
	}
	packets = fileset_packets(f);
	finish(f, &end);
	assert_int_equal(packets, ARRAY_SIZE(v) * v[0]->l.packets);
	assert_true(lent > ARRAY_SIZE(v) / 2 && lent < ARRAY_SIZE(v));
	assert_true(n_ended > 10);
	for (size_t i = 0; i < n_ended; i++) {
		assert_true(ended[i].bytes <= a.rotate_bytes);
		assert_int_equal(size_of(ended[i].name), ended[i].bytes);
		summarize(ended[i].name, &sum);
		assert_int_equal(sum.packets, ended[i].packets);
		packets -= ended[i].packets;
	}
	assert_int_equal(packets, end.files[0].packets);
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		free_piece(v[i], taken[i]);
	clear(&end);
	wire_arm_release(&a);
}

/* A piece that reaches into the next interval is copied, packet by packet. */
static void test_lend_and_rotation_by_time(void **state)
{
	struct piece *p = make_piece(0, false), *q = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int64_t start;
	int r;

	a.rotate_ms = 60000;
	f = open_fileset(&a, &r);
	start = clock_wall_ns();
	assert_int_equal(add_at(f, start), 0);
	p->l.first_ns = q->l.first_ns = start;
	p->l.last_ns = start + 50 * NS_PER_S;
	q->l.last_ns = start + 61 * NS_PER_S;
	assert_true(lend(f, p));
	assert_false(lend(f, q));
	assert_int_equal(add_at(f, start + 61 * NS_PER_S), 0);
	assert_true(lend(f, q));
	finish(f, &end);
	assert_int_equal(n_ended, 1);
	assert_int_equal(packets_of(0), 1 + p->l.packets);
	assert_int_equal(end.files[0].packets, 1 + q->l.packets);
	free_piece(p, true);
	free_piece(q, true);
	clear(&end);
	wire_arm_release(&a);
}

/* Without a disk, and in a classic file, nothing is. */
static void check_no_lending(enum wire_format format)
{
	struct piece *p = make_piece(0, false);
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct fileset_end end;
	struct fileset *f;
	int r;

	a.format = format;
	f = open_fileset(&a, &r);
	assert_int_equal(add(f, 0, 60), 0);
	assert_false(lend(f, p));
	assert_int_equal(add(f, 0, 60), 0);
	finish(f, &end);
	assert_int_equal(end.files[0].packets, 2);
	free_piece(p, false);
	clear(&end);
	wire_arm_release(&a);
}

static void test_lend_without_disk(void **state)
{
	check_no_lending(WIRE_PCAPNG);
}

static void test_lend_to_classic(void **state)
{
	check_no_lending(WIRE_PCAP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lend_without_disk),
		ON_DISK(test_lend),
		ON_DISK(test_lend_before_the_first_packet),
		ON_DISK(test_lend_of_other_interfaces),
		ON_DISK(test_lend_up_to_max_packets),
		ON_DISK(test_lend_up_to_max_bytes),
		ON_DISK(test_lend_and_rotation_by_bytes),
		ON_DISK(test_lend_and_rotation_by_time),
		ON_DISK(test_lend_to_classic),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
