/* SPDX-License-Identifier: Apache-2.0
 *
 * context_test.c - which Engine is meant: the order of options, environment and contexts
 */
#include "../../coordinator/context.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[] = "/tmp/swarmcap-test-XXXXXX";
static const char *const variables[] = { "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS",
	"DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION", "DOCKER_CUSTOM_HEADERS" };

PRINTF(1, 2) static void sh(const char *fmt, ...)
{
	char *command;
	va_list ap;

	va_start(ap, fmt);
	assert_true(vasprintf(&command, fmt, ap) > 0);
	va_end(ap);
	assert_int_equal(system(command), 0);
	free(command);
}

/* docker's own name for the folder, by another program */
static void add_context(const char *name, const char *endpoint)
{
	sh("h=$(printf %%s '%s' | sha256sum | cut -d' ' -f1); mkdir -p %s/contexts/meta/$h %s/contexts/tls/$h/docker;"
	   "printf '{\"Name\":\"%s\",\"Metadata\":{},\"Endpoints\":{\"docker\":%s}}' >%s/contexts/meta/$h/meta.json",
	   name, dir, dir, name, endpoint, dir);
}

static int setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	setenv("DOCKER_CONFIG", dir, 1);
	add_context("far", "{\"Host\":\"ssh://admin@manager:2222\"}");
	add_context("plain", "{\"Host\":\"tcp://10.0.0.1:2375\"}");
	add_context("tls", "{\"Host\":\"tcp://10.0.0.1:2376\"}");
	sh("h=$(printf tls | sha256sum | cut -d' ' -f1); "
	   "for f in ca cert key; do touch %s/contexts/tls/$h/docker/$f.pem; done", dir);
	return 0;
}

static int teardown(void **state)
{
	sh("rm -rf %s", dir);
	return 0;
}

static int begin(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		unsetenv(variables[i]);
	sh("rm -f %s/config.json %s/*.pem", dir, dir);
	return 0;
}

static void assert_url(const struct request *r, const char *url)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT;
	struct err err = ERR_INIT;

	if (context_resolve(&e, r, &err) < 0)
		fail_msg("%s", err.text);
	assert_string_equal(e.url, url);
}

static int failure(const struct request *r, struct err *err)
{
	struct endpoint e;

	err_reset(err);
	return context_resolve(&e, r, err);
}

/* Each step beats all that are below it. */
static void test_the_order(void **state)
{
	assert_url(&(struct request){ 0 }, "unix:///var/run/docker.sock");
	sh("printf '{\"currentContext\":\"far\"}' >%s/config.json", dir);
	assert_url(&(struct request){ 0 }, "ssh://admin@manager:2222");
	setenv("DOCKER_CONTEXT", "plain", 1);
	assert_url(&(struct request){ 0 }, "tcp://10.0.0.1:2375");
	setenv("DOCKER_HOST", "unix:///run/by-variable.sock", 1);
	assert_url(&(struct request){ 0 }, "unix:///run/by-variable.sock");
	assert_url(&(struct request){ .engine_host = "unix:///run/by-option.sock" },
		   "unix:///run/by-option.sock");
	assert_url(&(struct request){ .context = "far" }, "ssh://admin@manager:2222");
	assert_url(&(struct request){ .context = "default" }, "unix:///run/by-variable.sock");
}

/* Facts, section 4: a variable that is set and empty is not set. */
static void test_empty_variables(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(variables); i++)
		setenv(variables[i], "", 1);
	assert_url(&(struct request){ 0 }, "unix:///var/run/docker.sock");
}

static void test_what_is_refused(void **state)
{
	struct err err = ERR_INIT;

	assert_int_equal(failure(&(struct request){ .context = "far", .engine_host = "unix:///x" }, &err),
			 -EINVAL);
	assert_true(failure(&(struct request){ .context = "nosuch" }, &err) < 0);
	assert_non_null(strstr(err.text, "there is no docker context 'nosuch'"));
	assert_true(failure(&(struct request){ .context = "../../etc" }, &err) < 0);
	sh("printf '{\"currentContext\":\"gone\"}' >%s/config.json", dir);
	assert_true(failure(&(struct request){ 0 }, &err) < 0);
	assert_non_null(strstr(err.text, "'gone'"));
}

static void test_tls_of_a_context_is_its_own(void **state)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT, plain = ENDPOINT_INIT;

	setenv("DOCKER_TLS_VERIFY", "1", 1);
	setenv("DOCKER_CERT_PATH", "/nowhere", 1);
	assert_int_equal(context_resolve(&e, &(struct request){ .context = "tls" }, NULL), 0);
	assert_true(e.tls && e.tls_verify);
	assert_non_null(strstr(e.ca_file, "/contexts/tls/"));
	assert_int_equal(context_resolve(&plain, &(struct request){ .context = "plain" }, NULL), 0);
	assert_false(plain.tls);
}

/* Even "0" turns it on; a missing ca.pem is an error, missing cert.pem and key.pem are not. */
static void test_tls_of_the_environment(void **state)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT, trusting = ENDPOINT_INIT;
	struct err err = ERR_INIT;

	setenv("DOCKER_HOST", "tcp://10.0.0.1:2376", 1);
	setenv("DOCKER_TLS_VERIFY", "0", 1);
	assert_true(failure(&(struct request){ 0 }, &err) < 0);
	assert_non_null(strstr(err.text, "ca.pem"));
	sh("touch %s/ca.pem", dir);
	assert_int_equal(context_resolve(&e, &(struct request){ 0 }, NULL), 0);
	assert_true(e.tls && e.tls_verify && !e.cert_file);
	unsetenv("DOCKER_TLS_VERIFY");
	setenv("DOCKER_TLS", "1", 1);
	assert_int_equal(context_resolve(&trusting, &(struct request){ 0 }, NULL), 0);
	assert_true(trusting.tls && !trusting.tls_verify);
}

static void test_headers_and_version(void **state)
{
	cleanup_endpoint struct endpoint e = ENDPOINT_INIT, by_variable = ENDPOINT_INIT;

	sh("printf '{\"HttpHeaders\":{\"X-One\":\"1\"}}' >%s/config.json", dir);
	setenv("DOCKER_API_VERSION", "1.42", 1);
	assert_int_equal(context_resolve(&e, &(struct request){ 0 }, NULL), 0);
	assert_string_equal(e.headers[0], "X-One: 1");
	assert_null(e.headers[1]);
	assert_string_equal(e.api_version, "1.42");
	setenv("DOCKER_CUSTOM_HEADERS", "X-Two=2,\"X-Three=a,b\"", 1);
	assert_int_equal(context_resolve(&by_variable, &(struct request){ 0 }, NULL), 0);
	assert_string_equal(by_variable.headers[0], "X-Two: 2");
	assert_string_equal(by_variable.headers[1], "X-Three: a,b");
	setenv("DOCKER_CUSTOM_HEADERS", "X=a\nInjected: b", 1);
	assert_int_equal(failure(&(struct request){ 0 }, &(struct err)ERR_INIT), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_the_order, begin),
		cmocka_unit_test_setup(test_empty_variables, begin),
		cmocka_unit_test_setup(test_what_is_refused, begin),
		cmocka_unit_test_setup(test_tls_of_a_context_is_its_own, begin),
		cmocka_unit_test_setup(test_tls_of_the_environment, begin),
		cmocka_unit_test_setup(test_headers_and_version, begin),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
