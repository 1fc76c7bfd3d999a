/* SPDX-License-Identifier: Apache-2.0
 *
 * server_test.c - who may speak to the agent over TCP, and that silent peers hold nobody up
 */
#include "agent_certs.h"
#include "agent_world.h"
#include "../../agent/listen.h"
#include "../../agent/server.h"

#include <curl/curl.h>

#include "http.h"
#include "version.h"

#define PORT 19473

static bool root;
static struct world w;
static struct certs_ca ca, other_ca;
static struct auth_files tls;
static struct api_env api;
static struct server *server;

static const struct certs_plan good_client = {
	.file = "client", .name = SWARMCAP_CLIENT_NAME, .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
};

static void make_all(void)
{
	const struct certs_plan cas[] = {
		{ .file = "ca", .name = "swarmcap CA", .is_ca = true },
		{ .file = "other-ca", .name = "swarmcap CA", .is_ca = true },
	};
	const struct certs_plan ours[] = {
		good_client,
		{ .file = "agent",
		  .name = SWARMCAP_AGENT_NAME,
		  .san = SWARMCAP_AGENT_NAME,
		  .purpose = GNUTLS_KP_TLS_WWW_SERVER },
		{ .file = "expired",
		  .name = SWARMCAP_CLIENT_NAME,
		  .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
		  .from_s = -7200,
		  .to_s = -10 },
		{ .file = "future",
		  .name = SWARMCAP_CLIENT_NAME,
		  .purpose = GNUTLS_KP_TLS_WWW_CLIENT,
		  .from_s = 3000 },
		{ .file = "named", .name = "somebody", .purpose = GNUTLS_KP_TLS_WWW_CLIENT },
		{ .file = "nopurpose", .name = SWARMCAP_CLIENT_NAME },
		{ .file = "server-named-client",
		  .name = SWARMCAP_CLIENT_NAME,
		  .purpose = GNUTLS_KP_TLS_WWW_SERVER },
	};
	struct certs_plan stranger = good_client;

	certs_make(w.dir, &cas[0], &ca);
	certs_make(w.dir, &cas[1], &other_ca);
	for (size_t i = 0; i < ARRAY_SIZE(ours); i++)
		certs_make(w.dir, &ours[i], &ca);
	stranger.file = "stranger";
	certs_make(w.dir, &stranger, &other_ca);
}

/* The status of GET /v1/info with these credentials (NULL: none), or a negative errno. */
static long ask_with(const char *file, struct http_reply *reply)
{
	cleanup_free char *ca_file = xasprintf("%s/ca.pem", w.dir);
	cleanup_free char *cert = file ? xasprintf("%s/%s.pem", w.dir, file) : NULL;
	cleanup_free char *key = file ? xasprintf("%s/%s-key.pem", w.dir, file) : NULL;
	const struct http_endpoint at = {
		.host = "127.0.0.1", .port = PORT, .ca_file = ca_file, .cert_file = cert,
		.key_file = key, .server_name = SWARMCAP_AGENT_NAME,
	};
	struct err err = ERR_INIT;
	struct http *h = NULL;
	long r = http_new(&h, &at, &err);

	if (!r)
		r = http_call(h, "GET", "/v1/info", NULL, reply, &err);
	http_free(h);
	return r ? r : reply->status;
}

static void refused(const char *file, const char *why)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;

	WORLD_SKIP(root);
	assert_int_equal(ask_with(file, &reply), 403);
	assert_non_null(strstr(reply.body.data, "\"code\":\"forbidden\""));
	if (!strstr(reply.body.data, why))
		fail_msg("not refused for '%s': %s", why, reply.body.data);
	assert_null(strstr(reply.body.data, "node1id"));
}

static void test_right_one(void **state)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;

	WORLD_SKIP(root);
	assert_int_equal(ask_with("client", &reply), 200);
	assert_non_null(strstr(reply.body.data, "node1id"));
}

static void test_no_certificate(void **state) { refused(NULL, "no certificate"); }
static void test_other_ca(void **state) { refused("stranger", "refused"); }
static void test_expired(void **state) { refused("expired", "expired"); }
static void test_not_yet(void **state) { refused("future", "not yet"); }
static void test_another_agent(void **state) { refused("agent", ""); }
static void test_server_purpose(void **state) { refused("server-named-client", ""); }
static void test_no_purpose(void **state) { refused("nopurpose", "not for clients"); }
static void test_other_name(void **state) { refused("named", "not the client's"); }

/* Plain HTTP, and a TLS handshake below 1.3, get no answer at all. */
static void test_plain(void **state)
{
	const struct http_endpoint at = { .host = "127.0.0.1", .port = PORT };
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct http *h = NULL;

	WORLD_SKIP(root);
	assert_int_equal(http_new(&h, &at, NULL), 0);
	assert_true(http_call(h, "GET", "/v1/info", NULL, &reply, NULL) < 0);
	http_free(h);
}

static void test_tls12(void **state)
{
	CURL *c;

	WORLD_SKIP(root);
	c = curl_easy_init();
	curl_easy_setopt(c, CURLOPT_URL, "https://127.0.0.1:19473/v1/info");
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION,
			 (long)(CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2));
	assert_int_equal(curl_easy_perform(c), CURLE_SSL_CONNECT_ERROR);
	curl_easy_cleanup(c);
}

static int connect_silently(const char *from)
{
	struct sockaddr_in a = { .sin_family = AF_INET },
			   to = { .sin_family = AF_INET, .sin_port = htons(PORT) };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	inet_pton(AF_INET, from, &a.sin_addr);
	inet_pton(AF_INET, "127.0.0.1", &to.sin_addr);
	if (bind(s, (struct sockaddr *)&a, sizeof(a)) == 0)
		(void)!connect(s, (struct sockaddr *)&to, sizeof(to));
	return s;
}

/* 100 connections that say nothing: a coordinator is answered within a second. */
static void answered_beside_silence_from(const char *address)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	int64_t before;
	int s[100];

	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		s[i] = connect_silently(address);
	clock_sleep_ms(50);
	before = clock_mono_ns();
	assert_int_equal(ask_with("client", &reply), 200);
	assert_true(clock_mono_ns() - before < NS_PER_S);
	for (size_t i = 0; i < ARRAY_SIZE(s); i++)
		close(s[i]);
}

static void test_silent_connections(void **state)
{
	WORLD_SKIP(root);
	answered_beside_silence_from("127.0.0.2");
}

/* From a container beside the coordinator: both have the same address. */
static void test_silent_connections_of_our_address(void **state)
{
	WORLD_SKIP(root);
	answered_beside_silence_from("127.0.0.1");
}

static void test_never_a_wildcard(void **state)
{
	static const char *const bad[] = { "0.0.0.0", "::", "", "localhost", "0", "1.2.3.4.5" };
	struct err err = ERR_INIT;
	int fd;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(listen_tcp(bad[i], 1234, &fd, &err), -EINVAL);
}

static void test_find_address(void **state)
{
	char *found;

	WORLD_SKIP(root);
	found = listen_find_address("127.0.0.0/8");
	assert_string_equal(found, "127.0.0.1");
	free(found);
	assert_null(listen_find_address("10.1.2.0/24"));
	assert_null(listen_find_address("10.1.2.0"));
	assert_null(listen_find_address("nonsense/8"));
	assert_null(listen_find_address("127.0.0.0/99"));
}

static void test_unix_socket_is_private(void **state)
{
	cleanup_free char *path = xasprintf("%s/s.sock", w.dir);
	struct stat st;
	int fd, again;

	assert_int_equal(listen_unix(path, &fd, NULL), 0);
	assert_return_code(stat(path, &st), errno);
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(listen_unix(path, &again, NULL), -EADDRINUSE);
	close(fd);
	assert_int_equal(listen_unix(path, &fd, NULL), 0);	/* a dead agent's */
	close(fd);
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
	if (!root)
		return 0;
	make_all();
	assert_int_equal(auth_load(&tls, w.dir, &err), 0);
	assert_true(tls.expires_ns > clock_wall_ns());
	assert_int_equal(listen_tcp("127.0.0.1", PORT, &fd, &err), 0);
	return server_start(&server, fd, &tls, &api, &err);
}

static int tear_down(void **state)
{
	server_stop(server);
	if (root) {
		certs_ca_release(&ca);
		certs_ca_release(&other_ca);
	}
	auth_release(&tls);
	world_free(&w);
	curl_global_cleanup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right_one),
		cmocka_unit_test(test_no_certificate),
		cmocka_unit_test(test_other_ca),
		cmocka_unit_test(test_expired),
		cmocka_unit_test(test_not_yet),
		cmocka_unit_test(test_another_agent),
		cmocka_unit_test(test_server_purpose),
		cmocka_unit_test(test_no_purpose),
		cmocka_unit_test(test_other_name),
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_tls12),
		cmocka_unit_test(test_silent_connections),
		cmocka_unit_test(test_silent_connections_of_our_address),
		cmocka_unit_test(test_never_a_wildcard),
		cmocka_unit_test(test_find_address),
		cmocka_unit_test(test_unix_socket_is_private),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
