/* SPDX-License-Identifier: Apache-2.0
 *
 * http.c - an HTTP/1.1 client with one kept-alive connection (libcurl)
 *
 * A handle is set up once with all that never changes: where to connect, TLS, and what is
 * forbidden (proxies, redirects, other protocols). A request then adds its own options and a
 * struct transfer (http_transfer.h) that lives as long as the request.
 *
 * With TLS the URL names the server as its certificate does, and CONNECT_TO leads to the
 * address: neither DNS nor the address takes part in whom we trust. An Engine's certificate
 * names its host instead. With a dialer CONNECT_TO leads to a number that nobody ever sees.
 */
#include "http.h"
#include "http_transfer.h"

#include <errno.h>
#include <string.h>
#include <sys/un.h>

#define CONNECT_TIMEOUT_MS 5000
#define DIAL_TIMEOUT_MS 30000		/* a tunnel may have to be dug first */
#define CALL_TIMEOUT_MS 30000
#define STALL_TIMEOUT_MS 15000

static bool is_ipv6(const char *host)
{
	return strchr(host, ':') != NULL;
}

static bool has_tls(const struct http_endpoint *at)
{
	return at->host && (at->tls || at->ca_file);
}

static char *name_peer(const struct http_endpoint *at)
{
	if (at->unix_path)
		return xasprintf("unix://%s", at->unix_path);
	if (!at->host)
		return xstrdup("the far end of the tunnel");
	if (!at->port)
		return xstrdup(at->host);
	return xasprintf(is_ipv6(at->host) ? "[%s]:%u" : "%s:%u", at->host, at->port);
}

static void name_endpoint(struct http *h, const struct http_endpoint *at)
{
	const char *prefix = at->base_path ? at->base_path : "";

	h->peer = name_peer(at);
	if (has_tls(at) && !at->tls)
		h->base = xasprintf("https://%s:%u%s", at->server_name, at->port, prefix);
	else if (has_tls(at))
		h->base = xasprintf("https://%s%s", h->peer, prefix);
	else if (at->unix_path || at->dialer)
		h->base = xasprintf("http://localhost%s", prefix);
	else
		h->base = xasprintf("http://%s%s", h->peer, prefix);
}

/* Where curl connects to, when that is not what the URL says. */
static void lead_elsewhere(struct http *h, const struct http_endpoint *at)
{
	cleanup_free char *to = NULL;

	if (at->dialer) /* a number that nobody connects to: names are not looked up for it */
		to = xstrdup("::127.0.0.1:1");
	else if (has_tls(at) && !at->tls)
		to = xasprintf("%s:%u:%s", at->server_name, at->port, h->peer);
	if (to)
		h->connect_to = curl_slist_append(NULL, to);
}

static CURLcode set_manners(CURL *c)
{
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	rc |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	rc |= curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	rc |= curl_easy_setopt(c, CURLOPT_PATH_AS_IS, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_PROXY, "");
	rc |= curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
	rc |= curl_easy_setopt(c, CURLOPT_MAXCONNECTS, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	rc |= curl_easy_setopt(c, CURLOPT_TCP_KEEPIDLE, 15L);
	rc |= curl_easy_setopt(c, CURLOPT_TCP_KEEPINTVL, 5L);
	rc |= curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, http_on_header);
	rc |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, http_on_body);
	rc |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, http_on_progress);
	return rc;
}

static CURLcode set_tls(struct http *h, const struct http_endpoint *at)
{
	long versions = at->tls ? (long)CURL_SSLVERSION_TLSv1_2 :
				  (long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3);
	bool trusting = at->tls && at->tls_insecure;
	CURL *c = h->curl;
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(c, CURLOPT_SSLVERSION, versions);
	rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, trusting ? 0L : 1L);
	rc |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, trusting ? 0L : 2L);
	if (at->ca_file) {
		rc |= curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
		rc |= curl_easy_setopt(c, CURLOPT_CAINFO, at->ca_file);
	}
	rc |= curl_easy_setopt(c, CURLOPT_SSLCERT, at->cert_file);
	rc |= curl_easy_setopt(c, CURLOPT_SSLKEY, at->key_file);
	return rc;
}

static CURLcode set_dialer(struct http *h)
{
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(h->curl, CURLOPT_OPENSOCKETFUNCTION, http_on_open);
	rc |= curl_easy_setopt(h->curl, CURLOPT_OPENSOCKETDATA, h);
	rc |= curl_easy_setopt(h->curl, CURLOPT_SOCKOPTFUNCTION, http_on_opened);
	return rc;
}

static CURLcode set_endpoint(struct http *h, const struct http_endpoint *at)
{
	CURL *c = h->curl;
	CURLcode rc = CURLE_OK;

	rc |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->words);
	rc |= curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, h->connect_timeout_ms);
	rc |= curl_easy_setopt(c, CURLOPT_CONNECT_TO, h->connect_to);
	if (at->dialer)
		rc |= set_dialer(h);
	else
		rc |= curl_easy_setopt(c, CURLOPT_UNIX_SOCKET_PATH, at->unix_path);
	return has_tls(at) ? rc | set_tls(h, at) : rc;
}

static int check_endpoint(const struct http_endpoint *at, struct err *err)
{
	struct sockaddr_un sa;

	if (!at->unix_path && !at->host && !at->dialer)
		return err_set(err, -EINVAL, "no address to connect to");
	if (at->unix_path && !at->dialer && strlen(at->unix_path) >= sizeof(sa.sun_path))
		return err_set(err, -ENAMETOOLONG,
			       "the path of a socket is longer than %zu bytes: '%s'",
			       sizeof(sa.sun_path) - 1, at->unix_path);
	return 0;
}

static long or_default(long ms, long def)
{
	return ms > 0 ? ms : def;
}

/* A header without value is one that curl would add by itself, taken away. */
static void collect_headers(struct http *h, char *const *more)
{
	h->headers = curl_slist_append(NULL, "Expect:");
	curl_slist_append(h->headers, "Content-Type:");
	h->json_headers = curl_slist_append(NULL, "Expect:");
	curl_slist_append(h->json_headers, "Content-Type: application/json");
	for (; more && *more; more++) {
		curl_slist_append(h->headers, *more);
		curl_slist_append(h->json_headers, *more);
	}
}

int http_new(struct http **out, const struct http_endpoint *at, struct err *err)
{
	struct http *h;
	int rc = check_endpoint(at, err);

	if (rc < 0)
		return rc;

	h = xcalloc(1, sizeof(*h));
	if (at->dialer)
		h->dialer = *at->dialer;
	h->connect_timeout_ms = or_default(at->connect_timeout_ms,
					   at->dialer ? DIAL_TIMEOUT_MS : CONNECT_TIMEOUT_MS);
	h->endpoint_timeout_ms = or_default(at->timeout_ms, CALL_TIMEOUT_MS);
	h->timeout_ms = h->endpoint_timeout_ms;
	h->cancel = at->cancel;
	h->stall_timeout_ms = or_default(at->stall_timeout_ms, STALL_TIMEOUT_MS);
	collect_headers(h, at->headers);
	name_endpoint(h, at);
	lead_elsewhere(h, at);

	h->curl = curl_easy_init();
	if (!h->curl || set_manners(h->curl) || set_endpoint(h, at)) {
		http_free(h);
		return err_set(err, -EIO, "cannot set up the HTTP client: libcurl lacks something");
	}
	*out = h;
	return 0;
}

void http_free(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->connect_to);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->json_headers);
	free(h->base);
	free(h->peer);
	free(h);
}

void http_set_timeout(struct http *h, long ms)
{
	h->timeout_ms = or_default(ms, h->endpoint_timeout_ms);
}

void http_set_fetch_rate(struct http *h, int64_t bytes_per_s)
{
	h->fetch_rate = bytes_per_s > 0 ? bytes_per_s : 0;
}

void http_reply_release(struct http_reply *r)
{
	buf_release(&r->body);
}

/* ---- requests ---- */

static void set_method(struct http *h, const char *method, const char *body)
{
	CURL *c = h->curl;
	bool post = strcmp(method, "POST") == 0;

	curl_easy_setopt(c, CURLOPT_HTTPGET, 1L);
	curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, method);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, body ? h->json_headers : h->headers);
	if (!body && !post)
		return;
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body ? body : "");
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)(body ? strlen(body) : 0));
}

static int perform(struct http *h, const char *path, struct http_transfer *t, struct err *err)
{
	cleanup_free char *url = xasprintf("%s%s", h->base, path);
	struct http_reply *r = t->reply;
	CURLcode rc;

	buf_reset(&r->body);
	r->status = 0;
	r->api_version[0] = r->swarm[0] = '\0';
	h->words[0] = '\0';
	h->dialed = 0;
	err_reset(&h->dial_err);

	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, t);
	curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, t);
	rc = curl_easy_perform(h->curl);
	if (rc != CURLE_OK)
		return http_transfer_error(h, t, rc, err);

	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &r->status);
	return 0;
}

int http_call(struct http *h, const char *method, const char *path, const char *body,
	      struct http_reply *reply, struct err *err)
{
	struct http_transfer t = { .http = h, .reply = reply, .cancel = h->cancel };

	set_method(h, method, body);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, h->timeout_ms);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, h->cancel ? 0L : 1L);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, &t);
	return perform(h, path, &t, err);
}

static int fetch(struct http *h, const char *path, struct http_transfer *t, struct err *err)
{
	char range[32];
	int rc;

	t->moved_ns = t->due_ns = clock_mono_ns();
	snprintf(range, sizeof(range), "%llu-", (unsigned long long)t->from);
	set_method(h, "GET", NULL);
	curl_easy_setopt(h->curl, CURLOPT_RANGE, t->from ? range : NULL);
	curl_easy_setopt(h->curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(h->curl, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(h->curl, CURLOPT_XFERINFODATA, t);

	rc = perform(h, path, t, err);
	curl_easy_setopt(h->curl, CURLOPT_RANGE, NULL);
	return rc;
}

int http_fetch(struct http *h, const char *path, uint64_t from, http_sink *sink, void *arg,
	       volatile bool *cancel, struct http_reply *reply, struct err *err)
{
	struct http_transfer t = {
		.http = h, .reply = reply, .sink = sink, .arg = arg, .cancel = cancel, .from = from,
	};

	return fetch(h, path, &t, err);
}

int http_stream(struct http *h, const char *path, http_sink *sink, void *arg,
		volatile bool *cancel, struct http_reply *reply, struct err *err)
{
	struct http_transfer t = {
		.http = h, .reply = reply, .sink = sink, .arg = arg, .cancel = cancel,
		.endless = true,
	};

	return fetch(h, path, &t, err);
}
