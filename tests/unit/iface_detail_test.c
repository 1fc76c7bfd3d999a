/* SPDX-License-Identifier: Apache-2.0
 *
 * iface_detail_test.c - veth, bridge and vxlan in a namespace of our own; ip made them, so it knows
 */
#include "../../agent/iface_detail.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char set_up[] =
	"ip link add left index 101 type veth peer name right index 102 && "
	"ip link add bridge0 index 103 type bridge && ip link set right master bridge0 && "
	"ip link add vxlan0 index 104 type vxlan id 4242 dstport 4789 && "
	"ip link set vxlan0 master bridge0 && ip addr add 10.201.9.1/24 dev left && ip link set left up";

static struct iface_list all;
static int made;

/* A thread's namespace is gone with it; what is listed stays. */
static void *inside(void *arg)
{
	if (unshare(CLONE_NEWNET) || system(set_up) != 0)
		return NULL;
	made = iface_list(&all, NULL) == 0;
	iface_details(&all);
	return NULL;
}

static const struct iface *named(const char *name)
{
	for (size_t i = 0; i < all.n; i++)
		if (strcmp(all.v[i].name, name) == 0)
			return &all.v[i];
	fail_msg("no interface %s", name);
	return NULL;
}

static int start(void **state)
{
	pthread_t t;

	if (geteuid() != 0)
		return 0;
	assert_int_equal(pthread_create(&t, NULL, inside, NULL), 0);
	pthread_join(t, NULL);
	return 0;
}

static int stop(void **state)
{
	iface_list_release(&all);
	return 0;
}

static void test_relations(void **state)
{
	if (!made)
		skip();
	assert_int_equal(named("left")->peer, 102);
	assert_int_equal(named("right")->peer, 101);
	assert_int_equal(named("right")->master, 103);
	assert_int_equal(named("left")->master, 0);
	assert_int_equal(named("vxlan0")->vni, 4242);
	assert_int_equal(named("vxlan0")->master, 103);
	assert_int_equal(named("bridge0")->vni, 0);
	/* veth's, as ethtool -k has them on every kernel */
	assert_true(named("left")->offloads & IFACE_TX_CHECKSUM);
}

static void test_report(void **state)
{
	struct wire_report r = { .n_targets = 1 };
	struct wire_target t = { .n_interfaces = 2 };

	if (!made)
		skip();
	t.interfaces = xcalloc(2, sizeof(*t.interfaces));
	iface_report(&all, named("left"), &t.interfaces[0]);
	iface_report(&all, named("vxlan0"), &t.interfaces[1]);
	assert_string_equal(t.interfaces[0].addresses[0], "10.201.9.1/24");
	assert_int_equal(t.interfaces[0].peer, 102);
	assert_null(t.interfaces[0].master);
	assert_string_equal(t.interfaces[0].offloads[0], "tx-checksum");
	assert_string_equal(t.interfaces[1].master, "bridge0");
	assert_int_equal(t.interfaces[1].vni, 4242);
	r.targets = xcalloc(1, sizeof(t));
	r.targets[0] = t;
	wire_report_release(&r);
}

/* What is cut off or lies about its length is left alone. */
static void test_broken(void **state)
{
	uint8_t message[64] = { 0 };
	struct iface one = { .index = 0 };
	struct iface_list l = { &one, 1 };

	for (size_t n = 0; n <= sizeof(message); n++)
		iface_detail_decode(&l, message, n);
	memset(message + 16, 0xff, sizeof(message) - 16);
	for (size_t n = 0; n <= sizeof(message); n++)
		iface_detail_decode(&l, message, n);
	assert_int_equal(one.peer, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_relations),
		cmocka_unit_test(test_report),
		cmocka_unit_test(test_broken),
	};

	return cmocka_run_group_tests_name("iface_detail", tests, start, stop);
}
