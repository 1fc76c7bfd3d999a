/* SPDX-License-Identifier: Apache-2.0
 *
 * creds_file.c - what a client needs as one file
 */
#include "creds_file.h"

#include "buf.h"
#include "creds_make.h"

#include <errno.h>
#include <fcntl.h>
#include <gnutls/crypto.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD "# swarmcap credentials\n"
#define BEGIN "-----BEGIN "
#define END "-----END "

static const struct {
	const char *file;		/* in the directory */
	const char *label;		/* of the PEM block */
	const char *what;
} parts[CREDS_PARTS] = {
	[CREDS_PART_CA] = { CREDS_CA, "CERTIFICATE-----", "the CA's certificate" },
	[CREDS_PART_CLIENT] = { CREDS_CLIENT, "CERTIFICATE-----", "the client's certificate" },
	[CREDS_PART_KEY] = { CREDS_CLIENT_KEY, "PRIVATE KEY-----", "the client's key" },
};

static void wipe_text(char **text)
{
	if (*text)
		gnutls_memset(*text, 0, strlen(*text));
	free(*text);
	*text = NULL;
}

/* ---- reading ---- */

/* The block of this label that text has next; *rest is what follows it. */
static bool take_block(const char *text, const char *label, struct creds_text *out, int i,
		       const char **rest)
{
	const char *begin = strstr(text, BEGIN), *end = begin ? strstr(begin, END) : NULL;
	const char *next = begin ? strstr(begin + strlen(BEGIN), BEGIN) : NULL;

	if (!end || (next && next < end) || !str_starts(begin + strlen(BEGIN), label) ||
	    !str_starts(end + strlen(END), label))
		return false;
	*rest = end + strlen(END) + strlen(label);
	out->part[i] = begin;
	out->len[i] = (size_t)(*rest - begin);
	return true;
}

int creds_file_split(const char *text, struct creds_text *out, struct err *err)
{
	struct creds_text found = { { NULL }, { 0 } };

	for (int i = 0; i < CREDS_PARTS; i++)
		if (!take_block(text, parts[i].label, &found, i, &text))
			return err_set(err, -EINVAL, "%s is not where it should be: it takes the "
				       "CA's certificate, the client's and its key, in this order",
				       parts[i].what);
	if (strstr(text, BEGIN))
		return err_set(err, -EINVAL, "there is more in it than the client's credentials");
	*out = found;
	return 0;
}

static int to_memory(const char *p, size_t n, struct err *err)
{
	cleanup_close int fd = memfd_create("swarmcap-credentials", MFD_CLOEXEC);
	int rc;

	if (fd < 0 || fchmod(fd, 0600) < 0)
		return err_errno(err, "cannot keep credentials in memory");
	rc = util_write_full(fd, p, n);
	if (rc == 0)
		rc = util_write_full(fd, "\n", 1);
	if (rc < 0)
		return err_set(err, rc, "cannot keep credentials in memory: %s", strerror(-rc));
	return take_fd(&fd);
}

int creds_file_open(const char *file, int fds[CREDS_PARTS], struct err *err)
{
	cleanup(wipe_text) char *text = util_read_file(file, CREDS_FILE_MAX);
	struct creds_text t;
	struct err why = ERR_INIT;

	if (!text)
		return err_errno(err, "cannot read '%s'", file);
	if (creds_file_split(text, &t, &why) < 0)
		return err_set(err, -EINVAL, "'%s' is no file of credentials: %s", file, why.text);
	for (int i = 0; i < CREDS_PARTS; i++) {
		fds[i] = to_memory(t.part[i], t.len[i], err);
		if (fds[i] < 0) {
			int rc = fds[i];

			while (i-- > 0)
				fds[i] = util_close(fds[i]);
			return rc;
		}
	}
	return 0;
}

/* ---- writing ---- */

static int collect(const char *dir, struct buf *b, struct err *err)
{
	buf_addf(b, "%s", HEAD);
	for (int i = 0; i < CREDS_PARTS; i++) {
		cleanup_free char *path = xasprintf("%s/%s", dir, parts[i].file);
		cleanup(wipe_text) char *text = util_read_file(path, CREDS_FILE_MAX);

		if (!text)
			return err_errno(err, "cannot read '%s'", path);
		if (buf_addf(b, "%s\n", text) < 0)
			return err_set(err, -EFBIG, "'%s' is too large", path);
	}
	return 0;
}

/* Nothing but an earlier export may be replaced. */
static int check_target(const char *file, struct err *err)
{
	cleanup(wipe_text) char *text = util_read_file(file, CREDS_FILE_MAX);

	if (!text && errno == ENOENT)
		return 0;
	if (text && str_starts(text, HEAD))
		return 0;
	return err_set(err, -EEXIST, "'%s' exists and is no file of credentials: not replaced",
		       file);
}

static int write_whole(const char *file, const struct buf *b, struct err *err)
{
	cleanup_free char *hidden = xasprintf("%s.XXXXXX", file);
	cleanup_close int fd = mkostemp(hidden, O_CLOEXEC);	/* 0600 */
	int rc;

	if (fd < 0)
		return err_errno(err, "cannot write '%s'", file);
	rc = util_write_full(fd, b->data, b->len);
	if (rc == 0 && (fsync(fd) < 0 || rename(hidden, file) < 0))
		rc = -errno;
	if (rc == 0)
		return 0;
	unlink(hidden);
	return err_set(err, rc, "cannot write '%s': %s", file, strerror(-rc));
}

int creds_file_export(const char *dir, const char *file, struct err *err)
{
	cleanup_buf struct buf b = BUF_INIT(CREDS_FILE_MAX);
	struct creds_text t;
	int rc = check_target(file, err);

	if (rc == 0)
		rc = collect(dir, &b, err);
	if (rc == 0)
		rc = creds_file_split(b.data, &t, err);
	if (rc == 0)
		rc = write_whole(file, &b, err);
	gnutls_memset(b.data, 0, b.len);
	return rc;
}
