/* SPDX-License-Identifier: Apache-2.0
 *
 * auth.c - who may speak over TCP
 *
 * The CA signs two kinds of certificates: the agents' (serverAuth) and the client's (clientAuth,
 * with a fixed name). An agent's must not open another agent, or root on one worker would
 * command all nodes: so the purpose has to be there in words, and the name too.
 */
#include "auth.h"
#include "version.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>

#define PEM_MAX (256u << 10)
#define OIDS_MAX 16

static void crt_freep(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}
#define cleanup_crt cleanup(crt_freep)

static bool has_purpose(gnutls_x509_crt_t crt, const char *purpose)
{
	for (unsigned i = 0; i < OIDS_MAX; i++) {
		char oid[128] = "";
		size_t size = sizeof(oid);

		if (gnutls_x509_crt_get_key_purpose_oid(crt, i, oid, &size, NULL) < 0)
			return false;
		if (!strcmp(oid, purpose))
			return true;
	}
	return false;
}

static bool has_name(gnutls_x509_crt_t crt, const char *name)
{
	char cn[256] = "";
	size_t size = sizeof(cn);

	if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0, cn, &size) < 0)
		return false;
	return size == strlen(name) && !memcmp(cn, name, size);
}

static void read_serial(gnutls_x509_crt_t crt, char *out)
{
	unsigned char raw[(AUTH_SERIAL_MAX - 1) / 2];
	size_t n = sizeof(raw);

	out[0] = '\0';
	if (gnutls_x509_crt_get_serial(crt, raw, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		snprintf(out + 2 * i, 3, "%02x", raw[i]);
}

static int check_chain(gnutls_session_t session, struct err *err)
{
	gnutls_typed_vdata_st purpose = {
		.type = GNUTLS_DT_KEY_PURPOSE_OID,
		.data = (unsigned char *)(uintptr_t)GNUTLS_KP_TLS_WWW_CLIENT,
	};
	gnutls_datum_t why = { NULL, 0 };
	unsigned status;

	if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0)
		return err_set(err, -EACCES, "the client's certificate cannot be verified");
	if (!status)
		return 0;
	gnutls_certificate_verification_status_print(status, GNUTLS_CRT_X509, &why, 0);
	err_set(err, -EACCES, "the client's certificate is refused: %s",
		why.data ? (const char *)why.data : "not valid");
	gnutls_free(why.data);
	return -EACCES;
}

int auth_check(gnutls_session_t session, char *serial, struct err *err)
{
	cleanup_crt gnutls_x509_crt_t crt = NULL;
	unsigned n = 0;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);

	if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3)
		return err_set(err, -EACCES, "not TLS 1.3");
	if (!chain || !n || gnutls_certificate_type_get(session) != GNUTLS_CRT_X509)
		return err_set(err, -EACCES, "the client showed no certificate");
	if (check_chain(session, err))
		return -EACCES;
	if (gnutls_x509_crt_init(&crt) < 0 ||
	    gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0)
		return err_set(err, -EACCES, "the client's certificate cannot be read");
	if (!has_purpose(crt, GNUTLS_KP_TLS_WWW_CLIENT))
		return err_set(err, -EACCES, "the certificate shown is not for clients");
	if (!has_name(crt, SWARMCAP_CLIENT_NAME))
		return err_set(err, -EACCES, "the certificate shown is not the client's");
	read_serial(crt, serial);
	return 0;
}

static int read_pem(const char *dir, const char *name, char **out, struct err *err)
{
	cleanup_free char *path = xasprintf("%s/%s", dir, name);

	*out = util_read_file(path, PEM_MAX);
	return *out ? 0 : err_errno(err, "cannot read %s", path);
}

static int read_expiry(struct auth_files *a, struct err *err)
{
	cleanup_crt gnutls_x509_crt_t crt = NULL;
	gnutls_datum_t pem = { (unsigned char *)a->cert, (unsigned)strlen(a->cert) };

	if (gnutls_x509_crt_init(&crt) < 0 ||
	    gnutls_x509_crt_import(crt, &pem, GNUTLS_X509_FMT_PEM) < 0)
		return err_set(err, -EINVAL, "agent.pem is no certificate");
	a->expires_ns = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * NS_PER_S;
	return 0;
}

int auth_load(struct auth_files *out, const char *dir, struct err *err)
{
	int r;

	*out = (struct auth_files){ 0 };
	r = read_pem(dir, "ca.pem", &out->ca, err);
	if (!r)
		r = read_pem(dir, "agent.pem", &out->cert, err);
	if (!r)
		r = read_pem(dir, "agent-key.pem", &out->key, err);
	if (!r)
		r = read_expiry(out, err);
	if (r)
		auth_release(out);
	return r;
}

void auth_release(struct auth_files *a)
{
	if (a->key)
		explicit_bzero(a->key, strlen(a->key));
	free(a->ca);
	free(a->cert);
	free(a->key);
	*a = (struct auth_files){ 0 };
}
