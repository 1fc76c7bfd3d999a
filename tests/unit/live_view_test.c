/* SPDX-License-Identifier: Apache-2.0
 *
 * live_view_test.c - streams of several threads through the writer to a viewer: one that reads, one that
 * leaves, one that stands still
 */
#include "../../coordinator/live_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ioctl.h>

#include "pcapng_made.h"

#define STREAMS 4
#define PACKETS 2000
#define WAIT_MS 60000
#define NOT_YET (20 * NS_PER_S)	/* a delay: nothing is due before the end */

struct node {
	pthread_t thread;
	const struct fleet_streams *streams;
	struct plan_node plan;
	struct fleet_node fleet;
	void *to;
	struct made m;
	int rc;
};

struct world {
	struct live_view *view;
	struct node nodes[STREAMS];
	int ends[2];			/* the viewer's pipe */
};

/* What a node says, in pieces of no length in particular. */
static void *say(void *arg)
{
	struct node *n = arg;
	size_t at = 0;

	while (at < n->m.b.len && n->rc == 0) {
		size_t left = n->m.b.len - at, piece = left < 1777 ? left : 1777;

		n->rc = n->streams->take(n->to, n->m.b.data + at, piece);
		at += piece;
	}
	n->streams->end(n->to);
	return NULL;
}

/* Node k has packets k, k + STREAMS, ... of a second that is over; of each data bytes. */
static void fill(struct node *n, size_t k, const char *data)
{
	const int64_t then = clock_wall_ns() - 10 * NS_PER_S;

	n->m = made_new(false);
	made_section(&n->m);
	made_clocked(&n->m, 9, 0);
	for (size_t i = 0; i < PACKETS; i++)
		made_packet(&n->m, 0, (uint64_t)then + (i * STREAMS + k) * 1000, data);
}

static void open_world(struct world *w, const char *data, int64_t delay_ns)
{
	struct err err = ERR_INIT;

	*w = (struct world){ 0 };
	assert_int_equal(pipe2(w->ends, O_CLOEXEC), 0);
	assert_int_equal(live_view_start(&w->view, &(struct live_view_plan){
		.out_fd = w->ends[1], .delay_ns = delay_ns, .corrects_clocks = true }, &err), 0);
	for (size_t i = 0; i < STREAMS; i++) {
		struct node *n = &w->nodes[i];

		n->streams = live_view_streams(w->view);
		n->plan = (struct plan_node){ .name = (char *)"n1" };
		n->fleet = (struct fleet_node){ .plan = &n->plan };
		fill(n, i, data);
		n->to = n->streams->begin(n->streams->arg, &n->fleet, i);
		assert_int_equal(pthread_create(&n->thread, NULL, say, n), 0);
	}
}

static void join_nodes(struct world *w)
{
	for (size_t i = 0; i < STREAMS; i++)
		pthread_join(w->nodes[i].thread, NULL);
}

static void close_world(struct world *w)
{
	live_view_free(w->view);
	for (size_t i = 0; i < STREAMS; i++)
		buf_release(&w->nodes[i].m.b);
	util_close(w->ends[0]);
	util_close(w->ends[1]);
}

static bool has_ended(struct world *w, int ms)
{
	struct pollfd p = { .fd = live_view_ended_fd(w->view), .events = POLLIN };

	return poll(&p, 1, ms) > 0;
}

struct reading_thread {
	pthread_t thread;
	int from;
	uint64_t packets, back;
	int end;
};

static void *read_stream(void *arg)
{
	struct reading_thread *r = arg;
	struct pcapng_reader *reader = pcapng_reader_new(r->from);
	struct pcapng_block b;
	int64_t last = 0;

	while ((r->end = pcapng_next(reader, &b, NULL)) == 0) {
		if (b.kind != PCAPNG_PACKET)
			continue;
		r->packets++;
		r->back += b.packet.ts_ns < last;
		last = b.packet.ts_ns;
	}
	pcapng_reader_free(reader);
	return NULL;
}

static void everything_in_order(void **state)
{
	struct live_view_end end;
	struct reading_thread r;
	struct world w;

	open_world(&w, "some bytes", NOT_YET);
	r = (struct reading_thread){ .from = w.ends[0] };
	assert_int_equal(pthread_create(&r.thread, NULL, read_stream, &r), 0);
	join_nodes(&w);
	assert_false(has_ended(&w, 0));
	live_view_finish(w.view);
	assert_true(has_ended(&w, WAIT_MS));
	live_view_join(w.view, &end);
	w.ends[1] = util_close(w.ends[1]);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.end, PCAPNG_E_END);
	assert_int_equal(r.packets, STREAMS * PACKETS);
	assert_int_equal(r.back, 0);
	assert_int_equal(end.counts.packets, STREAMS * PACKETS);
	assert_int_equal(end.counts.late, 0);
	assert_int_equal(end.counts.interfaces, STREAMS);
	assert_int_equal(end.err.code, 0);
	assert_false(end.viewer_gone);
	assert_false(end.cut_short);
	assert_true(live_view_taken(w.view) > 0);
	close_world(&w);
}

/* Nothing is due, so only the pipe's end tells. */
static void the_viewer_leaves(void **state)
{
	struct live_view_end end;
	struct world w;

	open_world(&w, "some bytes", NOT_YET);
	w.ends[0] = util_close(w.ends[0]);
	assert_true(has_ended(&w, WAIT_MS));
	live_view_join(w.view, &end);
	assert_true(end.viewer_gone);
	assert_int_equal(end.err.code, 0);
	join_nodes(&w);
	close_world(&w);
}

static void wait_until_it_fills(int pipe)
{
	const int size = fcntl(pipe, F_GETPIPE_SZ);
	int n = 0;

	for (int ms = 0; ms < WAIT_MS && n <= size / 2; ms += 10) {
		assert_int_equal(ioctl(pipe, FIONREAD, &n), 0);
		clock_sleep_ms(10);
	}
	assert_true(n > size / 2);
}

/* Pipes become full, threads wait; who gives up gets all of them back. */
static void the_viewer_stands_still(void **state)
{
	cleanup_free char *data = xcalloc(1, 1401);
	struct live_view_end end;
	struct world w;

	memset(data, 'x', 1400);
	open_world(&w, data, 0);
	wait_until_it_fills(w.ends[0]);
	assert_false(has_ended(&w, 0));
	live_view_give_up(w.view);
	assert_true(has_ended(&w, WAIT_MS));
	live_view_join(w.view, &end);
	assert_false(end.viewer_gone);
	assert_true(end.cut_short);
	assert_int_equal(end.err.code, 0);
	join_nodes(&w);
	close_world(&w);
}

/* A stream that does not end is not waited for by who is in a hurry. */
static void one_never_ends(void **state)
{
	struct live_view_end end;
	struct reading_thread r;
	struct node silent = { 0 };
	struct world w;

	open_world(&w, "some bytes", NOT_YET);
	silent.plan = (struct plan_node){ .name = (char *)"n2" };
	silent.fleet = (struct fleet_node){ .plan = &silent.plan };
	silent.streams = live_view_streams(w.view);
	silent.to = silent.streams->begin(silent.streams->arg, &silent.fleet, STREAMS);
	r = (struct reading_thread){ .from = w.ends[0] };
	assert_int_equal(pthread_create(&r.thread, NULL, read_stream, &r), 0);
	join_nodes(&w);
	live_view_finish(w.view);
	assert_false(has_ended(&w, 300));
	live_view_hurry(w.view);
	assert_true(has_ended(&w, WAIT_MS));
	live_view_join(w.view, &end);
	assert_true(end.cut_short);
	assert_int_equal(silent.streams->take(silent.to, "late", 4), -EPIPE);
	w.ends[1] = util_close(w.ends[1]);
	pthread_join(r.thread, NULL);
	assert_int_equal(r.end, PCAPNG_E_END);
	assert_int_equal(r.packets, STREAMS * PACKETS);
	close_world(&w);
}

static int ignore_sigpipe(void **state)
{
	return signal(SIGPIPE, SIG_IGN) == SIG_ERR;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_in_order),
		cmocka_unit_test(the_viewer_leaves),
		cmocka_unit_test(the_viewer_stands_still),
		cmocka_unit_test(one_never_ends),
	};

	return cmocka_run_group_tests(tests, ignore_sigpipe, NULL);
}
