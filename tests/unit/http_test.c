/* SPDX-License-Identifier: Apache-2.0
 *
 * http_test.c - the HTTP client against real servers: what passes, and what each failure is
 */
#include "fake_http.h"

#include <errno.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "http.h"

#define FILE_SIZE 100000

static char file_bytes[FILE_SIZE];
static _Atomic bool release_readers;

/* ---- the server ---- */

static ssize_t drip(void *arg, uint64_t pos, char *out, size_t max)
{
	if (pos == 0) {
		memset(out, 'x', 10);
		return 10;
	}
	while (!release_readers)
		clock_sleep_ms(10);
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result answer_drip(struct MHD_Connection *c)
{
	struct MHD_Response *r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 1024, drip,
								   NULL, NULL);
	enum MHD_Result rc = MHD_queue_response(c, 200, r);

	MHD_destroy_response(r);
	return rc;
}

static enum MHD_Result answer_file(struct MHD_Connection *c)
{
	const char *range = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Range");
	size_t from = range ? strtoul(range + strlen("bytes="), NULL, 10) : 0;

	if (from >= FILE_SIZE)
		return fake_answer(c, 416, "past the end", 12, NULL);
	return fake_answer(c, range ? 206 : 200, file_bytes + from, FILE_SIZE - from, NULL);
}

static enum MHD_Result answer_echo(struct MHD_Connection *c, const char *method,
				   const struct buf *body)
{
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");
	const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
	cleanup_free char *text = xasprintf("%s %s %.4s %zu", method, type ? type : "-", host,
					    body->len);

	return fake_answer(c, 200, text, strlen(text), NULL);
}

static enum MHD_Result serve(void *arg, struct MHD_Connection *c, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *size, void **state)
{
	static const char *const headers[] = { "api-version", "1.43", "Swarm", "active/manager",
					       NULL };
	struct buf *upload = *state;

	if (!upload) {
		*state = upload = xmalloc(sizeof(*upload));
		*upload = (struct buf)BUF_INIT(8 << 20);
		return MHD_YES;
	}
	if (*size) {
		buf_add(upload, data, *size);
		*size = 0;
		return MHD_YES;
	}

	if (strcmp(url, "/teapot") == 0)
		return fake_answer(c, 418, "teapot", 6, headers);
	if (strcmp(url, "/redirect") == 0)
		return fake_answer(c, 301, "", 0,
				   (const char *const[]){ "Location", "/teapot", NULL });
	if (strcmp(url, "/file") == 0)
		return answer_file(c);
	if (strcmp(url, "/whole") == 0)
		return fake_answer(c, 200, file_bytes, FILE_SIZE, NULL);
	if (strcmp(url, "/refused") == 0)
		return fake_answer(c, 500, file_bytes, FILE_SIZE, NULL);
	if (strcmp(url, "/drip") == 0)
		return answer_drip(c);
	return answer_echo(c, method, upload);
}

static void forget(void *arg, struct MHD_Connection *c, void **state,
		   enum MHD_RequestTerminationCode why)
{
	if (*state)
		buf_release(*state);
	util_freep(state);
}

/* ---- the fixture: one server each ---- */

static struct fake plain, local;

static struct MHD_Daemon *start_on(int listener)
{
	struct MHD_Daemon *d = MHD_start_daemon(FAKE_FLAGS, 0, NULL, NULL, serve, NULL,
						MHD_OPTION_LISTEN_SOCKET, listener,
						MHD_OPTION_NOTIFY_COMPLETED, forget, NULL,
						MHD_OPTION_END);

	assert_non_null(d);
	return d;
}

static int start(void **state)
{
	for (size_t i = 0; i < FILE_SIZE; i++)
		file_bytes[i] = (char)('a' + i % 23);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	plain.daemon = start_on(fake_listen_tcp(&plain));
	local.daemon = start_on(fake_listen_unix(&local));
	return 0;
}

static int stop(void **state)
{
	release_readers = true;
	fake_stop(&plain);
	fake_stop(&local);
	curl_global_cleanup();
	return 0;
}

static struct http *open_http(const struct http_endpoint *at)
{
	struct err err = ERR_INIT;
	struct http *h = NULL;

	assert_int_equal(http_new(&h, at, &err), 0);
	assert_non_null(h);
	return h;
}

static struct http *open_plain(void)
{
	return open_http(&(struct http_endpoint){ .host = "127.0.0.1", .port = plain.port,
						  .timeout_ms = 2000, .stall_timeout_ms = 300 });
}

/* ---- calls ---- */

static void check_call(struct http *h)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;

	assert_int_equal(http_call(h, "GET", "/teapot", NULL, &r, &err), 0);
	assert_int_equal(r.status, 418);
	assert_string_equal(r.body.data, "teapot");
	assert_string_equal(r.api_version, "1.43");
	assert_string_equal(r.swarm, "active/manager");

	assert_int_equal(http_call(h, "POST", "/x", "{\"a\": 1}", &r, &err), 0);
	assert_int_equal(r.status, 200);
	assert_memory_equal(r.body.data, "POST application/json ", 22);
	assert_string_equal(strrchr(r.body.data, ' '), " 8");
	assert_string_equal(r.api_version, "");
	assert_string_equal(r.swarm, "");

	assert_int_equal(http_call(h, "POST", "/x", NULL, &r, &err), 0);
	assert_memory_equal(r.body.data, "POST - ", 7);
	assert_int_equal(http_call(h, "DELETE", "/x", NULL, &r, &err), 0);
	assert_memory_equal(r.body.data, "DELETE - ", 9);
	assert_string_equal(strrchr(r.body.data, ' '), " 0");
	assert_int_equal(http_call(h, "GET", "/redirect", NULL, &r, &err), 0);
	assert_int_equal(r.status, 301);
	assert_int_equal(err.code, 0);
	http_free(h);
}

static void test_calls_despite_proxies(void **state)
{
	check_call(open_plain());
	check_call(open_http(&(struct http_endpoint){ .unix_path = local.path }));
}

static void test_large_body_is_sent(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	cleanup_free char *body = xmalloc((2 << 20) + 1);
	struct http *h = open_plain();

	memset(body, ' ', 2 << 20);
	body[2 << 20] = '\0';
	assert_int_equal(http_call(h, "POST", "/x", body, &r, NULL), 0);
	assert_string_equal(strrchr(r.body.data, ' '), " 2097152");
	http_free(h);
}

static void test_ceiling(void **state)
{
	struct http_reply r = { 0, BUF_INIT(FILE_SIZE - 1), "", "" };
	struct err err = ERR_INIT;
	struct http *h = open_plain();

	assert_int_equal(http_call(h, "GET", "/whole", NULL, &r, &err), -EFBIG);
	assert_non_null(strstr(err.text, "too large"));
	r.body.ceiling = FILE_SIZE;
	assert_int_equal(http_call(h, "GET", "/whole", NULL, &r, NULL), 0);
	assert_int_equal(r.body.len, FILE_SIZE);
	http_reply_release(&r);
	http_free(h);
}

static void test_timeout(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;
	struct http *h = open_plain();
	int64_t before = clock_mono_ns();

	http_set_timeout(h, 150);
	assert_int_equal(http_call(h, "GET", "/drip", NULL, &r, &err), -ETIMEDOUT);
	assert_non_null(strstr(err.text, "no answer from 127.0.0.1:"));
	assert_non_null(strstr(err.text, "within 150 ms"));
	assert_true(clock_mono_ns() - before < NS_PER_S);
	http_set_timeout(h, 0);
	assert_int_equal(http_call(h, "GET", "/teapot", NULL, &r, NULL), 0);
	http_free(h);
}

static void test_call_cancelled(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	volatile bool cancel = true;
	struct http *h = open_http(&(struct http_endpoint){
		.host = "127.0.0.1", .port = plain.port, .cancel = &cancel });

	assert_int_equal(http_call(h, "GET", "/drip", NULL, &r, NULL), -ECANCELED);
	cancel = false;
	assert_int_equal(http_call(h, "GET", "/teapot", NULL, &r, NULL), 0);
	http_free(h);
}

/* ---- nobody there ---- */

static void check_refused(const struct http_endpoint *at, int code, const char *words)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct http *h = open_http(at);
	struct err err = ERR_INIT;

	assert_int_equal(http_call(h, "GET", "/", NULL, &r, &err), code);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, words))
		fail_msg("'%s' does not say '%s'", err.text, words);
	http_free(h);
}

static void test_refused(void **state)
{
	cleanup_free char *absent = xasprintf("%s/none", local.dir),
			  *dead = xasprintf("%s/dead", local.dir);
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	check_refused(&(struct http_endpoint){ .host = "127.0.0.1", .port = 1 }, -ECONNREFUSED,
		      "cannot connect to 127.0.0.1:1: Connection refused");
	check_refused(&(struct http_endpoint){ .unix_path = absent }, -ENOENT, "No such file");

	memcpy(sa.sun_path, dead, strlen(dead));
	assert_return_code(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	check_refused(&(struct http_endpoint){ .unix_path = dead }, -ECONNREFUSED,
		      "Connection refused");
	close(fd);
	unlink(dead);
}

static void test_no_permission(void **state)
{
	bool root = geteuid() == 0;

	chmod(local.path, 0);
	if (root)
		assert_return_code(seteuid(65534), 0);
	check_refused(&(struct http_endpoint){ .unix_path = local.path }, -EACCES,
		      "Permission denied");
	if (root)
		assert_return_code(seteuid(0), 0);
	chmod(local.path, 0600);
}

static void test_path_too_long(void **state)
{
	char path[200] = { [0 ... 198] = 'a' };
	struct err err = ERR_INIT;
	struct http *h = NULL;

	assert_int_equal(http_new(&h, &(struct http_endpoint){ .unix_path = path }, &err),
			 -ENAMETOOLONG);
	assert_null(h);
}

static void check_raw(const char *text, const char *endless, int code)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct err err = ERR_INIT;
	struct fake f;
	struct http *h;

	fake_start_raw(&f, text, endless);
	h = open_http(&(struct http_endpoint){ .host = "127.0.0.1", .port = f.port });
	assert_int_equal(http_call(h, "GET", "/", NULL, &r, &err), code);
	for (const char *p = err.text; *p; p++)
		assert_true(*p >= ' ' && *p < 0x7f);
	http_free(h);
	fake_stop(&f);
}

static void test_bad_servers(void **state)
{
	check_raw("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", NULL, -ECONNRESET);
	check_raw("", NULL, -ECONNRESET);
	check_raw("\033[31mno HTTP at all\r\n", NULL, -EPROTO);
	check_raw("HTTP/1.1 200 OK\r\n", "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n",
		  -EFBIG);
}

/* ---- fetch ---- */

struct sink {
	struct buf got;
	int fail;
	volatile bool *cancel;
};

static int take_bytes(void *arg, const void *p, size_t n)
{
	struct sink *s = arg;

	if (s->cancel)
		*s->cancel = true;
	return s->fail ? s->fail : buf_add(&s->got, p, n);
}

static void check_fetch(const char *path, uint64_t from, long status)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct http *h = open_plain();

	assert_int_equal(http_fetch(h, path, from, take_bytes, &s, NULL, &r, NULL), 0);
	assert_int_equal(r.status, status);
	assert_int_equal(s.got.len, FILE_SIZE - from);
	assert_memory_equal(s.got.data, file_bytes + from, s.got.len);
	/* the range does not stick to the connection */
	assert_int_equal(http_call(h, "GET", "/file", NULL, &r, NULL), 0);
	assert_int_equal(r.body.len, FILE_SIZE);
	buf_release(&s.got);
	http_free(h);
}

static void test_fetch(void **state)
{
	check_fetch("/file", 0, 200);
	check_fetch("/file", 12345, 206);
	/* a server that does not know ranges */
	check_fetch("/whole", 12345, 200);
}

static int64_t timed_fetch(struct http *h, int64_t rate)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct err err = ERR_INIT;
	int64_t before = clock_mono_ns();

	http_set_fetch_rate(h, rate);
	if (http_fetch(h, "/file", 0, take_bytes, &s, NULL, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.got.len, FILE_SIZE);
	assert_memory_equal(s.got.data, file_bytes, FILE_SIZE);
	buf_release(&s.got);
	return (clock_mono_ns() - before) / NS_PER_MS;
}

/* 100 kB at 80 kB/s. */
static void test_fetch_at_a_rate(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct http *h = open_plain();
	int64_t before;

	assert_in_range(timed_fetch(h, 80000), 1250, 5000);
	/* calls are not slowed */
	before = clock_mono_ns();
	assert_int_equal(http_call(h, "GET", "/file", NULL, &r, NULL), 0);
	assert_int_equal(r.body.len, FILE_SIZE);
	assert_true(clock_mono_ns() - before < NS_PER_S);
	assert_in_range(timed_fetch(h, 0), 0, 900);
	http_free(h);
}

/* Silences that are longer than the time-out, all our own. */
static void test_a_low_rate_is_no_stall(void **state)
{
	int64_t before = clock_mono_ns();
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct err err = ERR_INIT;
	struct http *h = open_plain();

	http_set_fetch_rate(h, 2000);
	if (http_fetch(h, "/file", FILE_SIZE - 3000, take_bytes, &s, NULL, &r, &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(s.got.len, 3000);
	assert_true(clock_mono_ns() - before >= 1500 * NS_PER_MS);
	buf_release(&s.got);
	http_free(h);
}

static void *cancel_soon(void *cancel)
{
	clock_sleep_ms(200);
	__atomic_store_n((volatile bool *)cancel, true, __ATOMIC_RELAXED);
	return NULL;
}

/* All bytes are here within a moment; what is waited for is the rate. */
static void test_waiting_is_cancelled(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct http *h = open_plain();
	volatile bool cancel = false;
	int64_t before = clock_mono_ns();
	pthread_t thread;

	http_set_fetch_rate(h, 100);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, (void *)&cancel), 0);
	assert_int_equal(http_fetch(h, "/file", 0, take_bytes, &s, &cancel, &r, NULL), -ECANCELED);
	assert_true(clock_mono_ns() - before < 2 * NS_PER_S);
	pthread_join(thread, NULL);
	buf_release(&s.got);
	http_free(h);
}

static void test_fetch_refused(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct http *h = open_plain();

	assert_int_equal(http_fetch(h, "/file", FILE_SIZE, take_bytes, &s, NULL, &r, NULL), 0);
	assert_int_equal(r.status, 416);
	assert_string_equal(r.body.data, "past the end");
	assert_int_equal(http_fetch(h, "/refused", 0, take_bytes, &s, NULL, &r, NULL), 0);
	assert_int_equal(r.status, 500);
	assert_int_equal(r.body.len, 64 << 10);
	assert_int_equal(s.got.len, 0);
	http_free(h);
}

/* Bytes come and come, so no time-out would ever end it. */
static void test_fetch_refused_without_end(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(0) };
	struct err err = ERR_INIT;
	struct fake f;
	struct http *h;

	fake_start_raw(&f, "HTTP/1.1 404 No\r\n\r\n", "and another thing: ");
	h = open_http(&(struct http_endpoint){ .host = "127.0.0.1", .port = f.port });
	assert_int_equal(http_fetch(h, "/file", 0, take_bytes, &s, NULL, &r, &err), -EFBIG);
	assert_non_null(strstr(err.text, "is too large"));
	http_free(h);
	fake_stop(&f);
}

static void test_fetch_ended_by_sink(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(0), .fail = -ENOSPC };
	struct err err = ERR_INIT;
	struct http *h = open_plain();

	assert_int_equal(http_fetch(h, "/file", 0, take_bytes, &s, NULL, &r, &err), -ENOSPC);
	assert_non_null(strstr(err.text, "No space left"));
	http_free(h);
}

static void test_fetch_stalls(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct sink s = { .got = BUF_INIT(FILE_SIZE) };
	struct err err = ERR_INIT;
	struct http *h = open_plain();

	assert_int_equal(http_fetch(h, "/drip", 0, take_bytes, &s, NULL, &r, &err), -ETIMEDOUT);
	assert_int_equal(s.got.len, 10);
	assert_non_null(strstr(err.text, "no answer from"));
	buf_release(&s.got);
	http_free(h);
}

static void test_fetch_cancelled(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	volatile bool cancel = false;
	struct sink s = { .got = BUF_INIT(FILE_SIZE), .cancel = &cancel };
	struct http *h = open_http(
		&(struct http_endpoint){ .host = "127.0.0.1", .port = plain.port });

	assert_int_equal(http_fetch(h, "/drip", 0, take_bytes, &s, &cancel, &r, NULL), -ECANCELED);
	buf_release(&s.got);
	http_free(h);
}

/* ---- a dialer */

struct dialing {
	int calls, code;
};

static int dial_plain(void *arg, struct err *err)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_port = htons(plain.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct dialing *d = arg;
	int fd;

	d->calls++;
	if (d->code)
		return err_set(err, d->code, "the tunnel is shut: ask the digger");
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_return_code(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	return fd;
}

/* An end of a pair, as an ssh channel's is: its peer has no name. */
static int dial_pair(void *arg, struct err *err)
{
	struct sockaddr_in nobody = { .sin_family = AF_INET };
	struct dialing *d = arg;
	int fds[2];

	d->calls++;
	assert_return_code(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(MHD_add_connection(plain.daemon, fds[1], (struct sockaddr *)&nobody,
					    sizeof(nobody)), MHD_YES);
	return fds[0];
}

/* The address is a name for people: nobody connects to it, nobody looks it up. */
static void check_dialed_once(int (*dial)(void *arg, struct err *err))
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct dialing d = { 0 };
	const struct http_dialer dialer = { dial, &d };
	struct err err = ERR_INIT;
	struct http *h = open_http(&(struct http_endpoint){
		.dialer = &dialer, .host = "no.such.host.invalid", .port = 1 });

	for (int i = 0; i < 3; i++)
		if (http_call(h, "GET", "/echo", NULL, &r, &err) < 0)
			fail_msg("%s", err.text);
	assert_int_equal(r.status, 200);
	assert_int_equal(d.calls, 1);
	http_free(h);
}

static void test_dialer(void **state)
{
	check_dialed_once(dial_plain);
}

static void test_dialed_pair_is_kept(void **state)
{
	check_dialed_once(dial_pair);
}

static void test_dialer_fails(void **state)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	struct dialing d = { .code = -ENOLINK };
	const struct http_dialer dialer = { dial_plain, &d };
	struct err err = ERR_INIT;
	struct http *h = open_http(&(struct http_endpoint){ .dialer = &dialer });

	assert_int_equal(http_call(h, "GET", "/echo", NULL, &r, &err), -ENOLINK);
	assert_string_equal(err.text, "the tunnel is shut: ask the digger");
	assert_int_equal(d.calls, 1);
	d.code = 0;
	err_reset(&err);
	assert_int_equal(http_call(h, "GET", "/echo", NULL, &r, &err), 0);
	http_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_calls_despite_proxies),
		cmocka_unit_test(test_large_body_is_sent),
		cmocka_unit_test(test_ceiling),
		cmocka_unit_test(test_timeout), cmocka_unit_test(test_call_cancelled),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_no_permission), cmocka_unit_test(test_path_too_long),
		cmocka_unit_test(test_bad_servers), cmocka_unit_test(test_fetch),
		cmocka_unit_test(test_fetch_at_a_rate),
		cmocka_unit_test(test_a_low_rate_is_no_stall),
		cmocka_unit_test(test_waiting_is_cancelled),
		cmocka_unit_test(test_fetch_refused),
		cmocka_unit_test(test_fetch_refused_without_end),
		cmocka_unit_test(test_fetch_ended_by_sink),
		cmocka_unit_test(test_fetch_stalls), cmocka_unit_test(test_fetch_cancelled),
		cmocka_unit_test(test_dialer), cmocka_unit_test(test_dialed_pair_is_kept),
		cmocka_unit_test(test_dialer_fails),
	};

	return cmocka_run_group_tests_name("http", tests, start, stop);
}
