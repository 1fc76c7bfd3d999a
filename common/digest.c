/* SPDX-License-Identifier: Apache-2.0
 *
 * digest.c - SHA-256, as lower-case hex (GnuTLS)
 *
 * GnuTLS initialises itself when it is loaded; nothing global is called here.
 */
#include "digest.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <unistd.h>

#define SHA256_BYTES 32
#define CHUNK 65536

struct digest {
	gnutls_hash_hd_t hash;
};

struct digest *digest_new(void)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	/* nothing else makes SHA-256 unavailable */
	if (gnutls_hash_init(&d->hash, GNUTLS_DIG_SHA256) < 0)
		util_out_of_memory();
	return d;
}

void digest_add(struct digest *d, const void *p, size_t n)
{
	if (d && n > 0)
		gnutls_hash(d->hash, p, n);
}

struct digest *digest_end(struct digest *d, char hex[DIGEST_HEX])
{
	unsigned char raw[SHA256_BYTES] = { 0 };

	if (!d)
		return NULL;
	gnutls_hash_deinit(d->hash, raw);
	free(d);

	for (size_t i = 0; hex && i < sizeof(raw); i++)
		snprintf(hex + 2 * i, 3, "%02x", raw[i]);
	return NULL;
}

static int add_all(struct digest *d, int fd)
{
	cleanup_free char *chunk = xmalloc(CHUNK);
	ssize_t n;

	for (;;) {
		n = read(fd, chunk, CHUNK);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		digest_add(d, chunk, (size_t)n);
	}
}

int digest_fd(int fd, char hex[DIGEST_HEX])
{
	struct digest *d;
	int rc;

	if (lseek(fd, 0, SEEK_SET) < 0)
		return -errno;

	d = digest_new();
	rc = add_all(d, fd);
	digest_end(d, rc == 0 ? hex : NULL);
	return rc;
}

bool digest_is_hex(const char *s)
{
	return s && strlen(s) == DIGEST_HEX - 1 &&
	       strspn(s, "0123456789abcdef") == DIGEST_HEX - 1;
}
