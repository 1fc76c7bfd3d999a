/* SPDX-License-Identifier: Apache-2.0
 *
 * guests_test.c - strangers leave for others, the oldest first; known peers stay
 */
#include "../../agent/guests.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MANY 40

/* A connection: what the server holds, and the peer's end. */
struct visit {
	int here, there;
	struct guest *guest;
};

static struct visit visits[MANY];
static size_t n_visits;

static struct visit *visit(struct guests *g, const char *address)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	struct visit *v = &visits[n_visits++];
	int fds[2];

	assert_int_equal(inet_pton(AF_INET, address, &from.sin_addr), 1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	v->here = fds[0];
	v->there = fds[1];
	v->guest = guests_add(g, v->here, (struct sockaddr *)&from);
	return v;
}

/* The owner would see the end of the stream. */
static bool has_to_leave(const struct visit *v)
{
	char c;

	return recv(v->here, &c, 1, MSG_PEEK) == 0;
}

static void end(struct guests *g)
{
	for (size_t i = 0; i < n_visits; i++) {
		guests_remove(g, visits[i].guest);
		close(visits[i].here);
		close(visits[i].there);
	}
	n_visits = 0;
	guests_free(g);
}

static void test_the_oldest_stranger_of_an_address_leaves(void **state)
{
	struct guests *g = guests_new(64, 3, 60000);
	struct visit *other = visit(g, "10.0.0.2"), *v[5];

	for (int i = 0; i < 5; i++)
		v[i] = visit(g, "10.0.0.1");
	assert_true(has_to_leave(v[0]));
	assert_true(has_to_leave(v[1]));
	for (int i = 2; i < 5; i++)
		assert_false(has_to_leave(v[i]));
	assert_false(has_to_leave(other));
	end(g);
}

static void test_known_peers_stay(void **state)
{
	struct guests *g = guests_new(64, 3, 60000);
	struct visit *v[5];

	for (int i = 0; i < 3; i++)
		v[i] = visit(g, "10.0.0.1");
	guests_know(g, v[0]->guest);
	v[3] = visit(g, "10.0.0.1");
	assert_false(has_to_leave(v[0]));
	assert_true(has_to_leave(v[1]));
	guests_know(g, v[2]->guest);
	guests_know(g, v[3]->guest);
	/* all are known: who comes last leaves */
	v[4] = visit(g, "10.0.0.1");
	assert_true(has_to_leave(v[4]));
	for (int i = 2; i < 4; i++)
		assert_false(has_to_leave(v[i]));
	end(g);
}

static void test_many_addresses(void **state)
{
	struct guests *g = guests_new(10, 3, 60000);
	struct visit *known = visit(g, "10.0.0.1");
	char address[16];

	guests_know(g, known->guest);
	for (int i = 0; i < 30; i++) {
		snprintf(address, sizeof(address), "10.0.1.%d", i);
		visit(g, address);
	}
	assert_false(has_to_leave(known));
	for (int i = 1; i <= 21; i++)
		assert_true(has_to_leave(&visits[i]));
	for (int i = 22; i <= 30; i++)
		assert_false(has_to_leave(&visits[i]));
	end(g);
}

/* The owner closed its descriptor, whose number now is another file's: that one is left alone. */
static void test_a_closed_descriptor_is_not_touched(void **state)
{
	struct guests *g = guests_new(64, 1, 60000);
	struct visit *v = visit(g, "10.0.0.1");
	int fds[2], n = v->here;

	close(n);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
			 0);
	assert_int_equal(fds[0], n);
	visit(g, "10.0.0.1");
	assert_int_equal(send(fds[0], "x", 1, MSG_NOSIGNAL), 1);
	close(fds[1]);
	end(g);
}

/* One that never stops sending bytes is turned out all the same; who is known stays. */
static void test_patience_ends(void **state)
{
	struct guests *g = guests_new(64, 8, 300);
	struct visit *stranger = visit(g, "10.0.0.1"), *known = visit(g, "10.0.0.1");
	int64_t since = clock_mono_ns();

	guests_know(g, known->guest);
	while (!has_to_leave(stranger) && clock_mono_ns() - since < 5 * NS_PER_S) {
		char c;

		send(stranger->there, "x", 1, MSG_NOSIGNAL);
		clock_sleep_ms(20);
		while (recv(stranger->here, &c, 1, 0) == 1)
			;
	}
	assert_true(clock_mono_ns() - since >= 300 * NS_PER_MS);
	assert_true(clock_mono_ns() - since < 5 * NS_PER_S);
	assert_false(has_to_leave(known));
	end(g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_oldest_stranger_of_an_address_leaves),
		cmocka_unit_test(test_known_peers_stay),
		cmocka_unit_test(test_many_addresses),
		cmocka_unit_test(test_a_closed_descriptor_is_not_touched),
		cmocka_unit_test(test_patience_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
