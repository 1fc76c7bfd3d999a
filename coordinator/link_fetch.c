/* SPDX-License-Identifier: Apache-2.0
 *
 * link_fetch.c - one file, resumed and checked
 *
 * The bytes go to disk as they come, and on the way through the checksum that the agent knows, or has when it
 * sent them, and the digest that the archive shows, so that memory stays flat and nothing is read twice. A
 * transfer that breaks goes on where it ended, sums included. A checksum that does not match in
 * the end says that some byte was wrong, not which: then the whole file is fetched once more.
 */
#include "link_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAUSE_MS 500		/* before a transfer that broke goes on */
#define PAUSE_STEP_MS 50
#define RESUMES_MAX 20		/* of one file: progress buys tries, not without end */

struct fetch {
	const struct link_file *f;
	struct link *l;
	char path[LINK_PATH_MAX];
	int fd;
	struct digest *digest;
	struct checksum *sum;
	int64_t at;			/* bytes written and digested */
	int local;			/* -errno of our own disk, 0 */
};

static void fetch_release(struct fetch *s)
{
	util_close(s->fd);
	s->digest = digest_end(s->digest, NULL);
	s->sum = checksum_end(s->sum, NULL);
}

static bool name_is_safe(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");

	return n > 0 && n < 128 && s[n] == '\0' && s[0] != '.';
}

static int take(void *arg, const void *p, size_t n)
{
	struct fetch *s = arg;
	int rc;

	/* an agent that sends more than it announced would fill our disk */
	if (n > (uint64_t)(s->f->bytes - s->at))
		return -EMSGSIZE;
	rc = util_write_full(s->fd, p, n);
	if (rc < 0) {
		s->local = rc;
		return rc;
	}
	digest_add(s->digest, p, n);
	checksum_add(s->sum, p, n);
	s->at += (int64_t)n;
	if (s->f->progress)
		s->f->progress(s->f->arg, n);
	return 0;
}

/* From where it ended to the end of the file. */
static int transfer(struct fetch *s, struct err *err)
{
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	int rc = http_fetch(s->l->http, s->path, (uint64_t)s->at, take, s, s->f->cancel, &reply,
			    err);

	if (s->local < 0) {
		err_reset(err);
		errno = -s->local;
		return err_errno(err, "cannot write what is fetched from %s", s->l->peer);
	}
	if (rc == -EMSGSIZE) {
		err_reset(err);
		return err_set(err, rc, "the agent at %s sends more of %s than it announced",
			       s->l->peer, s->f->spool_name);
	}
	if (rc < 0)
		return rc;
	if (reply.status != 200 && reply.status != 206)
		return link_refusal(s->l, &reply, err);
	/* a connection that broke is an error above: this is all that the agent has of it */
	if (s->at < s->f->bytes)
		return err_set(err, -EBADMSG, "the agent at %s has but %lld of %lld bytes of %s",
			       s->l->peer, (long long)s->at, (long long)s->f->bytes,
			       s->f->spool_name);
	return 0;
}

/* True when it is no use to try again. */
static bool is_final(const struct fetch *s, int rc)
{
	return rc >= 0 || s->local < 0 || rc == -ECANCELED || rc == -EMSGSIZE ||
	       rc == -EBADMSG;
}

static bool cancelled(const struct fetch *s)
{
	return s->f->cancel && __atomic_load_n(s->f->cancel, __ATOMIC_RELAXED);
}

/* Returns early when cancelled. */
static void wait_a_little(const struct fetch *s)
{
	for (int ms = 0; ms < PAUSE_MS && !cancelled(s); ms += PAUSE_STEP_MS)
		clock_sleep_ms(PAUSE_STEP_MS);
}

static int transfer_all(struct fetch *s, struct err *err)
{
	struct err last;
	int rc, failed = 0;

	for (int resumes = 0;; resumes++) {
		int64_t before = s->at;

		last = (struct err)ERR_INIT;
		rc = transfer(s, &last);
		if (rc == 0)
			return 0;
		failed = s->at > before ? 1 : failed + 1;
		if (is_final(s, rc) || failed >= s->f->tries || resumes >= RESUMES_MAX)
			break;
		wait_a_little(s);
	}
	err_set(err, last.code, "%s", last.text);
	return rc;
}

/* What the report says, or the agent, where nobody had read the bytes before. */
static int sum_of_agent(struct fetch *s, char hex[CHECKSUM_HEX], struct err *err)
{
	char path[LINK_PATH_MAX];
	struct err last;
	int rc;

	snprintf(hex, CHECKSUM_HEX, "%s", s->f->xxh128);
	if (*hex)
		return 0;
	if (snprintf(path, sizeof(path), "%s/sum", s->path) >= (int)sizeof(path))
		return err_set(err, -EINVAL, "too long a path of an agent: '%s'", s->path);
	for (int tries = 1;; tries++) {
		last = (struct err)ERR_INIT;
		rc = link_sum(s->l, path, hex, &last);
		if (rc >= 0 || rc == -EPROTO || tries >= s->f->tries || cancelled(s))
			break;
		wait_a_little(s);
	}
	if (rc != 0)
		err_set(err, last.code, "%s", last.text);
	return rc;
}

/* 0, or -EBADMSG: the bytes are not those that were announced. */
static int fetch_whole(struct fetch *s, struct err *err)
{
	char hex[CHECKSUM_HEX], known[CHECKSUM_HEX];
	int rc;

	s->at = 0;
	s->digest = digest_new();
	s->sum = checksum_new();
	if (ftruncate(s->fd, 0) < 0 || lseek(s->fd, 0, SEEK_SET) < 0) {
		s->local = -errno;
		return err_errno(err, "cannot begin '%s' anew", s->f->name);
	}
	rc = transfer_all(s, err);
	s->digest = digest_end(s->digest, s->f->sha256);
	s->sum = checksum_end(s->sum, hex);
	if (rc == 0)
		rc = sum_of_agent(s, known, err);
	if (rc != 0)
		return rc;
	return strcmp(hex, known) ? -EBADMSG : 0;
}

static int fetch_open(struct fetch *s, struct err *err)
{
	char rest[LINK_PATH_MAX];
	int rc;

	if (!name_is_safe(s->f->spool_name) || s->f->bytes < 0)
		return err_set(err, -EINVAL, "the agent at %s names a file '%s'", s->l->peer,
			       s->f->spool_name);
	snprintf(rest, sizeof(rest), "/files/%s", s->f->spool_name);
	rc = link_path(s->path, s->f->id, rest, err);
	if (rc < 0)
		return rc;
	s->fd = openat(s->f->dirfd, s->f->name,
		       O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	/* not our disk's fault: a report that names a file twice must not end all other nodes' */
	if (s->fd < 0 && errno == EEXIST)
		return err_set(err, -EINVAL, "the agent at %s names the file '%s' twice", s->l->peer,
			       s->f->spool_name);
	if (s->fd < 0) {
		s->local = -errno;
		return err_errno(err, "cannot create '%s' beside the archive", s->f->name);
	}
	return 0;
}

int link_fetch(struct link *l, const struct link_file *f, bool *local, struct err *err)
{
	cleanup(fetch_release) struct fetch s = { .f = f, .l = l, .fd = -1 };
	int rc;

	if (l->ops)
		return l->ops->fetch(l->arg, f, local, err);
	rc = fetch_open(&s, err);
	*local = s.local < 0;
	if (rc < 0)
		return rc;

	rc = fetch_whole(&s, err);
	if (rc == -EBADMSG && !cancelled(&s))
		rc = fetch_whole(&s, err);
	if (rc == -EBADMSG)
		err_set(err, rc, "the checksum of %s from %s does not match, twice", f->spool_name,
			l->peer);
	if (rc != 0)
		unlinkat(f->dirfd, f->name, 0);
	*local = s.local < 0;
	return rc;
}
