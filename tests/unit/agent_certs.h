/* SPDX-License-Identifier: Apache-2.0
 *
 * agent_certs.h - certificates for tests of the agent's TLS: right ones and wrong ones
 *
 * Each certificate is two files, DIR/<file>.pem and DIR/<file>-key.pem; a CA stays in memory too.
 */
#ifndef AGENT_CERTS_H
#define AGENT_CERTS_H

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "util.h"

struct certs_ca {
	gnutls_x509_crt_t crt;
	gnutls_x509_privkey_t key;
};

struct certs_plan {
	const char *file, *name;	/* the common name */
	const char *san;		/* may be NULL */
	const char *purpose;		/* GNUTLS_KP_*; NULL: none is written */
	int64_t from_s, to_s;		/* from now; 0, 0: from an hour ago, for an hour */
	bool is_ca;
};

static inline void certs_write(const char *dir, const char *file, const char *end,
			       const gnutls_datum_t *d)
{
	cleanup_free char *path = xasprintf("%s/%s%s.pem", dir, file, end);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	assert_int_equal(fwrite(d->data, d->size, 1, f), 1);
	fclose(f);
}

static inline void certs_fill(gnutls_x509_crt_t crt, const struct certs_plan *p)
{
	unsigned char serial[8];

	gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));
	serial[0] &= 0x7f;
	gnutls_x509_crt_set_version(crt, 3);
	gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
	gnutls_x509_crt_set_activation_time(crt, time(NULL) + (p->from_s ? p->from_s : -3600));
	gnutls_x509_crt_set_expiration_time(crt, time(NULL) + (p->to_s ? p->to_s : 3600));
	gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, p->name,
				      (unsigned)strlen(p->name));
	gnutls_x509_crt_set_basic_constraints(crt, p->is_ca, -1);
	if (p->is_ca)
		gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN);
	if (p->san)
		gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, p->san,
						     (unsigned)strlen(p->san), 0);
	if (p->purpose)
		gnutls_x509_crt_set_key_purpose_oid(crt, p->purpose, 0);
}

/* Signed by ca, or by itself into *ca when the plan is a CA's. */
static inline void certs_make(const char *dir, const struct certs_plan *p, struct certs_ca *ca)
{
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
	gnutls_datum_t pem;

	gnutls_x509_privkey_init(&key);
	gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA,
				     GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
	gnutls_x509_crt_init(&crt);
	certs_fill(crt, p);
	gnutls_x509_crt_set_key(crt, key);
	if (p->is_ca)
		*ca = (struct certs_ca){ crt, key };
	assert_int_equal(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0), 0);
	assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
	certs_write(dir, p->file, "", &pem);
	gnutls_free(pem.data);
	assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &pem), 0);
	certs_write(dir, p->file, "-key", &pem);
	gnutls_free(pem.data);
	if (p->is_ca)
		return;
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
}

static inline void certs_ca_release(struct certs_ca *ca)
{
	gnutls_x509_crt_deinit(ca->crt);
	gnutls_x509_privkey_deinit(ca->key);
}

#endif
