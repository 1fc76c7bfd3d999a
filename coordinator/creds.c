/* SPDX-License-Identifier: Apache-2.0
 *
 * creds.c - finds, checks, makes and swaps the directory of credentials
 *
 * A directory is whole or absent: its files are written into a hidden one beside it, which is
 * renamed. rename(2) takes the place of an empty directory and refuses one with anything in
 * it, so nothing is ever overwritten, however many deploys run at once.
 */
#include "creds.h"

#include "creds_file.h"
#include "creds_make.h"
#include "digest.h"
#include "names.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX (64u << 10)		/* a PEM file of ours is under 1 KiB */
#define CLUSTER_ID_MAX 64

static const char *const all_files[] = {
	CREDS_CA, CREDS_CA_KEY, CREDS_CLIENT, CREDS_CLIENT_KEY, CREDS_AGENT, CREDS_AGENT_KEY,
};

static const char *home_dir(void)
{
	const char *home = getenv("HOME");
	struct passwd *pw;

	if (home && *home)
		return home;
	pw = getpwuid(getuid());
	return pw ? pw->pw_dir : "/";
}

char *creds_dir(const char *explicit_dir, const char *cluster_id)
{
	const char *env = getenv("SWARMCAP_CREDENTIALS");
	const char *xdg = getenv("XDG_CONFIG_HOME");
	cleanup_free char *id = NULL;

	if (!explicit_dir && env && *env)
		explicit_dir = env;
	if (explicit_dir) {
		char *dir = xstrdup(explicit_dir);

		for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
			dir[n - 1] = '\0';
		return dir;
	}

	id = names_clean(cluster_id, CLUSTER_ID_MAX);
	/* the XDG specification: a relative path is to be ignored */
	if (xdg && *xdg == '/')
		return xasprintf("%s/swarmcap/%s", xdg, id);
	return xasprintf("%s/.config/swarmcap/%s", home_dir(), id);
}

char *creds_new_dir(const char *dir)
{
	return xasprintf("%s.new", dir);
}

/* ---- loading */

static void wipe_text(char **text)
{
	if (*text)
		gnutls_memset(*text, 0, strlen(*text));
	free(*text);
	*text = NULL;
}

static void crt_release(gnutls_x509_crt_t *crt)
{
	if (*crt)
		gnutls_x509_crt_deinit(*crt);
}

static void key_release(gnutls_x509_privkey_t *key)
{
	if (*key)
		gnutls_x509_privkey_deinit(*key);
}

static int read_file(const char *path, char **out, struct err *err)
{
	char *text = util_read_file(path, FILE_MAX);

	if (!text)
		return err_errno(err, "cannot read '%s'", path);
	*out = text;
	return 0;
}

static int read_crt(const char *path, gnutls_x509_crt_t *out, struct err *err)
{
	cleanup_free char *text = NULL;
	gnutls_datum_t d;
	int r = read_file(path, &text, err);

	if (r < 0)
		return r;
	d.data = (unsigned char *)text;
	d.size = (unsigned int)strlen(text);
	r = gnutls_x509_crt_init(out);
	if (r >= 0)
		r = gnutls_x509_crt_import(*out, &d, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return err_set(err, -EINVAL, "'%s' is no certificate: %s", path,
			       gnutls_strerror(r));
	return 0;
}

/* A key that others may read is as good as published: refused, as ssh does. */
static int check_private(const char *path, struct err *err)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return err_errno(err, "cannot read '%s'", path);
	if (st.st_mode & 077)
		return err_set(err, -EINVAL,
			       "the key '%s' may be read by others (mode %04o): chmod 600 it, and "
			       "if others are on this machine, `swarmcap deploy --rotate`",
			       path, (unsigned)(st.st_mode & 07777));
	return 0;
}

static int read_key(const char *path, gnutls_x509_privkey_t *out, struct err *err)
{
	cleanup(wipe_text) char *text = NULL;
	gnutls_datum_t d;
	int r = check_private(path, err);

	if (r == 0)
		r = read_file(path, &text, err);
	if (r < 0)
		return r;
	d.data = (unsigned char *)text;
	d.size = (unsigned int)strlen(text);
	r = gnutls_x509_privkey_init(out);
	if (r >= 0)
		r = gnutls_x509_privkey_import(*out, &d, GNUTLS_X509_FMT_PEM);
	if (r < 0)
		return err_set(err, -EINVAL, "'%s' is no private key: %s", path,
			       gnutls_strerror(r));
	return 0;
}

static bool key_fits(gnutls_x509_crt_t crt, gnutls_x509_privkey_t key)
{
	unsigned char a[64], b[64];
	size_t na = sizeof(a), nb = sizeof(b);

	return gnutls_x509_crt_get_key_id(crt, GNUTLS_KEYID_USE_SHA256, a, &na) == 0 &&
	       gnutls_x509_privkey_get_key_id(key, GNUTLS_KEYID_USE_SHA256, b, &nb) == 0 &&
	       na == nb && !memcmp(a, b, na);
}

/* One certificate with its key, both of this CA. */
static int load_pair(const char *crt_path, const char *key_path, gnutls_x509_crt_t ca,
		     int64_t *expires_ns, struct err *err)
{
	cleanup(crt_release) gnutls_x509_crt_t crt = NULL;
	cleanup(key_release) gnutls_x509_privkey_t key = NULL;
	int r = read_crt(crt_path, &crt, err);

	if (r == 0)
		r = read_key(key_path, &key, err);
	if (r < 0)
		return r;
	if (!key_fits(crt, key))
		return err_set(err, -EINVAL, "'%s' is not the key of '%s'", key_path, crt_path);
	if (!gnutls_x509_crt_check_issuer(crt, ca))
		return err_set(err, -EINVAL, "'%s' is not of the CA beside it", crt_path);
	*expires_ns = (int64_t)gnutls_x509_crt_get_expiration_time(crt) * NS_PER_S;
	return 0;
}

static int fingerprint(gnutls_x509_crt_t ca, char hex[DIGEST_HEX], struct err *err)
{
	gnutls_datum_t der = { NULL, 0 };
	struct digest *d;
	int r = gnutls_x509_crt_export2(ca, GNUTLS_X509_FMT_DER, &der);

	if (r < 0)
		return err_set(err, -EINVAL, "cannot read the CA: %s", gnutls_strerror(r));
	d = digest_new();
	digest_add(d, der.data, der.size);
	digest_end(d, hex);
	gnutls_free(der.data);
	return 0;
}

static char *in_dir(const char *dir, const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void name_files(struct creds *c, const char *dir)
{
	c->dir = xstrdup(dir);
	c->ca_file = in_dir(dir, CREDS_CA);
	c->client_file = in_dir(dir, CREDS_CLIENT);
	c->client_key_file = in_dir(dir, CREDS_CLIENT_KEY);
	c->agent_file = in_dir(dir, CREDS_AGENT);
	c->agent_key_file = in_dir(dir, CREDS_AGENT_KEY);
}

static int load(struct creds *c, struct err *err)
{
	cleanup(crt_release) gnutls_x509_crt_t ca = NULL;
	cleanup_free char *ca_key = in_dir(c->dir, CREDS_CA_KEY);
	int r = read_crt(c->ca_file, &ca, err);

	if (r == 0)
		r = fingerprint(ca, c->ca_fingerprint, err);
	if (r == 0)
		r = load_pair(c->client_file, c->client_key_file, ca, &c->client_expires_ns, err);
	if (r == 0 && access(ca_key, F_OK) == 0)
		r = check_private(ca_key, err);
	/* a client's copy of the directory has no agent's certificate */
	if (r == 0 && access(c->agent_file, F_OK) == 0)
		r = load_pair(c->agent_file, c->agent_key_file, ca, &c->agent_expires_ns, err);
	return r;
}

static char *in_memory(int fd)
{
	return xasprintf("/proc/self/fd/%d", fd);
}

static int load_file(struct creds *c, const char *file, struct err *err)
{
	cleanup(crt_release) gnutls_x509_crt_t ca = NULL;
	int r = check_private(file, err);

	if (r == 0)
		r = creds_file_open(file, c->fds, err);
	if (r < 0)
		return r;
	c->n_fds = CREDS_PARTS;
	c->dir = xstrdup(file);
	c->ca_file = in_memory(c->fds[CREDS_PART_CA]);
	c->client_file = in_memory(c->fds[CREDS_PART_CLIENT]);
	c->client_key_file = in_memory(c->fds[CREDS_PART_KEY]);
	r = read_crt(c->ca_file, &ca, err);
	if (r == 0)
		r = fingerprint(ca, c->ca_fingerprint, err);
	if (r == 0)
		r = load_pair(c->client_file, c->client_key_file, ca, &c->client_expires_ns, err);
	if (r < 0)
		err_add(err, " (of '%s')", file);
	return r;
}

static int load_dir(struct creds *c, const char *dir, struct err *err)
{
	struct stat st;

	name_files(c, dir);
	if (stat(c->ca_file, &st) < 0 && errno == ENOENT)
		return err_set(err, -ENOENT,
			       "there are no credentials in '%s': run `swarmcap deploy`, or name "
			       "their place with --credentials", dir);
	return load(c, err);
}

bool creds_is_file(const char *place)
{
	struct stat st;

	return stat(place, &st) == 0 && S_ISREG(st.st_mode);
}

int creds_load(struct creds *out, const char *dir, struct err *err)
{
	cleanup_creds struct creds c = CREDS_INIT;
	int r = creds_is_file(dir) ? load_file(&c, dir, err) : load_dir(&c, dir, err);

	if (r < 0)
		return r;
	*out = c;
	c = (struct creds)CREDS_INIT;
	return 0;
}

void creds_release(struct creds *c)
{
	free(c->dir);
	free(c->ca_file);
	free(c->client_file);
	free(c->client_key_file);
	free(c->agent_file);
	free(c->agent_key_file);
	while (c->n_fds)
		close(c->fds[--c->n_fds]);
	*c = (struct creds)CREDS_INIT;
}

/* ---- making, swapping, removing */

static int make_parents(const char *dir, struct err *err)
{
	cleanup_free char *path = xstrdup(dir);

	for (char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make the directory '%s'", path);
		*p = '/';
	}
	return 0;
}

/* The folder that dir stands in: what is synced after a rename. */
static char *parent_of(const char *dir)
{
	const char *slash = strrchr(dir, '/');

	if (!slash)
		return xstrdup(".");
	return slash == dir ? xstrdup("/") : xasprintf("%.*s", (int)(slash - dir), dir);
}

static void sync_dir(const char *path)
{
	cleanup_close int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		fsync(fd);
}

static int fill_and_rename(const char *hidden, const char *dir, struct err *err)
{
	cleanup_close int fd = open(hidden, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return err_errno(err, "cannot open '%s'", hidden);
	r = creds_make(fd, err);
	if (r < 0)
		return r;
	fsync(fd);
	if (rename(hidden, dir) == 0)
		return 0;
	if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR)
		return err_set(err, -EEXIST, "credentials exist already in '%s': not overwritten",
			       dir);
	return err_errno(err, "cannot make '%s'", dir);
}

int creds_create(const char *dir, struct err *err)
{
	cleanup_free char *parent = parent_of(dir);
	cleanup_free char *hidden = xasprintf("%s/.swarmcap-XXXXXX", parent);
	int r = make_parents(dir, err);

	if (r < 0)
		return r;
	if (!mkdtemp(hidden))
		return err_errno(err, "cannot write in '%s'", parent);
	r = fill_and_rename(hidden, dir, err);
	if (r < 0) {
		creds_discard(hidden, NULL);
		return r;
	}
	sync_dir(parent);
	return 0;
}

int creds_swap(const char *dir, struct err *err)
{
	cleanup_free char *fresh = creds_new_dir(dir);
	cleanup_free char *parent = parent_of(dir);
	cleanup_free char *probe = in_dir(fresh, CREDS_CA);

	if (access(probe, R_OK) < 0)
		return err_errno(err, "cannot read '%s'", probe);
	/* where dir is lost, or the file system cannot exchange, one after the other must do */
	if (renameat2(AT_FDCWD, fresh, AT_FDCWD, dir, RENAME_EXCHANGE) < 0) {
		if (errno != EINVAL && errno != ENOENT)
			return err_errno(err, "cannot put '%s' in the place of '%s'", fresh, dir);
		creds_discard(dir, NULL);
		if (rename(fresh, dir) < 0)
			return err_errno(err, "cannot put '%s' in the place of '%s'", fresh, dir);
	}
	sync_dir(parent);
	return creds_discard(fresh, err);
}

int creds_discard(const char *dir, struct err *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(all_files); i++) {
		cleanup_free char *path = in_dir(dir, all_files[i]);

		if (unlink(path) < 0 && errno != ENOENT)
			return err_errno(err, "cannot remove '%s'", path);
	}
	if (rmdir(dir) < 0 && errno != ENOENT && errno != ENOTEMPTY)
		return err_errno(err, "cannot remove '%s'", dir);
	return 0;
}
