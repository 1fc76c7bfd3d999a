/* SPDX-License-Identifier: Apache-2.0
 *
 * engine_test.c - the Engine client: hosts, versions, errors, against a fake engine
 */
#include "fake_http.h"

#include <errno.h>
#include <sys/stat.h>

#include <curl/curl.h>

#include "engine.h"

/* ---- a fake engine: answers are set by the test ---- */

static struct fake server;
static const char *api_version = "1.41";
static unsigned int ping_status = 200;
static char *wanted;			/* the API version that is insisted on */

static enum MHD_Result answer_call(struct MHD_Connection *c, const char *url, const char *method)
{
	cleanup_free char *text = NULL;

	if (strstr(url, "/services/none"))
		return fake_answer(c, 404, "{\"message\":\"service none not found\"}", 36, NULL);
	if (strstr(url, "/garbage"))
		return fake_answer(c, 200, "{\"a\":", 5, NULL);
	if (strcmp(method, "DELETE") == 0)
		return fake_answer(c, 204, "", 0, NULL);
	text = xasprintf("{\"method\": \"%s\", \"url\": \"%s\"}", method, url);
	return fake_answer(c, 200, text, strlen(text), NULL);
}

static enum MHD_Result serve(void *arg, struct MHD_Connection *c, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *size, void **state)
{
	const char *const headers[] = { "Api-Version", api_version, "Swarm", "active/manager",
					NULL };

	if (!*state) {
		*state = &server;
		return MHD_YES;
	}
	if (*size) {
		*size = 0;
		return MHD_YES;
	}

	if (strcmp(url, "/_ping") == 0)
		return fake_answer(c, ping_status, "OK", 2, api_version ? headers : NULL);
	return answer_call(c, url, method);
}

static int start(void **state)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
	fake_start_unix(&server, serve, NULL);
	return 0;
}

static int stop(void **state)
{
	fake_stop(&server);
	curl_global_cleanup();
	return 0;
}

static int clean(void **state)
{
	wanted = NULL;
	api_version = "1.41";
	ping_status = 200;
	return 0;
}

static int open_at(struct engine **out, const char *host, struct err *err)
{
	cleanup_endpoint struct endpoint at = ENDPOINT_INIT;
	int rc = endpoint_parse(&at, host, false, err);

	if (rc < 0)
		return rc;
	at.api_version = wanted ? xstrdup(wanted) : NULL;
	return engine_open(out, &at, NULL, err);
}

static struct engine *open_engine(void)
{
	cleanup_free char *host = xasprintf("unix://%s", server.path);
	struct engine *e = NULL;
	struct err err = ERR_INIT;

	if (open_at(&e, host, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(engine_host(e), host);
	return e;
}

static void check_open(const char *host, int code, const char *words)
{
	struct engine *e = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(open_at(&e, host, &err), code);
	assert_int_equal(err.code, code);
	assert_null(e);
	if (!strstr(err.text, words))
		fail_msg("'%s' does not say '%s'", err.text, words);
}

/* ---- where it is ---- */

static void test_unknown_hosts(void **state)
{
	check_open("ssh://root@n1", -EPROTONOSUPPORT, "ssh is not spoken here");
	check_open("npipe://x", -EPROTONOSUPPORT, "cannot reach Docker at 'npipe://x'");
	check_open("/var/run/docker.sock", -EINVAL, "cannot understand");
}

static void test_nobody_there(void **state)
{
	check_open("unix:///nowhere/docker.sock", -ENOENT,
		   "cannot reach Docker at unix:///nowhere/docker.sock: no such socket; is Docker "
		   "running? "
		   "(or name another with -H)");
	check_open("tcp://127.0.0.1:1", -ECONNREFUSED,
		   "cannot reach Docker at tcp://127.0.0.1:1: nobody listens");
	check_open("127.0.0.1:1", -ECONNREFUSED, "nobody listens");
}

static void test_no_permission(void **state)
{
	cleanup_free char *host = xasprintf("unix://%s", server.path);
	bool root = geteuid() == 0;

	chmod(server.path, 0);
	if (root)
		assert_return_code(seteuid(65534), 0);
	check_open(host, -EACCES, "permission denied; run as root or join the group docker");
	if (root)
		assert_return_code(seteuid(0), 0);
	chmod(server.path, 0600);
}

/* ---- its version ---- */

static void check_version(const char *offered, const char *used)
{
	struct engine *e;

	api_version = offered;
	e = open_engine();
	assert_string_equal(engine_version(e), used);
	engine_close(e);
}

static void test_version_is_negotiated(void **state)
{
	check_version("1.41", "1.41");
	check_version("1.43", "1.43");
	check_version("1.55", "1.44");
	check_version("2.0", "1.44");
	wanted = (char[]){ "1.42" };
	check_version("1.55", "1.42");
	wanted = (char[]){ "v1.39" };
	check_version("1.55", "1.39");
}

static void test_bad_versions(void **state)
{
	cleanup_free char *host = xasprintf("unix://%s", server.path);

	api_version = "1.40";
	check_open(host, -EPROTONOSUPPORT, "too old: its API ends at 1.40");
	api_version = "1.41/../..";
	check_open(host, -EPROTO, "is not Docker");
	api_version = NULL;
	check_open(host, -EPROTO, "is not Docker");
	ping_status = 500;
	check_open(host, -EIO, "cannot reach Docker at");
	ping_status = 200;
	wanted = (char[]){ "1.x" };
	check_open(host, -EINVAL, "DOCKER_API_VERSION is no version: '1.x'");
}

/* ---- calls ---- */

static void test_calls(void **state)
{
	struct engine *e = open_engine();
	cleanup_json json_t *got = NULL, *sent = NULL, *gone = NULL, *body = json_object();
	struct err err = ERR_INIT;

	assert_int_equal(engine_get(e, "/tasks?filters=x", &got, &err), 0);
	assert_string_equal(jx_str(got, "url", ""), "/v1.41/tasks");
	assert_int_equal(engine_send(e, "POST", "/services/create", body, &sent, &err), 0);
	assert_string_equal(jx_str(sent, "method", ""), "POST");
	assert_int_equal(engine_send(e, "DELETE", "/services/x", NULL, &gone, &err), 0);
	assert_true(json_is_null(gone));
	assert_int_equal(engine_send(e, "DELETE", "/services/x", NULL, NULL, &err), 0);
	assert_int_equal(err.code, 0);
	engine_close(e);
}

static void test_failed_calls(void **state)
{
	struct engine *e = open_engine();
	json_t *got = NULL;
	struct err err = ERR_INIT;

	assert_int_equal(engine_get(e, "/services/none", &got, &err), ENGINE_E_NOT_FOUND);
	assert_string_equal(err.text, "Docker answered: service none not found");
	assert_int_equal(err.code, -EIO);
	err_reset(&err);
	assert_int_equal(engine_get(e, "/garbage", &got, &err), -EINVAL);
	assert_null(got);
	engine_close(e);
}

static int decode(long status, const char *body, struct err *err)
{
	err_reset(err);
	return engine_decode_error(status, body, strlen(body), err);
}

static void test_errors(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(
		decode(400, "{\"message\":\"service w is ambiguous (2 matches found)\"}", &err),
		ENGINE_E_AMBIGUOUS);
	assert_int_equal(decode(400, "{\"message\":\"bad parameter\"}", &err), -EIO);
	assert_int_equal(decode(409, "{\"message\":\"name conflicts\"}", &err), ENGINE_E_CONFLICT);
	assert_int_equal(decode(503, "{\"message\":\"This node is not a swarm manager.\"}", &err),
			 ENGINE_E_NOT_MANAGER);
	assert_int_equal(decode(403, "{\"message\":\"authorization denied\"}", &err), -EACCES);
	assert_int_equal(decode(500, "<html>", &err), -EIO);
	assert_string_equal(err.text, "Docker answered: status 500");
	assert_int_equal(decode(500, "{\"message\":7}", &err), -EIO);
	assert_string_equal(err.text, "Docker answered: status 500");
}

static void test_hostile_message(void **state)
{
	cleanup_free char *body = xmalloc(100000);
	struct err err = ERR_INIT;
	size_t len;

	decode(500, "{\"message\":\"a\\u001b[2Jb\\nc\"}", &err);
	assert_string_equal(err.text, "Docker answered: a\\x1b[2Jb\\x0ac");

	len = (size_t)sprintf(body, "{\"message\":\"");
	for (int i = 0; i < 10000; i++)
		len += (size_t)sprintf(body + len, "\\u001b");
	sprintf(body + len, "\"}");
	decode(500, body, &err);
	assert_non_null(strstr(err.text, "\\x1b\\x1b"));
	assert_null(strchr(err.text, '\033'));
}

/* ---- texts of URLs ---- */

static void test_filters(void **state)
{
	cleanup_free char *one = engine_filters("service", "a b", NULL);
	cleanup_free char *more = engine_filters("id", "x", "desired-state", "running", "id", "y",
						 NULL);
	cleanup_free char *segment = engine_escape("a/b?c#d%\xff-_.~Z9");

	assert_string_equal(one, "filters=%7B%22service%22%3A%5B%22a%20b%22%5D%7D");
	assert_string_equal(more, "filters=%7B%22id%22%3A%5B%22x%22%2C%22y%22%5D%2C"
				  "%22desired-state%22%3A%5B%22running%22%5D%7D");
	assert_string_equal(segment, "a%2Fb%3Fc%23d%25%FF-_.~Z9");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_unknown_hosts, clean),
		cmocka_unit_test_setup(test_nobody_there, clean),
		cmocka_unit_test_setup(test_no_permission, clean),
		cmocka_unit_test_setup(test_version_is_negotiated, clean),
		cmocka_unit_test_setup(test_bad_versions, clean),
		cmocka_unit_test_setup(test_calls, clean),
		cmocka_unit_test_setup(test_failed_calls, clean),
		cmocka_unit_test_setup(test_errors, clean),
		cmocka_unit_test_setup(test_hostile_message, clean),
		cmocka_unit_test_setup(test_filters, clean),
	};

	return cmocka_run_group_tests_name("engine", tests, start, stop);
}
