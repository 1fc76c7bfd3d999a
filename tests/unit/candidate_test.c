/* SPDX-License-Identifier: Apache-2.0
 *
 * candidate_test.c - namespaces that are captured before it is known whose they are
 */
#include "agent_netns.h"
#include "../../agent/candidate.h"

#define FILE_A "aaaa00000001"

static bool root;
static struct world w;
static struct program *program;
static struct ring_budget budget = { .total = 64 << 20 };

static struct candidate_options options(void)
{
	return (struct candidate_options){
		.netns_dir = w.node.netns_dir, .program = program, .snaplen = 262144,
		.budget = &budget,
	};
}

static void add(struct candidates *c, const char *file)
{
	int ns;

	assert_int_equal(netns_open(&ns, w.node.netns_dir, file, NULL), 0);
	candidates_add(c, file, ns);
	close(ns);
}

static bool count(void *arg, const struct pcapng_packet *p, size_t n, size_t *taken)
{
	*(int *)arg += (int)n;
	*taken = n;
	return true;
}

/* All packets of a ring that receives no more. */
static int drain(struct sniff *s)
{
	struct err err = ERR_INIT;
	int n = 0, r;

	sniff_halt(s);
	sniff_settle();
	while ((r = sniff_drain(s, count, &n, &err)) == SNIFF_E_LATER)
		clock_sleep_ms(10);
	assert_int_equal(r, 0);
	return n;
}

static void test_packets_wait(void **state)
{
	struct candidate_options o = options();
	size_t before, n;
	struct candidates *c;
	struct candidate taken;

	WORLD_SKIP(root);
	before = count_descriptors();
	c = candidates_new(&o);
	netns_make(&w, FILE_A);
	add(c, FILE_A);
	netns_send(&w, FILE_A, 7);
	netns_remove(&w, FILE_A);	/* the task is dead, its packets are not lost */
	candidates_tick(c);
	assert_int_equal(candidates_count(c), 1);
	assert_false(candidates_take(c, "bbbb00000001", &taken));
	assert_true(candidates_take(c, FILE_A, &taken));
	assert_false(candidates_take(c, FILE_A, &taken));
	assert_string_equal(sniff_interfaces(taken.sniff, &n)->name, "lo");
	assert_int_equal(n, 1);
	assert_int_equal(drain(taken.sniff), 7);
	candidate_release(&taken);
	candidates_free(c);
	assert_int_equal(count_descriptors(), before);
	assert_int_equal(budget.used, 0);
}

/* Interfaces come after the ring, and are known by name after they are gone. */
static void test_later_interfaces(void **state)
{
	struct candidate_options o = options();
	const struct iface *v;
	struct candidates *c;
	struct candidate taken;
	bool known = false;
	size_t n;

	WORLD_SKIP(root);
	c = candidates_new(&o);
	netns_make(&w, FILE_A);
	add(c, FILE_A);
	netns_do(&w, FILE_A, "sh -c 'ip link add veth7 type veth peer name peer7 && "
			     "ip link set veth7 name eth7 && ip addr add 10.1.2.3/24 dev eth7 && "
			     "ip link set eth7 up'");
	candidates_tick(c);
	netns_do(&w, FILE_A, "ip link del eth7");
	candidates_tick(c);
	assert_true(candidates_take(c, FILE_A, &taken));
	v = sniff_interfaces(taken.sniff, &n);
	for (size_t i = 0; i < n; i++)
		known |= !strcmp(v[i].name, "eth7") && v[i].n_addresses &&
			 !strcmp(v[i].addresses[0], "10.1.2.3/24");
	assert_true(known);
	candidate_release(&taken);
	candidates_free(c);
	netns_remove(&w, FILE_A);
}

static void test_waits_for_its_interface(void **state)
{
	struct candidate_options o = options();
	struct candidates *c;
	struct candidate taken;
	size_t n;

	WORLD_SKIP(root);
	o.interface = "eth7";
	c = candidates_new(&o);
	netns_make(&w, FILE_A);
	add(c, FILE_A);
	assert_int_equal(candidates_count(c), 1);
	candidates_tick(c);
	netns_do(&w, FILE_A, "sh -c 'ip link add eth7 type veth peer name peer7 && "
			     "ip link set eth7 up && ip link set peer7 up'");
	candidates_tick(c);
	netns_send(&w, FILE_A, 5);	/* on loopback */
	assert_true(candidates_take(c, FILE_A, &taken));
	assert_string_equal(sniff_interfaces(taken.sniff, &n)->name, "eth7");
	assert_int_equal(n, 1);
	candidate_release(&taken);
	candidates_free(c);
	netns_remove(&w, FILE_A);
}

static void test_they_end(void **state)
{
	struct candidate_options o = options();
	struct candidates *c;
	size_t before;

	WORLD_SKIP(root);
	before = count_descriptors();
	o.age_ms = 1;
	c = candidates_new(&o);
	netns_make(&w, FILE_A);
	add(c, FILE_A);
	clock_sleep_ms(5);
	candidates_tick(c);		/* too old */
	assert_int_equal(candidates_count(c), 0);
	candidates_free(c);

	o.age_ms = 0;
	o.gone_ms = 1;
	c = candidates_new(&o);
	add(c, FILE_A);
	candidates_tick(c);
	assert_int_equal(candidates_count(c), 1);
	netns_remove(&w, FILE_A);
	candidates_tick(c);
	clock_sleep_ms(5);
	candidates_tick(c);		/* gone for too long */
	assert_int_equal(candidates_count(c), 0);
	assert_int_equal(count_descriptors(), before);

	netns_make(&w, FILE_A);
	add(c, FILE_A);
	candidates_drop(c, FILE_A);	/* nobody's */
	assert_int_equal(candidates_count(c), 0);
	add(c, FILE_A);
	candidates_close(c);
	add(c, FILE_A);
	assert_int_equal(candidates_count(c), 0);
	candidates_free(c);
	netns_remove(&w, FILE_A);
	assert_int_equal(count_descriptors(), before);
}

static void test_bounded(void **state)
{
	struct candidate_options o = options();
	struct candidates *c;

	WORLD_SKIP(root);
	netns_make(&w, FILE_A);
	c = candidates_new(&o);
	for (int i = 0; i < CANDIDATES_MAX + 5; i++)
		add(c, FILE_A);
	assert_int_equal(candidates_count(c), CANDIDATES_MAX);
	candidates_close(c);
	assert_int_equal(budget.used, 0);
	candidates_free(c);

	budget.total = 2 * CANDIDATE_RING_BYTES;
	c = candidates_new(&o);
	for (int i = 0; i < 5; i++)
		add(c, FILE_A);
	assert_int_equal(candidates_count(c), 2);
	candidates_free(c);
	netns_remove(&w, FILE_A);
}

static int set_up(void **state)
{
	root = world_enter();
	world_make(&w);
	return program_new(&program, NULL, 262144, NULL);
}

static int tear_down(void **state)
{
	program_free(program);
	world_free(&w);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packets_wait),
		cmocka_unit_test(test_later_interfaces),
		cmocka_unit_test(test_waits_for_its_interface),
		cmocka_unit_test(test_they_end),
		cmocka_unit_test(test_bounded),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
