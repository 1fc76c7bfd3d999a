/* SPDX-License-Identifier: Apache-2.0
 *
 * sniff_test.c - the capture engine in a namespace of its own: known numbers of packets
 */
#include "agent_world.h"
#include "../../agent/sniff.h"

static bool root;

struct seen {
	int n, limit;
	uint32_t caplen, len, interface;
	int64_t last_ns;
	bool ordered;
	int notes;
};

static int count(void *arg, const struct pcapng_packet *p)
{
	struct seen *s = arg;

	s->ordered &= p->ts_ns >= s->last_ns;
	s->last_ns = p->ts_ns;
	s->caplen = p->caplen;
	s->len = p->len;
	s->interface = p->interface;
	s->n++;
	return s->limit && s->n == s->limit;
}

static void note(void *arg, const char *text)
{
	((struct seen *)arg)->notes++;
}

static struct sniff *open_with(const char *filter, uint32_t snaplen)
{
	const struct sniff_options o = { .interface = "lo", .filter = filter, .snaplen = snaplen };
	struct sniff *s = NULL;
	struct err err = ERR_INIT;

	if (sniff_open(&s, &o, &err))
		fail_msg("%s", err.text);
	return s;
}

static void test_each_packet_once(void **state)
{
	struct seen seen = { .ordered = true };
	struct sniff_counts c;
	struct sniff *s;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	s = open_with(NULL, 262144);
	world_send(500);
	assert_int_equal(sniff_drain(s, clock_wall_ns(), count, &seen, &err), 0);
	assert_int_equal(seen.n, 500);
	assert_int_equal(seen.len, WORLD_FRAME);
	assert_int_equal(seen.caplen, WORLD_FRAME);
	assert_true(seen.ordered);
	assert_true(clock_wall_ns() - seen.last_ns < 5 * NS_PER_S);
	sniff_counts(s, 0, &c);
	assert_int_equal(c.received, 500);
	assert_int_equal(c.dropped, 0);
	sniff_close(s);
}

static void test_stop_cuts_by_time(void **state)
{
	struct seen seen = { .ordered = true };
	struct sniff_counts c;
	struct sniff *s;
	int64_t stop;

	WORLD_SKIP(root);
	s = open_with(NULL, 262144);
	world_send(20);
	stop = clock_wall_ns();
	world_send(30);
	assert_int_equal(sniff_drain(s, stop, count, &seen, NULL), 0);
	assert_int_equal(seen.n, 20);
	sniff_counts(s, 0, &c);
	assert_int_equal(c.received, 20);
	sniff_close(s);
}

static void test_filter_and_snaplen(void **state)
{
	struct seen seen = { 0 };
	struct sniff *s;

	WORLD_SKIP(root);
	s = open_with("udp port 4243", 262144);
	world_send(10);
	assert_int_equal(sniff_drain(s, clock_wall_ns(), count, &seen, NULL), 0);
	assert_int_equal(seen.n, 0);
	sniff_close(s);
	s = open_with("udp port 4242", 60);
	world_send(10);
	assert_int_equal(sniff_drain(s, clock_wall_ns(), count, &seen, NULL), 0);
	assert_int_equal(seen.n, 10);
	assert_int_equal(seen.caplen, 60);
	assert_int_equal(seen.len, WORLD_FRAME);
	sniff_close(s);
}

static void test_sink_ends_the_round(void **state)
{
	struct seen seen = { .limit = 7 };
	struct sniff_counts c;
	struct sniff *s;

	WORLD_SKIP(root);
	s = open_with(NULL, 262144);
	world_send(50);
	assert_int_equal(sniff_drain(s, clock_wall_ns(), count, &seen, NULL), SNIFF_E_SINK);
	assert_int_equal(seen.n, 7);
	sniff_counts(s, 0, &c);
	assert_int_equal(c.received, 7);
	sniff_close(s);
}

static void test_refusals(void **state)
{
	struct sniff_options o = { .interface = "eth7", .snaplen = 100 };
	struct sniff *s = NULL;
	struct err err = ERR_INIT;

	WORLD_SKIP(root);
	assert_int_equal(sniff_open(&s, &o, &err), -ENODEV);
	assert_non_null(strstr(err.text, "eth7"));
	o = (struct sniff_options){ .interface = "lo", .snaplen = 100, .filter = "udp prt 5" };
	err_reset(&err);
	assert_int_equal(sniff_open(&s, &o, &err), -EINVAL);
	assert_non_null(strstr(err.text, "filter"));
	assert_null(s);
}

static int run_ip(const char *args)
{
	cleanup_free char *command = xasprintf("ip %s 2>/dev/null", args);

	return system(command);
}

/* Interfaces that are down are left out with a note; a network that goes away is noticed. */
static void test_interfaces_come_and_go(void **state)
{
	struct seen seen = { 0 };
	const struct sniff_options o = { .snaplen = 262144, .note = note, .arg = &seen };
	struct sniff *s = NULL;
	struct err err = ERR_INIT;
	const struct iface *v;
	size_t n;
	int r = 0;

	WORLD_SKIP(root && !run_ip("link add sc0 type veth peer name sc1") &&
		   !run_ip("link set sc0 up"));
	assert_int_equal(run_ip("addr add 10.9.8.7/24 dev sc0"), 0);
	assert_int_equal(sniff_open(&s, &o, &err), 0);
	v = sniff_interfaces(s, &n);
	assert_int_equal(n, 2);
	assert_string_equal(v[0].name, "lo");
	assert_false(v[0].has_mac);
	assert_string_equal(v[1].name, "sc0");
	assert_true(v[1].has_mac);
	assert_int_equal(v[1].mtu, 1500);
	assert_int_equal(v[1].link_type, 1);
	assert_string_equal(v[1].link_text, "EN10MB");
	assert_string_equal(v[1].addresses[0], "10.9.8.7/24");
	assert_int_equal(seen.notes, 1);	/* sc1 is down */
	world_send(5);
	assert_int_equal(run_ip("link del sc0"), 0);
	for (int i = 0; !r && i < 20; i++)
		r = sniff_round(s, -1, 100, count, &seen, &err);
	assert_int_equal(r, SNIFF_E_GONE);
	assert_true(seen.n >= 5);
	sniff_close(s);
}

struct per_interface {
	int n[8];
};

static int count_each(void *arg, const struct pcapng_packet *p)
{
	((struct per_interface *)arg)->n[p->interface]++;
	assert_int_equal(p->caplen, 60);
	return 0;
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

/* The one program for a link type stands on all interfaces that have it. */
static void test_filter_on_every_interface(void **state)
{
	const struct sniff_options o = { .snaplen = 60, .filter = "udp port 4242" };
	struct per_interface seen = { 0 };
	struct sniff *s = NULL;
	size_t n;

	WORLD_SKIP(root && !run_ip("link add sc0 type veth peer name sc1") &&
		   !run_ip("link set sc0 up") && !run_ip("link set sc1 up"));
	assert_int_equal(run_ip("addr add 10.9.8.7/24 dev sc0"), 0);
	assert_int_equal(run_ip("neigh add 10.9.8.9 lladdr 02:00:00:00:00:09 dev sc0"), 0);
	assert_int_equal(sniff_open(&s, &o, NULL), 0);
	sniff_interfaces(s, &n);
	assert_int_equal(n, 3);
	world_send(5);
	send_to_port(WORLD_PORT, 7);
	send_to_port(WORLD_PORT + 1, 7);
	assert_int_equal(sniff_drain(s, clock_wall_ns(), count_each, &seen, NULL), 0);
	assert_int_equal(seen.n[0], 5);
	assert_int_equal(seen.n[1], 7);
	assert_int_equal(seen.n[2], 7);
	sniff_close(s);
	assert_int_equal(run_ip("link del sc0"), 0);
}

static int set_up(void **state)
{
	root = world_enter();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_packet_once),
		cmocka_unit_test(test_stop_cuts_by_time),
		cmocka_unit_test(test_filter_and_snaplen),
		cmocka_unit_test(test_sink_ends_the_round),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_interfaces_come_and_go),
		cmocka_unit_test(test_filter_on_every_interface),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
