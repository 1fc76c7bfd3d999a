/* SPDX-License-Identifier: Apache-2.0
 *
 * live_test.c - live captures in a namespace of their own: the stream over the API, who leaves, who is slow
 */
#include "agent_world.h"
#include "../../agent/listen.h"
#include "../../agent/server.h"

#include <curl/curl.h>
#include <dirent.h>
#include <sys/mman.h>

#include "http.h"

#define OTHER_ID "20261123T143906Z-3fa9c2"
#define STREAM "/v1/captures/" WORLD_ID "/stream"

static bool root;
static struct world w;
static struct api_env api;
static struct server *server;
static struct http_endpoint at;
static struct http *client;

/* ---- who looks on ---- */

struct viewer {
	pthread_t thread;
	struct http *http;
	int fd;				/* what came */
	volatile bool cancel;
	atomic_size_t got;
	int rc;
	long status;
};

static int take(void *arg, const void *p, size_t n)
{
	struct viewer *v = arg;

	atomic_fetch_add(&v->got, n);
	return util_write_full(v->fd, p, n);
}

static void *look_on(void *arg)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct viewer *v = arg;

	v->rc = http_stream(v->http, STREAM, take, v, &v->cancel, &reply, NULL);
	v->status = reply.status;
	return NULL;
}

static void begin_view(struct viewer *v)
{
	*v = (struct viewer){ .fd = memfd_create("test", MFD_CLOEXEC) };
	assert_int_equal(http_new(&v->http, &at, NULL), 0);
	assert_int_equal(pthread_create(&v->thread, NULL, look_on, v), 0);
}

static void end_view(struct viewer *v)
{
	http_free(v->http);
	close(v->fd);
}

static long call(const char *method, const char *path, const char *body)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;

	if (http_call(client, method, path, body, &reply, &err))
		fail_msg("%s %s: %s", method, path, err.text);
	return reply.status;
}

/* ---- captures ---- */

static struct wire_arm live_arm(size_t targets)
{
	struct wire_arm a = world_arm(WORLD_ID, targets);

	a.live = a.attached = true;
	a.filter = xstrdup("udp port 4242");
	return a;
}

static void end(struct capture *c)
{
	capture_stop(c, WIRE_END_STOPPED, NULL);
	capture_wait(c);
}

static void drop(struct capture *c)
{
	assert_int_equal(captures_remove(w.captures, capture_id(c), NULL), 0);
	capture_unref(c);
}

static size_t files_in_spool(void)
{
	DIR *d = opendir(w.spool_dir);
	const struct dirent *e;
	size_t n = 0;

	while ((e = readdir(d)))
		n += names_is_id(e->d_name);
	closedir(d);
	return n;
}

/* What came is one whole stream with so many packets. */
static void expect_packets(struct viewer *v, uint64_t packets)
{
	struct pcapng_summary sum;

	assert_int_equal(lseek(v->fd, 0, SEEK_SET), 0);
	assert_int_equal(pcapng_summarize(v->fd, &sum, NULL), 0);
	assert_false(sum.cut);
	assert_int_equal(sum.packets, packets);
}

/* While it goes on, before anybody ends it. */
static void wait_for_bytes(struct viewer *v, size_t n)
{
	for (int i = 0; i < 6000 && atomic_load(&v->got) < n; i++)
		clock_sleep_ms(10);
	assert_true(atomic_load(&v->got) >= n);
}

static void test_every_packet(void **state)
{
	struct wire_arm a = live_arm(2);
	struct wire_report r;
	struct viewer v;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	begin_view(&v);
	world_send(1000);
	wait_for_bytes(&v, 2 * 1000 * WORLD_FRAME);
	world_send(234);
	end(c);
	pthread_join(v.thread, NULL);
	assert_int_equal(v.rc, 0);
	assert_int_equal(v.status, 200);
	expect_packets(&v, 2 * 1234);
	world_report(c, &r);
	assert_true(r.live);
	for (size_t i = 0; i < 2; i++) {
		assert_int_equal(r.targets[i].end, WIRE_END_STOPPED);
		assert_int_equal(r.targets[i].packets, 1234);
		assert_int_equal(r.targets[i].received, 1234);
		assert_int_equal(r.targets[i].n_files, 0);
	}
	wire_report_release(&r);
	assert_int_equal(files_in_spool(), 0);
	end_view(&v);
	drop(c);
}

/* Nothing comes, so only its connection tells. */
static void test_the_viewer_leaves(void **state)
{
	struct wire_arm a = live_arm(1);
	struct wire_report r;
	struct viewer v;
	struct capture *c;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	begin_view(&v);
	wait_for_bytes(&v, 1);
	assert_int_equal(call("GET", STREAM, NULL), 409);
	__atomic_store_n(&v.cancel, true, __ATOMIC_RELAXED);
	pthread_join(v.thread, NULL);
	end_view(&v);
	world_wait_finished(c, 60000);
	world_report(c, &r);
	assert_int_equal(r.targets[0].end, WIRE_END_STOPPED);
	wire_report_release(&r);
	assert_int_equal(call("GET", STREAM, NULL), 409);
	drop(c);
}

/* One that nobody reads loses what finds no room, and a capture beside it nothing. */
static void test_nobody_reads(void **state)
{
	struct wire_arm a = live_arm(1), b = world_arm(OTHER_ID, 1);
	struct wire_report r;
	struct capture *live, *other;
	struct viewer v;

	WORLD_SKIP(root);
	b.filter = xstrdup("udp port 4242");
	live = world_start(&w, &a);
	other = world_start(&w, &b);
	for (int i = 0; i < 20; i++) {
		world_send(1000);
		clock_sleep_ms(60);
	}
	end(other);
	end(live);
	world_report(other, &r);
	assert_int_equal(r.targets[0].packets, 20000);
	assert_int_equal(r.targets[0].received, 20000);
	wire_report_release(&r);
	world_report(live, &r);
	assert_int_equal(r.targets[0].received, 20000);
	assert_true(r.targets[0].dropped_agent > 1000);
	assert_int_equal(r.targets[0].packets + r.targets[0].dropped_agent +
			 r.targets[0].dropped_kernel, 20000);
	/* what it holds is whole, and comes still, with statistics */
	begin_view(&v);
	pthread_join(v.thread, NULL);
	assert_int_equal(v.rc, 0);
	expect_packets(&v, (uint64_t)r.targets[0].packets);
	end_view(&v);
	wire_report_release(&r);
	drop(other);
	drop(live);
}

static void test_refusals(void **state)
{
	struct wire_arm a = world_arm(WORLD_ID, 1);
	struct capture *c;

	WORLD_SKIP(root);
	assert_int_equal(call("GET", STREAM, NULL), 404);
	c = world_start(&w, &a);
	assert_int_equal(call("GET", STREAM, NULL), 404);
	assert_int_equal(call("POST", STREAM, "{}"), 405);
	end(c);
	drop(c);
	for (int i = 0; i < 2; i++) {
		cleanup_json json_t *j = NULL;
		cleanup_free char *text = NULL;

		a = live_arm(1);
		a.attached = i;
		a.format = WIRE_PCAP;
		j = wire_arm_encode(&a);
		text = jx_dump(j);
		wire_arm_release(&a);
		assert_int_equal(call("POST", "/v1/captures", text), 400);
	}
}

static void test_bounds(void **state)
{
	struct capture *c[CAPTURES_LIVE_MAX], *more = NULL;
	struct err err = ERR_INIT;
	struct wire_arm a;

	WORLD_SKIP(root);
	for (int i = 0; i < CAPTURES_LIVE_MAX; i++) {
		a = live_arm(1);
		snprintf(a.id, sizeof(a.id), "20261123T143905Z-00000%d", i);
		c[i] = world_start(&w, &a);
	}
	a = live_arm(1);
	assert_int_equal(captures_arm(w.captures, &a, "digest", &more, &err), CAPTURES_E_TOO_MANY);
	wire_arm_release(&a);
	assert_null(more);
	/* they are none of the captures */
	a = world_arm(OTHER_ID, 1);
	more = world_start(&w, &a);
	end(more);
	drop(more);
	for (int i = 0; i < CAPTURES_LIVE_MAX; i++) {
		end(c[i]);
		drop(c[i]);
	}
	assert_int_equal(atomic_load(&w.works.live_rings.used), 0);
}

static void test_too_many_targets(void **state)
{
	const size_t total = w.works.live_rings.total;
	struct wire_arm a = live_arm(3);
	struct wire_report r;
	struct capture *c;

	WORLD_SKIP(root);
	w.works.live_rings.total = 2 * TARGET_LIVE_RING_BYTES;
	c = world_start(&w, &a);
	world_report(c, &r);
	for (size_t i = 0, armed = 0; i < 3; i++) {
		armed += r.targets[i].state == WIRE_ARMED;
		if (r.targets[i].state == WIRE_FAILED)
			assert_non_null(strstr(r.targets[i].error, "room for 2 targets together"));
		assert_true(i < 2 || armed == 2);
	}
	wire_report_release(&r);
	end(c);
	drop(c);
	w.works.live_rings.total = total;
}

/* Its report can be asked for a while longer. */
static void test_nothing_stays(void **state)
{
	struct wire_arm a = live_arm(1);
	struct capture *c, *found;

	WORLD_SKIP(root);
	c = world_start(&w, &a);
	end(c);
	capture_unref(c);
	captures_tick(w.captures);
	found = captures_find(w.captures, WORLD_ID);
	assert_non_null(found);
	capture_unref(found);
	clock_set_shift_ns((CAPTURES_LIVE_KEPT_MS + 1000) * NS_PER_MS);
	captures_tick(w.captures);
	clock_set_shift_ns(0);
	assert_null(captures_find(w.captures, WORLD_ID));
}

static int set_up(void **state)
{
	struct err err = ERR_INIT;
	int fd;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	root = world_enter();
	world_make(&w);
	api = (struct api_env){ .node = &w.node, .spool = w.spool, .captures = w.captures,
				.metrics = &w.metrics };
	at.unix_path = xasprintf("%s/agent.sock", w.dir);
	assert_int_equal(listen_unix(at.unix_path, &fd, &err), 0);
	assert_int_equal(server_start(&server, fd, NULL, &api, &err), 0);
	return http_new(&client, &at, &err);
}

static int tear_down(void **state)
{
	http_free(client);
	server_stop(server);
	world_free(&w);
	free((char *)at.unix_path);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_packet),
		cmocka_unit_test(test_the_viewer_leaves),
		cmocka_unit_test(test_nobody_reads),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_too_many_targets),
		cmocka_unit_test(test_nothing_stays),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
