/* SPDX-License-Identifier: Apache-2.0
 *
 * http_transfer.c - what curl calls while a request runs, and what its errors mean
 *
 * What a peer can make us hold: headers up to HEADERS_MAX bytes, a body up to the ceiling of
 * reply->body, and of a fetch that is refused FETCH_BODY_MAX bytes. A fetch has no time-out as
 * long as bytes come, so a refusal that does not end is broken off at REFUSAL_MAX.
 *
 * A rate is kept here, by sleeping over each piece that came too early. curl's own limit
 * (CURLOPT_MAX_RECV_SPEED_LARGE) knows no beginning in 7.88 and lets whole files through before it
 * first acts.
 */
#include "http_transfer.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define HEADERS_MAX (64u << 10)
#define FETCH_BODY_MAX (64u << 10)
#define REFUSAL_MAX (1u << 20)
#define CREDIT_NS (NS_PER_S / 4)	/* what a slow peer may make good afterwards */
#define NAP_MS 100			/* between two looks whether it is cancelled */

/* ---- callbacks ---- */

static void copy_header(const char *line, size_t n, const char *name, char *out, size_t size)
{
	size_t i = strlen(name), len = 0;

	if (n <= i || strncasecmp(line, name, i) != 0 || line[i] != ':')
		return;

	for (i++; i < n && line[i] == ' '; i++)
		;
	for (; i < n && isgraph((unsigned char)line[i]) && len + 1 < size; i++)
		out[len++] = line[i];
	out[len] = '\0';
}

size_t http_on_header(char *line, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	struct http_reply *r = t->reply;

	t->header_bytes += n;
	if (t->header_bytes > HEADERS_MAX) {
		t->rc = -EFBIG;
		return CURL_WRITEFUNC_ERROR;
	}

	copy_header(line, n, "Api-Version", r->api_version, sizeof(r->api_version));
	copy_header(line, n, "Swarm", r->swarm, sizeof(r->swarm));
	return n;
}

static bool is_cancelled(const struct http_transfer *t)
{
	return t->cancel && __atomic_load_n(t->cancel, __ATOMIC_RELAXED);
}

/* Until n bytes more are due. */
static int keep_rate(struct http_transfer *t, size_t n)
{
	int64_t rate = t->http->fetch_rate, now = clock_mono_ns(), ms;

	if (!rate)
		return 0;
	if (t->due_ns < now - CREDIT_NS)
		t->due_ns = now - CREDIT_NS;
	t->due_ns += (int64_t)n * NS_PER_S / rate;
	for (; now < t->due_ns; now = clock_mono_ns()) {
		if (is_cancelled(t))
			return -ECANCELED;
		ms = (t->due_ns - now + NS_PER_MS - 1) / NS_PER_MS;
		clock_sleep_ms(ms < NAP_MS ? (int)ms : NAP_MS);
	}
	t->moved_ns = now;
	return 0;
}

/* Bytes of the file. A server that answers 200 to a Range sends all of it from its beginning. */
static int to_sink(struct http_transfer *t, long status, const char *p, size_t n)
{
	if (!t->body_seen && status == 200)
		t->skip = t->from;
	t->body_seen = true;

	if (n <= t->skip) {
		t->skip -= n;
		return 0;
	}
	p += t->skip;
	n -= t->skip;
	t->skip = 0;
	return t->sink(t->arg, p, n);
}

/* The words of an error need not be whole. */
static int to_short_body(struct http_transfer *t, const char *p, size_t n)
{
	struct buf *body = &t->reply->body;
	size_t room = FETCH_BODY_MAX - body->len;

	t->refusal_bytes += n;
	if (t->refusal_bytes > REFUSAL_MAX)
		return -EFBIG;
	return buf_add(body, p, n < room ? n : room);
}

size_t http_on_body(char *p, size_t size, size_t n, void *arg)
{
	struct http_transfer *t = arg;
	long status = 0;

	curl_easy_getinfo(t->http->curl, CURLINFO_RESPONSE_CODE, &status);
	if (!t->sink)
		t->rc = buf_add(&t->reply->body, p, n);
	else if (status == 200 || status == 206)
		t->rc = to_sink(t, status, p, n);
	else
		t->rc = to_short_body(t, p, n);
	if (t->sink && t->rc == 0)
		t->rc = keep_rate(t, n);
	return t->rc < 0 ? CURL_WRITEFUNC_ERROR : n;
}

/*
 * Called when something moved, and about once a second when nothing does. Under 1 byte/s is
 * as good as nothing.
 */
int http_on_progress(void *arg, curl_off_t total, curl_off_t now, curl_off_t up_total,
		     curl_off_t up_now)
{
	struct http_transfer *t = arg;
	int64_t ns = clock_mono_ns();

	if (now - t->moved > t->http->stall_timeout_ms / 1000) {
		t->moved = now;
		t->moved_ns = ns;
	}

	if (is_cancelled(t))
		t->rc = -ECANCELED;
	else if (t->sink && !t->endless && ns - t->moved_ns >= t->http->stall_timeout_ms * NS_PER_MS)
		t->rc = -ETIMEDOUT;
	return t->rc < 0;
}

/* ---- errors ---- */

static int no_answer(const struct http *h, long ms, struct err *err)
{
	if (ms % 1000)
		return err_set(err, -ETIMEDOUT, "no answer from %s within %ld ms", h->peer, ms);
	return err_set(err, -ETIMEDOUT, "no answer from %s within %ld s", h->peer, ms / 1000);
}

static int timed_out(const struct http *h, struct err *err)
{
	curl_off_t connected_us = 0;
	long ms = h->timeout_ms;

	curl_easy_getinfo(h->curl, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
	if (connected_us == 0 && (ms == 0 || h->connect_timeout_ms < ms))
		ms = h->connect_timeout_ms;
	return no_answer(h, ms, err);
}

static int not_connected(const struct http *h, struct err *err)
{
	long os = 0;

	curl_easy_getinfo(h->curl, CURLINFO_OS_ERRNO, &os);
	errno = os > 0 ? (int)os : ECONNREFUSED;
	return err_errno(err, "cannot connect to %s", h->peer);
}

static int ended_by_us(const struct http *h, int rc, struct err *err)
{
	if (rc == -EFBIG)
		return err_set(err, rc, "the answer of %s is too large", h->peer);
	if (rc == -ECANCELED)
		return err_set(err, rc, "the transfer from %s was cancelled", h->peer);
	if (rc == -ETIMEDOUT)
		return no_answer(h, h->stall_timeout_ms, err);
	errno = -rc;
	return err_errno(err, "cannot take what %s sends", h->peer);
}

/* curl's own words may quote the peer's. */
static int other_error(const struct http *h, int code, const char *what, CURLcode rc,
		       struct err *err)
{
	struct buf safe = BUF_INIT(8 * CURL_ERROR_SIZE);

	buf_add_safe(&safe, h->words[0] ? h->words : curl_easy_strerror(rc));
	err_set(err, code, "%s %s: %s", what, h->peer, safe.data);
	buf_release(&safe);
	return code;
}

int http_transfer_error(const struct http *h, const struct http_transfer *t, CURLcode rc,
			struct err *err)
{
	if (t->rc < 0)
		return ended_by_us(h, t->rc, err);
	if (h->dialed < 0)
		return err_set(err, h->dialed, "%s", h->dial_err.text);

	switch (rc) {
	case CURLE_OPERATION_TIMEDOUT:
		return timed_out(h, err);
	case CURLE_COULDNT_CONNECT:
		return not_connected(h, err);
	case CURLE_COULDNT_RESOLVE_HOST:
		return other_error(h, -EHOSTUNREACH, "cannot find", rc, err);
	case CURLE_SSL_CONNECT_ERROR:
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CIPHER:
	case CURLE_SSL_ISSUER_ERROR:
		return other_error(h, -EPROTO, "no TLS with", rc, err);
	case CURLE_GOT_NOTHING:
	case CURLE_PARTIAL_FILE:
	case CURLE_SEND_ERROR:
	case CURLE_RECV_ERROR:
		return other_error(h, -ECONNRESET, "lost the connection to", rc, err);
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
	case CURLE_WEIRD_SERVER_REPLY:
		return other_error(h, -EPROTO, "no HTTP with", rc, err);
	default:
		return other_error(h, -EIO, "cannot talk to", rc, err);
	}
}
