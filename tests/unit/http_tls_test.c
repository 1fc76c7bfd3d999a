/* SPDX-License-Identifier: Apache-2.0
 *
 * http_tls_test.c - the HTTP client's TLS: by the server's name, 1.3 only, one CA only
 */
#include "fake_http.h"

#include <errno.h>
#include <time.h>

#include <curl/curl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>

#include "http.h"

/* ---- certificates ---- */

static struct {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
} ca;

static char pem_dir[] = "/tmp/swarmcap-test-XXXXXX";

static char *pem_path(const char *name)
{
	return xasprintf("%s/%s", pem_dir, name);
}

static void write_pem(const char *name, const gnutls_datum_t *d)
{
	cleanup_free char *path = pem_path(name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(d->data, d->size, 1, f), 1);
	assert_int_equal(fclose(f), 0);
}

/* name.pem and name-key.pem; san NULL: a CA that signs itself and is kept in `ca`. */
static void make_certificate(const char *name, const char *san, gnutls_datum_t *crt_pem,
			     gnutls_datum_t *key_pem)
{
	cleanup_free char *file = xasprintf("%s.pem", name),
			  *key_file = xasprintf("%s-key.pem", name);
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	unsigned char serial[8];

	gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] &= 0x7f;
	gnutls_x509_privkey_init(&key);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
				     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&crt);
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(crt, time(NULL) - 3600);
	gnutls_x509_crt_set_expiration_time(crt, time(NULL) + 3600);
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, name,
				      (unsigned int)strlen(name));
	gnutls_x509_crt_set_basic_constraints(crt, !san, -1);
	if (san)
		gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, san,
						     (unsigned int)strlen(san), 0);
	gnutls_x509_crt_set_key(crt, key);
	assert_int_equal(gnutls_x509_crt_sign2(crt, san ? ca.crt : crt, san ? ca.key : key,
					       GNUTLS_DIG_SHA256, 0),
			 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, crt_pem), 0);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, key_pem), 0);
	write_pem(file, crt_pem);
	write_pem(key_file, key_pem);

	if (!san && !ca.crt) {
		ca.crt = crt;
		ca.key = key;
		return;
	}
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

/* ---- the server: says who it saw ---- */

static struct fake tls, tls12, tls6;

static enum MHD_Result serve(void *arg, struct MHD_Connection *c, const char *url,
			     const char *method, const char *version, const char *data,
			     size_t *size, void **state)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(c, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	unsigned int n = 0;

	gnutls_certificate_get_peers(info->tls_session, &n);
	return fake_answer(c, 200, n ? "certificate" : "nobody", n ? 11 : 6, NULL);
}

static struct MHD_Daemon *start_on(int listener, const char *priorities, const gnutls_datum_t *pem)
{
	struct MHD_Daemon *d = MHD_start_daemon(
		FAKE_FLAGS | MHD_USE_TLS, 0, NULL, NULL, serve, NULL, MHD_OPTION_LISTEN_SOCKET,
		listener, MHD_OPTION_HTTPS_MEM_TRUST, pem[0].data, MHD_OPTION_HTTPS_MEM_CERT,
		pem[4].data, MHD_OPTION_HTTPS_MEM_KEY, pem[5].data, MHD_OPTION_HTTPS_PRIORITIES,
		priorities, MHD_OPTION_END);

	assert_non_null(d);
	return d;
}

static int start(void **state)
{
	gnutls_datum_t pem[8];

	curl_global_init(CURL_GLOBAL_DEFAULT);
	setenv("https_proxy", "http://127.0.0.1:1", 1);
	assert_non_null(mkdtemp(pem_dir));
	make_certificate("ca", NULL, &pem[0], &pem[1]);
	make_certificate("other", NULL, &pem[2], &pem[3]);
	make_certificate("agent", "swarmcap-agent", &pem[4], &pem[5]);
	make_certificate("client", "swarmcap-client", &pem[6], &pem[7]);

	tls.daemon = start_on(fake_listen_tcp(&tls), "NORMAL", pem);
	tls12.daemon = start_on(fake_listen_tcp(&tls12), "NORMAL:-VERS-TLS1.3", pem);
	tls6.daemon = start_on(fake_listen_tcp6(&tls6), "NORMAL", pem);
	for (size_t i = 0; i < ARRAY_SIZE(pem); i++)
		gnutls_free(pem[i].data);
	return 0;
}

static int stop(void **state)
{
	cleanup_free char *command = xasprintf("rm -r %s", pem_dir);

	fake_stop(&tls);
	fake_stop(&tls12);
	fake_stop(&tls6);
	gnutls_x509_crt_deinit(ca.crt);
	gnutls_x509_privkey_deinit(ca.key);
	curl_global_cleanup();
	return system(command);
}

/* ---- calls ---- */

static void check(struct http_endpoint at, const char *ca_name, int code, const char *words)
{
	cleanup_http_reply struct http_reply r = HTTP_REPLY_INIT;
	cleanup_free char *ca_file = pem_path(ca_name);
	struct err err = ERR_INIT;
	struct http *h = NULL;

	at.host = at.host ? at.host : "127.0.0.1";
	at.ca_file = ca_file;
	assert_int_equal(http_new(&h, &at, NULL), 0);
	assert_int_equal(http_call(h, "GET", "/", NULL, &r, &err), code);
	if (!strstr(code ? err.text : r.body.data, words))
		fail_msg("'%s' does not say '%s'", code ? err.text : r.body.data, words);
	http_free(h);
}

static void test_by_name(void **state)
{
	struct http_endpoint at = { .port = tls.port, .server_name = "swarmcap-agent" };

	check(at, "ca.pem", 0, "nobody");
	check(at, "other.pem", -EPROTO, "no TLS with 127.0.0.1:");
	check(at, "absent.pem", -EPROTO, "CA cert");
	at.server_name = "localhost";
	check(at, "ca.pem", -EPROTO, "no TLS with 127.0.0.1:");
}

static void test_client_certificate_is_shown(void **state)
{
	cleanup_free char *crt = pem_path("client.pem"), *key = pem_path("client-key.pem");
	struct http_endpoint at = { .port = tls.port, .server_name = "swarmcap-agent",
				    .cert_file = crt, .key_file = key };

	check(at, "ca.pem", 0, "certificate");
	at.host = "::1";
	at.port = tls6.port;
	check(at, "ca.pem", 0, "certificate");
	check(at, "other.pem", -EPROTO, "no TLS with [::1]:");
}

static void test_older_tls_is_refused(void **state)
{
	check((struct http_endpoint){ .port = tls12.port, .server_name = "swarmcap-agent" },
	      "ca.pem", -EPROTO, "no TLS with");
}

static void test_plain_server(void **state)
{
	struct fake f;

	fake_start_raw(&f, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", NULL);
	check((struct http_endpoint){ .port = f.port, .server_name = "swarmcap-agent" }, "ca.pem",
	      -EPROTO, "no TLS with");
	fake_stop(&f);
}

/* The kernel completes the connection, nobody answers the handshake. */
static void test_silent_server(void **state)
{
	struct fake f = { 0 };

	fake_listen_tcp(&f);
	check((struct http_endpoint){ .port = f.port, .server_name = "swarmcap-agent",
				      .connect_timeout_ms = 200 },
	      "ca.pem", -ETIMEDOUT, "within 200 ms");
	close(f.listener);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by_name),
		cmocka_unit_test(test_client_certificate_is_shown),
		cmocka_unit_test(test_older_tls_is_refused),
		cmocka_unit_test(test_plain_server),
		cmocka_unit_test(test_silent_server),
	};

	return cmocka_run_group_tests_name("http_tls", tests, start, stop);
}
