/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_test.c - the capture engine in a namespace of its own: known numbers of packets
 */
#include "sniff_world.h"

static void test_each_packet_once(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(500);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 500);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	assert_int_equal(seen.len, WORLD_FRAME);
	assert_int_equal(seen.caplen, WORLD_FRAME);
	assert_true(seen.ordered);
	assert_true(clock_wall_ns() - seen.last_ns < 5 * NS_PER_S);
	assert_int_equal(dropped(&m), 0);
	unmake(&m);
}

/* The open block is not waited for, though its time is a second. */
static void test_one_packet_then_stop(void **state)
{
	WORLD_SKIP(root);
	for (int i = 0; i < 20; i++) {
		struct made m = open_with(NULL, 0);
		struct seen seen = { 0 };
		int64_t start;

		world_send(1);
		start = clock_mono_ns();
		assert_int_equal(drain(&m, &seen), 0);
		assert_true(clock_mono_ns() - start < 500 * NS_PER_MS);
		assert_int_equal(seen.n, 1);
		unmake(&m);
	}
}

static void test_nothing_after_the_halt(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(20);
	sniff_halt(m.sniff);
	world_send(30);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 20);
	unmake(&m);
}

static void test_nothing_before_the_bind(void **state)
{
	struct sniff_options o = { .interface = "lo", .ring_bytes = 1 << 20, .retire_ms = 1000,
				   .snaplen = 262144 };
	struct seen seen = { 0 };
	struct made m = { 0 };

	WORLD_SKIP(root);
	assert_int_equal(program_new(&m.program, NULL, 262144, NULL), 0);
	o.program = m.program;
	assert_int_equal(sniff_open(&m.sniff, &o, NULL), 0);
	world_send(20);
	assert_int_equal(sniff_bind(m.sniff, NULL), 0);
	world_send(3);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 3);
	unmake(&m);
}

static void test_filter_and_snaplen(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with("udp port 4243", 0);
	world_send(10);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 0);
	unmake(&m);
	m = open_with("udp port 4242", 60);
	world_send(10);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 10);
	assert_int_equal(seen.caplen, 60);
	assert_int_equal(seen.len, WORLD_FRAME);
	unmake(&m);
}

static void test_sink_ends_it(void **state)
{
	struct seen seen = { .limit = 7 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 7);
	unmake(&m);
}

/* What a sink refused comes first the next time; nothing is lost or repeated. */
static void test_refused_packet_comes_again(void **state)
{
	struct seen seen = { .refuse = 11 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 10);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(seen.n, 10);
	seen.refuse = 0;
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 50);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	unmake(&m);
}

static void test_block_given_up(void **state)
{
	struct seen seen = { .refuse = 11 };
	struct made m;

	WORLD_SKIP(root);
	m = open_with(NULL, 0);
	world_send(50);
	assert_int_equal(drain(&m, &seen), SNIFF_E_SINK);
	assert_int_equal(sniff_drop_block(m.sniff), 40);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 10);
	unmake(&m);
}

static void test_refusals(void **state)
{
	struct sniff_options o = { .interface = "eth7", .snaplen = 100 };
	struct program *p = NULL;
	struct sniff *s = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	assert_int_equal(program_new(&p, NULL, 100, &err), 0);
	o.program = p;
	assert_int_equal(sniff_open(&s, &o, &err), -ENODEV);
	assert_non_null(strstr(err.text, "eth7"));
	assert_null(s);
	program_free(p);
}

static void test_budget(void **state)
{
	struct ring_budget budget = { .total = 1 << 20 };
	struct sniff_options o = { .interface = "lo", .snaplen = 100, .ring_bytes = 8 << 20,
				   .retire_ms = 1000, .budget = &budget };
	struct program *p = NULL;
	struct sniff *a = NULL, *b = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	assert_int_equal(program_new(&p, NULL, 100, &err), 0);
	o.program = p;
	assert_int_equal(sniff_open(&a, &o, &err), 0);
	assert_int_equal(atomic_load(&budget.used), 1 << 20);
	assert_int_equal(sniff_open(&b, &o, &err), -ENOBUFS);
	sniff_close(a);
	assert_int_equal(atomic_load(&budget.used), 0);
	program_free(p);
}

/* ---- growing ---- */

/* Packets go on while one ring takes over from another: each is there, and once. */
static void test_growing_loses_and_repeats_nothing(void **state)
{
	struct seen seen = { 0 };
	struct sniff_taken taken = { 0 };
	struct sniff_counts before, after;
	pthread_t grower;
	struct made m;
	int sent = 0;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 2 << 20 });
	sniff_counts(m.sniff, &before);
	assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
	for (int i = 0; i < 3000 && !taken.fd_changed; i++) {
		world_send(1);
		seen.counter = 0;	/* each call numbers anew */
		sent++;
		assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
		if (i % 10 == 0)
			clock_sleep_ms(1);
	}
	assert_true(taken.fd_changed);
	pthread_join(grower, NULL);
	sniff_retire(m.sniff);
	world_send(200);
	sent += 200;
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, sent);
	sniff_counts(m.sniff, &after);
	assert_true(after.ring_bytes > before.ring_bytes);
	assert_int_equal(after.dropped, 0);
	unmake(&m);
}

/* Blocks fill while one ring takes over. True: the first was left while it still received. */
static bool grow_in_a_flood(void)
{
	struct made m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 1 << 20 });
	struct seen seen = { 0 };
	struct sniff_taken taken = { 0 };
	struct ring_counts before, after;
	struct sniff_counts counts;
	pthread_t grower;
	int sent = 0;

	assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
	for (int i = 0; i < 30000 && !taken.fd_changed; i++) {
		world_send(100);
		sent += 100;
		assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
	}
	assert_true(taken.fd_changed);
	pthread_join(grower, NULL);
	ring_counts(m.sniff->next, &before);
	world_send(100);
	sent += 100;
	ring_counts(m.sniff->next, &after);
	sniff_retire(m.sniff);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, sent);
	sniff_counts(m.sniff, &counts);
	assert_int_equal(counts.dropped, 0);
	unmake(&m);
	return after.received > before.received;
}

/* What is left in the first ring has come by the second. Where we are too slow to fill a block, once more. */
static void test_a_flood_does_not_wait_for_the_first_ring_to_end(void **state)
{
	bool left = false;

	WORLD_SKIP(root);
	for (int i = 0; !left && i < 20; i++)
		left = grow_in_a_flood();
	assert_true(left);
}

static bool is_halted(struct sniff *s)
{
	bool halted;

	pthread_mutex_lock(&s->lock);
	halted = s->halted_ns != 0;
	pthread_mutex_unlock(&s->lock);
	return halted;
}

/*
 * A reader that stood still finds the first ring full, and told to stop a moment ago. What only the second has
 * since then is not what the first dropped: all that it dropped stays counted.
 */
static void test_drops_stay_counted(void **state)
{
	WORLD_SKIP(root);
	for (int i = 0; i < 10; i++) {
		struct made m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 1 << 20 });
		struct seen seen = { 0 };
		struct sniff_taken taken = { 0 };
		struct sniff_counts counts;
		pthread_t grower;

		world_send(20000);
		assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
		while (!is_halted(m.sniff))
			sched_yield();
		world_send(50);
		while (!taken.fd_changed)
			assert_int_equal(sniff_take(m.sniff, count, &seen, &taken, NULL), 0);
		pthread_join(grower, NULL);
		sniff_retire(m.sniff);
		assert_int_equal(drain(&m, &seen), 0);
		sniff_counts(m.sniff, &counts);
		assert_in_range(counts.dropped, 1, 20000);
		assert_int_equal(seen.n + counts.dropped, 20050);
		unmake(&m);
	}
}

static void test_halt_while_growing(void **state)
{
	WORLD_SKIP(root);
	for (int ms = 0; ms < 80; ms += 8) {
		struct made m = make((struct sniff_options){ .interface = "lo" });
		struct seen seen = { 0 };
		pthread_t grower;

		assert_int_equal(pthread_create(&grower, NULL, grow, &m), 0);
		world_send(50);
		clock_sleep_ms(ms);
		assert_int_equal(drain(&m, &seen), 0);
		assert_int_equal(seen.n, 50);
		assert_int_equal(seen.gaps + seen.repeats, 0);
		pthread_join(grower, NULL);
		unmake(&m);
	}
}

static void test_half_a_ring_must_grow(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .interface = "lo", .ring_bytes = 512 << 10 });
	assert_false(sniff_must_grow(m.sniff));
	assert_false(sniff_is_filled(m.sniff, 1));
	world_send(2 * (128 << 10) / WORLD_FRAME);	/* with 86 bytes of headers each, more than two blocks */
	assert_true(sniff_is_filled(m.sniff, 2));
	assert_true(sniff_must_grow(m.sniff));
	assert_false(sniff_must_grow(m.sniff));
	assert_int_equal(drain(&m, &seen), 0);
	unmake(&m);
}

/* ---- interfaces ---- */

static int run_ip(const char *args)
{
	cleanup_free char *command = xasprintf("ip %s 2>/dev/null", args);

	return system(command);
}

static void send_to_port(uint16_t port, int packets)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char payload[WORLD_PAYLOAD] = "";

	inet_pton(AF_INET, "10.9.8.9", &to.sin_addr);
	for (int i = 0; i < packets; i++)
		assert_int_equal(sendto(s, payload, sizeof(payload), 0, (struct sockaddr *)&to,
					sizeof(to)), sizeof(payload));
	close(s);
}

static bool make_veth(void)
{
	return root && !run_ip("link add sc0 type veth peer name sc1") &&
	       !run_ip("link set sc0 up") && !run_ip("link set sc1 up") &&
	       !run_ip("addr add 10.9.8.7/24 dev sc0") &&
	       !run_ip("neigh add 10.9.8.9 lladdr 02:00:00:00:00:09 dev sc0");
}

/* One that comes later is known by its name; its filter is the same. */
static void test_interface_that_comes_later(void **state)
{
	struct seen seen = { 0 };
	const struct iface *v;
	struct made m;
	size_t n;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .filter = "udp port 4242", .note = note, .arg = &seen });
	sniff_interfaces(m.sniff, &n);
	assert_int_equal(n, 1);
	WORLD_SKIP(make_veth());
	send_to_port(WORLD_PORT, 7);
	send_to_port(WORLD_PORT + 1, 7);
	world_send(5);
	assert_int_equal(drain(&m, &seen), 0);
	v = sniff_interfaces(m.sniff, &n);
	assert_int_equal(n, 3);
	assert_int_equal(seen.n, 19);	/* both ends of the veth see the seven */
	assert_int_equal(seen.each[0], 5);
	assert_int_equal(seen.each[1], 7);
	assert_int_equal(seen.each[2], 7);
	assert_string_equal(v[1].name, "sc0");
	assert_string_equal(v[1].addresses[0], "10.9.8.7/24");
	assert_string_equal(v[2].link_text, "EN10MB");
	unmake(&m);
	assert_int_equal(run_ip("link del sc0"), 0);
}

static void test_named_interface_that_goes(void **state)
{
	struct seen seen = { 0 };
	struct made m;

	WORLD_SKIP(make_veth());
	m = make((struct sniff_options){ .interface = "sc0" });
	send_to_port(WORLD_PORT, 5);
	world_send(5);
	assert_int_equal(run_ip("link set sc0 down"), 0);
	assert_int_equal(sniff_check(m.sniff), 0);
	assert_int_equal(run_ip("link del sc0"), 0);
	assert_int_equal(sniff_check(m.sniff), SNIFF_E_GONE);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.each[0], seen.n);
	assert_true(seen.n >= 5);
	unmake(&m);
}

/* As if the kernel refused a ring: libpcap does it, and the report will say so. */
static void test_libpcap_instead(void **state)
{
	struct seen seen = { .ordered = true };
	struct made m;

	WORLD_SKIP(root);
	m = make((struct sniff_options){ .filter = "udp port 4242", .without_ring = true, .note = note,
					 .arg = &seen });
	assert_int_equal(seen.notes, 1);
	world_send(50);
	assert_int_equal(drain(&m, &seen), 0);
	assert_int_equal(seen.n, 50);
	assert_int_equal(seen.gaps + seen.repeats, 0);
	assert_true(seen.ordered);
	assert_int_equal(dropped(&m), 0);
	unmake(&m);
}

struct directions {
	uint32_t flags[2];
	int n;
};

static bool keep_flags(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	struct directions *d = arg;

	for (size_t i = 0; i < n; i++, d->n++)
		if (d->n < 2)
			d->flags[d->n] = p[i].flags;
	*taken = n;
	return true;
}

static void test_direction(void **state)
{
	struct directions d = { 0 };
	struct made m;

	WORLD_SKIP(make_veth());
	m = make((struct sniff_options){ .filter = "udp port 4242" });
	send_to_port(WORLD_PORT, 1);
	sniff_halt(m.sniff);
	sniff_settle();
	assert_int_equal(sniff_drain(m.sniff, keep_flags, &d, NULL), 0);
	assert_int_equal(d.n, 2);
	assert_int_equal(d.flags[0] & 3, PCAPNG_OUTBOUND);	/* at sc0 */
	assert_int_equal(d.flags[1] & 3, PCAPNG_INBOUND);	/* at sc1 */
	unmake(&m);
	assert_int_equal(run_ip("link del sc0"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_once),
		cmocka_unit_test(test_one_packet_then_stop),
		cmocka_unit_test(test_nothing_after_the_halt),
		cmocka_unit_test(test_nothing_before_the_bind),
		cmocka_unit_test(test_filter_and_snaplen),
		cmocka_unit_test(test_sink_ends_it),
		cmocka_unit_test(test_refused_packet_comes_again),
		cmocka_unit_test(test_block_given_up),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_growing_loses_and_repeats_nothing),
		cmocka_unit_test(test_a_flood_does_not_wait_for_the_first_ring_to_end),
		cmocka_unit_test(test_drops_stay_counted),
		cmocka_unit_test(test_halt_while_growing),
		cmocka_unit_test(test_half_a_ring_must_grow),
		cmocka_unit_test(test_interface_that_comes_later),
		cmocka_unit_test(test_named_interface_that_goes),
		cmocka_unit_test(test_direction),
		cmocka_unit_test(test_libpcap_instead),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
