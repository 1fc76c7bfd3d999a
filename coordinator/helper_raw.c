/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_raw.c - requests to the Engine that http.h cannot make
 */
#include "helper_raw.h"
#include "jx.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define STEP_MS 500
#define PIECE 65536
#define WORDS_MAX 500	/* bytes of the Engine's own words that are shown */

static int wait_for(const struct raw *x, short events, struct err *err)
{
	struct pollfd p = { .fd = x->fd, .events = events };

	for (;;) {
		int n;

		if (x->cancel && *x->cancel)
			return err_set(err, -ECANCELED, "interrupted");
		if (clock_mono_ns() >= x->until_ns)
			return err_set(err, -ETIMEDOUT, "Docker does not answer in time");
		n = poll(&p, 1, STEP_MS);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return err_errno(err, "cannot wait for Docker");
	}
}

int raw_put(const struct raw *x, const void *from, size_t n, struct err *err)
{
	const char *p = from;

	while (n) {
		ssize_t w = send(x->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
		int r = 0;

		if (w > 0) {
			p += w;
			n -= (size_t)w;
		} else if (w < 0 && errno == EAGAIN) {
			r = wait_for(x, POLLOUT, err);
		} else if (w < 0 && errno != EINTR) {
			return err_errno(err, "lost Docker");
		}
		if (r)
			return r;
	}
	return 0;
}

int raw_put_file(const struct raw *x, int file, int64_t size, struct err *err)
{
	cleanup_free char *piece = xmalloc(PIECE);
	int64_t at = 0;

	while (at < size) {
		ssize_t n = pread(file, piece, PIECE, at);
		int r;

		if (n < 0)
			return err_errno(err, "cannot read the image");
		if (n == 0)
			return err_set(err, -EIO, "the image became shorter while it was sent");
		if (n > size - at)
			n = (ssize_t)(size - at);
		r = raw_put(x, piece, (size_t)n, err);
		if (r)
			return r;
		at += n;
	}
	return 0;
}

/* > 0: so many bytes more in b; 0: the end. */
static ssize_t get(const struct raw *x, struct buf *b, size_t most, struct err *err)
{
	char piece[4096];
	ssize_t n;

	if (most > sizeof(piece))
		most = sizeof(piece);
	for (;;) {
		int r = wait_for(x, POLLIN, err);

		if (r)
			return r;
		n = recv(x->fd, piece, most, MSG_DONTWAIT);
		if (n >= 0)
			break;
		if (errno != EAGAIN && errno != EINTR)
			return err_errno(err, "lost Docker");
	}
	if (n > 0 && buf_add(b, piece, (size_t)n))
		return err_set(err, -EFBIG, "Docker's answer is too long");
	return n;
}

int raw_get_head(const struct raw *x, struct buf *b, struct tap_head *out, struct err *err)
{
	for (;;) {
		int r = tap_head_parse(b->data, b->len, out, err);
		ssize_t n;

		if (r != -EAGAIN)
			return r;
		n = get(x, b, TAP_HEAD_MAX, err);
		if (n < 0)
			return (int)n;
		if (n == 0)
			return err_set(err, -ECONNRESET, "Docker hung up without an answer");
	}
}

/* What one line of JSON complains of, into words; nothing else is looked at. */
static void take_line(const char *p, size_t n, struct buf *words)
{
	cleanup_json json_t *j = NULL;
	cleanup_free char *text = NULL;
	const char *said;

	if (jx_parse(p, n, "the answer", &j, NULL))
		return;
	said = jx_str(j, "error", jx_str(j, "message", NULL));
	if (!said)
		return;
	text = strndup(said, WORDS_MAX);
	buf_reset(words);
	buf_add_safe(words, text ? text : "");
}

/* Takes the whole lines out of b, and at the end what is left. */
static void take_lines(struct buf *b, bool end, struct buf *words)
{
	size_t at = 0;
	char *stop;

	while ((stop = memchr(b->data + at, '\n', b->len - at))) {
		take_line(b->data + at, (size_t)(stop - b->data) - at, words);
		at = (size_t)(stop - b->data) + 1;
	}
	if (end && at < b->len) {
		take_line(b->data + at, b->len - at, words);
		at = b->len;
	}
	if (at) {
		memmove(b->data, b->data + at, b->len - at + 1);
		b->len -= at;
	}
}

static int judge(int status, const struct buf *words, struct err *err)
{
	if (status / 100 == 2 && !words->len)
		return 0;
	if (!words->len)
		return err_set(err, -EIO, "Docker answered: status %d", status);
	return err_set(err, status == 404 ? -ENOENT : status == 403 ? -EACCES : -EIO,
		       "Docker answered: %s", words->data);
}

int raw_get_lines(const struct raw *x, struct buf *b, const struct tap_head *h, struct err *err)
{
	cleanup_buf struct buf words = BUF_INIT(4 * WORDS_MAX + 1);
	size_t rest = b->len - h->size;
	ssize_t n;

	memmove(b->data, b->data + h->size, rest + 1);
	b->len = rest;
	do {
		take_lines(b, false, &words);
		if (b->len >= RAW_ANSWER_MAX)
			return err_set(err, -EFBIG, "Docker's answer is too long");
		n = get(x, b, RAW_ANSWER_MAX, err);
		if (n < 0)
			return (int)n;
	} while (n > 0);
	take_lines(b, true, &words);
	return judge(h->status, &words, err);
}
