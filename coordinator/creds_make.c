/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_make.c - makes a CA and the two certificates that it signs
 *
 * The CA may sign leaves only (pathlen 0). What a leaf may do stands in its extended key
 * usage and nowhere else: the agents share one certificate for serverAuth, so root on a worker,
 * who can read it, still cannot speak to another node's agent as a client; and the client's,
 * for clientAuth, cannot pose as an agent. Nothing but the CA's key in the deployer's
 * directory could make a certificate that does both.
 *
 * All begin a day in the past, since nodes' clocks differ, and end together after a year:
 * renewing one without the others would gain nothing (deploy --rotate makes all anew).
 */
#include "creds_make.h"

#include "version.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define SERIAL_BYTES 16
#define PAST_S (24 * 3600)
#define LIFE_S (365 * 24 * 3600)

/* A certificate and its key. */
struct pair {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

/* What the three certificates differ in; no purpose: a CA. */
struct kind {
	const char *name;		/* common name; a server's subjectAltName too */
	const char *purpose;
	const char *crt_file, *key_file;
};

static const struct kind ca_kind = { "swarmcap-ca", NULL, CREDS_CA, CREDS_CA_KEY };
static const struct kind leaf_kinds[] = {
	{ SWARMCAP_AGENT_NAME, GNUTLS_KP_TLS_WWW_SERVER, CREDS_AGENT, CREDS_AGENT_KEY },
	{ SWARMCAP_CLIENT_NAME, GNUTLS_KP_TLS_WWW_CLIENT, CREDS_CLIENT, CREDS_CLIENT_KEY },
};

static void pair_release(struct pair *p)
{
	if (p->crt)
		gnutls_x509_crt_deinit(p->crt);
	if (p->key)
		gnutls_x509_privkey_deinit(p->key);
	*p = (struct pair){ 0 };
}

static void wipe(gnutls_datum_t *d)
{
	if (d->data)
		gnutls_memset(d->data, 0, d->size);
	gnutls_free(d->data);
	d->data = NULL;
}

static int failed(struct err *err, const struct kind *k, int status)
{
	return err_set(err, -EIO, "cannot make the certificate '%s': %s", k->name,
		       gnutls_strerror(status));
}

/*
 * The first of GnuTLS' refusals, so that a row of calls is checked once. Each is harmless
 * after another one failed.
 */
static void note(int *first, int status)
{
	if (*first >= 0 && status < 0)
		*first = status;
}

static int make_key(struct pair *p)
{
	int status = 0;

	note(&status, gnutls_x509_privkey_init(&p->key));
	note(&status, gnutls_x509_crt_init(&p->crt));
	if (status < 0)
		return status;

	return gnutls_x509_privkey_generate(p->key, GNUTLS_PK_ECDSA,
					    GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
}

/* Positive and without a leading zero byte: DER allows that neither. */
static int set_serial(gnutls_x509_crt_t crt)
{
	unsigned char serial[SERIAL_BYTES];
	int status = gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof(serial));

	if (status < 0)
		return status;
	serial[0] = (serial[0] & 0x7f) | 0x40;
	return gnutls_x509_crt_set_serial(crt, serial, sizeof(serial));
}

static int set_key_ids(gnutls_x509_crt_t crt, gnutls_x509_crt_t ca)
{
	unsigned char id[64];
	size_t size = sizeof(id);
	int status = gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA1, id, &size);

	if (status < 0)
		return status;
	status = gnutls_x509_crt_set_subject_key_id(crt, id, size);
	if (status < 0)
		return status;
	size = sizeof(id);
	status = gnutls_x509_crt_get_key_id(ca, GNUTLS_KEYID_USE_SHA1, id, &size);
	if (status < 0)
		return status;
	return gnutls_x509_crt_set_authority_key_id(crt, id, size);
}

static int set_ca_rights(gnutls_x509_crt_t crt)
{
	int status = 0;

	note(&status, gnutls_x509_crt_set_basic_constraints(crt, 1, 0));
	note(&status, gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_KEY_CERT_SIGN));
	return status;
}

static int set_leaf_rights(gnutls_x509_crt_t crt, const struct kind *k)
{
	int status = 0;

	note(&status, gnutls_x509_crt_set_basic_constraints(crt, 0, -1));
	note(&status, gnutls_x509_crt_set_key_usage(crt, GNUTLS_KEY_DIGITAL_SIGNATURE));
	note(&status, gnutls_x509_crt_set_key_purpose_oid(crt, k->purpose, 0));
	if (!strcmp(k->purpose, GNUTLS_KP_TLS_WWW_SERVER))
		note(&status, gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME,
								   k->name, strlen(k->name),
								   GNUTLS_FSAN_SET));
	return status;
}

/* ca may be p itself. */
static int make_pair(struct pair *p, const struct kind *k, const struct pair *ca)
{
	time_t now = time(NULL);
	int status = make_key(p);

	if (status < 0)
		return status;
	note(&status, gnutls_x509_crt_set_version(p->crt, 3));
	note(&status, set_serial(p->crt));
	note(&status, gnutls_x509_crt_set_dn_by_oid(p->crt, GNUTLS_OID_X520_COMMON_NAME, 0, k->name,
						    strlen(k->name)));
	note(&status, gnutls_x509_crt_set_activation_time(p->crt, now - PAST_S));
	note(&status, gnutls_x509_crt_set_expiration_time(p->crt, now + LIFE_S));
	note(&status, gnutls_x509_crt_set_key(p->crt, p->key));
	note(&status, k->purpose ? set_leaf_rights(p->crt, k) : set_ca_rights(p->crt));
	note(&status, set_key_ids(p->crt, ca->crt));
	note(&status, gnutls_x509_crt_sign2(p->crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0));
	return status;
}

static int write_file(int dirfd, const char *name, const gnutls_datum_t *d, struct err *err)
{
	int r = util_write_file_at(dirfd, name, d->data, d->size, 0600);

	if (r < 0)
		return err_set(err, r, "cannot write '%s': %s", name, strerror(-r));
	return 0;
}

static int write_pair(int dirfd, const struct pair *p, const struct kind *k, struct err *err)
{
	cleanup(wipe) gnutls_datum_t crt = { NULL, 0 }, key = { NULL, 0 };
	int status = 0;
	int r;

	note(&status, gnutls_x509_crt_export2(p->crt, GNUTLS_X509_FMT_PEM, &crt));
	note(&status, gnutls_x509_privkey_export2_pkcs8(p->key, GNUTLS_X509_FMT_PEM, NULL,
							GNUTLS_PKCS_PLAIN, &key));
	if (status < 0)
		return failed(err, k, status);

	r = write_file(dirfd, k->key_file, &key, err);
	if (r < 0)
		return r;
	return write_file(dirfd, k->crt_file, &crt, err);
}

int creds_make(int dirfd, struct err *err)
{
	cleanup(pair_release) struct pair ca = { 0 };
	int status = make_pair(&ca, &ca_kind, &ca);
	int r;

	if (status < 0)
		return failed(err, &ca_kind, status);
	r = write_pair(dirfd, &ca, &ca_kind, err);

	for (size_t i = 0; i < ARRAY_SIZE(leaf_kinds) && r == 0; i++) {
		cleanup(pair_release) struct pair leaf = { 0 };

		status = make_pair(&leaf, &leaf_kinds[i], &ca);
		r = status < 0 ? failed(err, &leaf_kinds[i], status) :
				 write_pair(dirfd, &leaf, &leaf_kinds[i], err);
	}
	return r;
}
