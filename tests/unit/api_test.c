/* SPDX-License-Identifier: Apache-2.0
 *
 * api_test.c - the agent's API over a unix socket: answers, refusals, ranges
 */
#include "agent_world.h"
#include "../../agent/listen.h"
#include "../../agent/server.h"

#include <curl/curl.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "http.h"
#include "version.h"

static bool root;
static struct world w;
static struct api_env api;
static struct server *server;
static struct http *client;
static char *socket_path;

/* The status; the body as JSON in *j when it is some (free it). */
static long call(const char *method, const char *path, const char *body, json_t **j)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;

	if (http_call(client, method, path, body, &reply, &err))
		fail_msg("%s %s: %s", method, path, err.text);
	if (j && jx_parse(reply.body.data, reply.body.len, "answer", j, NULL))
		*j = NULL;
	return reply.status;
}

static void expect_error(const char *method, const char *path, const char *body, long status,
			 const char *code)
{
	cleanup_json json_t *j = NULL;

	assert_int_equal(call(method, path, body, &j), status);
	assert_string_equal(jx_str(j, "error.code", ""), code);
	assert_true(*jx_str(j, "error.message", "") != '\0');
}

static char *arm_body(const char *id, const char *change, json_t *value)
{
	struct wire_arm a = world_arm(id, 1);
	cleanup_json json_t *j = wire_arm_encode(&a);

	wire_arm_release(&a);
	if (change)
		json_object_set_new(j, change, value);
	return jx_dump(j);
}

static void expect_arm_refused(const char *change, json_t *value, long status, const char *code)
{
	cleanup_free char *body = arm_body(WORLD_ID, change, value);

	expect_error("POST", "/v1/captures", body, status, code);
}

static void test_info(void **state)
{
	cleanup_json json_t *j = NULL;

	assert_int_equal(call("GET", "/v1/info", NULL, &j), 200);
	assert_string_equal(jx_str(j, "version", ""), SWARMCAP_VERSION);
	assert_string_equal(jx_str(j, "node_id", ""), "node1id");
	assert_int_equal(jx_int(j, "api", 0), SWARMCAP_API);
	assert_true(jx_int(j, "spool_free", 0) > 0);
}

static void test_time(void **state)
{
	cleanup_json json_t *j = NULL;
	int64_t before = clock_wall_ns();

	assert_int_equal(call("GET", "/v1/time", NULL, &j), 200);
	assert_in_range(jx_int(j, "now_ns", 0), before, clock_wall_ns());
}

static void test_paths(void **state)
{
	expect_error("GET", "/", NULL, 404, "not-found");
	expect_error("GET", "/v1", NULL, 404, "not-found");
	expect_error("GET", "/v1/info/", NULL, 404, "not-found");
	expect_error("GET", "/v1/captures/", NULL, 404, "not-found");
	expect_error("DELETE", "/v1/info", NULL, 405, "bad-method");
	expect_error("GET", "/v1/captures/" WORLD_ID, NULL, 404, "not-found");
	expect_error("GET", "/v1/captures/..", NULL, 404, "not-found");
	expect_error("GET", "/v1/captures/..%2f..%2fetc", NULL, 404, "not-found");
	expect_error("DELETE", "/v1/captures/" WORLD_ID, NULL, 404, "not-found");
	expect_error("GET", "/v1/captures/" WORLD_ID "/files/x", NULL, 404, "not-found");
}

static void test_arm_refusals(void **state)
{
	expect_error("POST", "/v1/captures", "", 400, "bad-request");
	expect_error("POST", "/v1/captures", "[]", 400, "bad-request");
	expect_error("POST", "/v1/captures", "{\"version\": 2}", 400, "bad-version");
	expect_error("POST", "/v1/captures", "{\"version\": 1}", 400, "bad-request");
	expect_arm_refused("version", json_integer(7), 400, "bad-version");
	expect_arm_refused("id", json_string("../../x"), 400, "bad-request");
	expect_arm_refused("node_id", json_string("another"), 409, "wrong-node");
	expect_arm_refused("filter", json_string("tcp port 80 and ("), 400, "bad-filter");
	expect_arm_refused("filter", json_string("host example.org"), 400, "bad-filter");
	expect_arm_refused("snaplen", json_integer(1 << 30), 400, "bad-request");
	expect_arm_refused("format", json_string("erf"), 400, "bad-request");
	expect_arm_refused("targets", json_string("all"), 400, "bad-request");
	expect_arm_refused("deadline_ms", json_integer(0), 400, "bad-request");
}

static void test_body_ceiling(void **state)
{
	cleanup_free char *body = xmalloc(WIRE_BODY_MAX + 100);

	memset(body, ' ', WIRE_BODY_MAX + 99);
	body[WIRE_BODY_MAX + 99] = '\0';
	expect_error("POST", "/v1/captures", body, 413, "too-large");
}

static void arm(const char *id, char *token)
{
	cleanup_free char *body = arm_body(id, "attached", json_true());
	cleanup_json json_t *j = NULL, *again = NULL;

	assert_int_equal(call("POST", "/v1/captures", body, &j), 201);
	assert_string_equal(jx_str(j, "state", ""), "running");
	snprintf(token, WIRE_TOKEN_HEX, "%s", jx_str(j, "token", ""));
	assert_int_equal(strlen(token), WIRE_TOKEN_HEX - 1);
	assert_int_equal(call("POST", "/v1/captures", body, &again), 200);
	assert_string_equal(jx_str(again, "token", ""), token);
	free(take_ptr(&body));
	body = arm_body(id, "snaplen", json_integer(99));
	expect_error("POST", "/v1/captures", body, 409, "exists");
}

struct sink {
	struct buf b;
};

static int take(void *arg, const void *p, size_t n)
{
	return buf_add(&((struct sink *)arg)->b, p, n);
}

static void fetch(const char *path, uint64_t from, long status, struct sink *s)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;

	s->b = (struct buf)BUF_INIT(8 << 20);
	(void)http_fetch(client, path, from, take, s, NULL, &reply, &err);
	assert_int_equal(reply.status, status);
}

/* Pages of a spooled file that are in the page cache, of all its pages. */
static void count_cached(const char *name, size_t *cached, size_t *all)
{
	cleanup_free char *path = xasprintf("%s/" WORLD_ID "/%s", w.spool_dir, name);
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	cleanup_free unsigned char *here = NULL;
	struct stat st;
	void *map;

	assert_return_code(fd, errno);
	assert_return_code(fstat(fd, &st), errno);
	*all = ((size_t)st.st_size + page - 1) / page;
	here = xcalloc(*all, 1);
	map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(map, MAP_FAILED);
	assert_return_code(mincore(map, (size_t)st.st_size, here), errno);
	*cached = 0;
	for (size_t i = 0; i < *all; i++)
		*cached += here[i] & 1;
	munmap(map, (size_t)st.st_size);
	close(fd);
}

/* A fetch leaves next to nothing in the page cache; a file system in memory is one. */
static void check_not_cached(const char *name)
{
	size_t cached, all;
	struct statfs fs;

	assert_return_code(statfs(w.spool_dir, &fs), errno);
	if (fs.f_type == TMPFS_MAGIC)
		return;
	count_cached(name, &cached, &all);
	if (cached * 10 > all)
		fail_msg("%zu of %zu pages are cached", cached, all);
}

/* Those that are nicer than we are, and than the one that reads for live views. */
static int nice_threads(void)
{
	int ours = getpriority(PRIO_PROCESS, 0);
	int least = ours > PUMP_ASIDE_NICE ? ours : PUMP_ASIDE_NICE;
	struct dirent *e;
	DIR *d = opendir("/proc/self/task");
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += *e->d_name != '.' && getpriority(PRIO_PROCESS, (id_t)atoi(e->d_name)) > least;
	closedir(d);
	return n;
}

static void check_fetch(const char *path, int64_t bytes, const char *xxh128)
{
	char hex[CHECKSUM_HEX];
	struct checksum *c = checksum_new();
	struct sink whole, rest;

	fetch(path, 0, 200, &whole);
	assert_int_equal(whole.b.len, bytes);
	checksum_add(c, whole.b.data, whole.b.len);
	checksum_end(c, hex);
	assert_string_equal(hex, xxh128);
	fetch(path, 1000, 206, &rest);
	assert_int_equal(rest.b.len, bytes - 1000);
	assert_memory_equal(rest.b.data, whole.b.data + 1000, rest.b.len);
	buf_release(&rest.b);
	fetch(path, (uint64_t)bytes, 416, &rest);
	buf_release(&rest.b);
	buf_release(&whole.b);
}

/* Arm, renew, send, stop, fetch, remove: the life of a capture as the coordinator sees it. */
static void test_life(void **state)
{
	cleanup_free char *renew = NULL;
	cleanup_json json_t *j = NULL, *list = NULL, *report = NULL;
	char token[WIRE_TOKEN_HEX];
	const json_t *file;

	WORLD_SKIP(root);
	arm(WORLD_ID, token);
	expect_error("POST", "/v1/captures/" WORLD_ID "/renew", "{\"token\": \"x\"}", 403,
		     "bad-token");
	renew = xasprintf("{\"token\": \"%s\", \"window_start_ns\": 42}", token);
	assert_int_equal(call("POST", "/v1/captures/" WORLD_ID "/renew", renew, NULL), 200);
	world_send(4000);
	expect_error("POST", "/v1/captures/" WORLD_ID "/stop", "{\"reason\": \"bored\"}", 400,
		     "bad-request");
	assert_int_equal(call("POST", "/v1/captures/" WORLD_ID "/stop",
			      "{\"reason\": \"duration\", \"window_stop_ns\": 43}", &j), 200);
	assert_string_equal(jx_str(j, "state", ""), "finished");
	assert_string_equal(jx_str(json_array_get(jx_get(j, "targets"), 0), "end", ""), "duration");
	assert_int_equal(jx_int(j, "window_start_ns", 0), 42);
	assert_int_equal(jx_int(j, "window_stop_ns", 0), 43);
	file = json_array_get(jx_get(json_array_get(jx_get(j, "targets"), 0), "files"), 0);
	assert_int_equal(jx_int(file, "packets", 0), 4000);
	assert_int_equal(nice_threads(), 0);
	check_fetch("/v1/captures/" WORLD_ID "/files/0-000.pcapng", jx_int(file, "bytes", 0),
		    jx_str(file, "xxh128", ""));
	/* the thread that served it, and nobody else */
	assert_int_equal(nice_threads(), getpriority(PRIO_PROCESS, 0) < 10);
	expect_error("GET", "/v1/captures/" WORLD_ID "/files/state.json", NULL, 404, "not-found");
	assert_int_equal(call("GET", "/v1/captures", NULL, &list), 200);
	assert_int_equal(jx_len(list, "captures"), 1);
	clock_sleep_ms(50);	/* that the answer went out is noted behind it */
	check_not_cached("0-000.pcapng");
	assert_int_equal(call("GET", "/v1/captures/" WORLD_ID, NULL, &report), 200);
	assert_true(jx_bool(report, "fetched", false));
	assert_int_equal(call("DELETE", "/v1/captures/" WORLD_ID, NULL, NULL), 204);
	expect_error("DELETE", "/v1/captures/" WORLD_ID, NULL, 404, "not-found");
}

static void test_too_many(void **state)
{
	char token[WIRE_TOKEN_HEX], id[NAMES_ID_MAX];
	cleanup_free char *body = arm_body(WORLD_ID, NULL, NULL);

	WORLD_SKIP(root);
	for (int i = 0; i < CAPTURES_RUNNING_MAX; i++) {
		snprintf(id, sizeof(id), "20261123T000000Z-%06x", (unsigned)i);
		arm(id, token);
	}
	expect_error("POST", "/v1/captures", body, 429, "too-many");
	for (int i = 0; i < CAPTURES_RUNNING_MAX; i++) {
		cleanup_free char *path =
			xasprintf("/v1/captures/20261123T000000Z-%06x", (unsigned)i);

		assert_int_equal(call("DELETE", path, NULL, NULL), 204);
	}
}

static void test_metrics(void **state)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;

	assert_int_equal(http_call(client, "GET", "/metrics", NULL, &reply, NULL), 0);
	assert_int_equal(reply.status, 200);
	assert_non_null(strstr(reply.body.data, "\nswarmcap_requests_total{code=\"404\"} "));
	assert_non_null(strstr(reply.body.data, "\nswarmcap_captures_running 0\n"));
	assert_non_null(strstr(reply.body.data, "\n# TYPE swarmcap_spool_free_bytes gauge\n"));
}

static int set_up(void **state)
{
	struct http_endpoint at = { 0 };
	struct err err = ERR_INIT;
	int fd;

	curl_global_init(CURL_GLOBAL_DEFAULT);
	root = world_enter();
	world_make(&w);
	api = (struct api_env){ .node = &w.node, .spool = w.spool, .captures = w.captures,
				.metrics = &w.metrics };
	socket_path = xasprintf("%s/agent.sock", w.dir);
	assert_int_equal(listen_unix(socket_path, &fd, &err), 0);
	assert_int_equal(server_start(&server, fd, NULL, &api, &err), 0);
	at.unix_path = socket_path;
	return http_new(&client, &at, &err);
}

static int tear_down(void **state)
{
	http_free(client);
	server_stop(server);
	world_free(&w);
	free(socket_path);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_paths),
		cmocka_unit_test(test_arm_refusals),
		cmocka_unit_test(test_body_ceiling),
		cmocka_unit_test(test_life),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_metrics),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
