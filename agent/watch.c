/* SPDX-License-Identifier: Apache-2.0
 *
 * watch.c - the engine's events: a container died, so its capture ends; another starts, and may join
 *
 * The event comes while the container's interfaces are still there, so the target can be
 * drained; a namespace file that is gone (target_check) and interfaces that vanish (sniff.c) are
 * what is left when an event was missed. The stream is objects, one after another, and mostly
 * silent: the client gives up a silent one after a while, and it is taken up again from where it
 * ended.
 */
#include "watch.h"
#include "http.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <string.h>

#define UNIX_SCHEME "unix://"
#define EVENT_MAX (1u << 20)	/* an event carries all labels of its container */
#define RETRY_MS 1000

struct watch {
	char *path;
	struct captures *captures;
	struct follow *follow;		/* or NULL */
	pthread_t thread;
	volatile bool stopping;		/* read by http_fetch too; by all of us atomically */
	struct buf pending;		/* the beginning of an event */
	int64_t since_ns;
};

static bool is_stopping(const struct watch *w)
{
	return __atomic_load_n(&w->stopping, __ATOMIC_RELAXED);
}

static void take_event(struct watch *w, json_t *event)
{
	const char *id = jx_str(event, "Actor.ID", jx_str(event, "id", ""));
	const char *action = jx_str(event, "Action", "");
	int64_t ns = jx_int(event, "timeNano", 0);

	if (ns >= w->since_ns)
		w->since_ns = ns + 1;
	if (!strcmp(action, "die") && *id)
		captures_container_died(w->captures, id);
	else if (!strcmp(action, "start") && w->follow)
		follow_container(w->follow, id);
	else if (!strcmp(action, "connect") && w->follow)	/* a network's */
		follow_container(w->follow, jx_str(event, "Actor.Attributes.container", ""));
}

/* Takes whole objects off the front of what has come. */
static int take_events(void *arg, const void *p, size_t n)
{
	struct watch *w = arg;
	const size_t flags = JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES;
	size_t done = 0;

	if (buf_add(&w->pending, p, n))
		return -EFBIG;
	while (done < w->pending.len) {
		cleanup_json json_t *event = NULL;
		json_error_t e;

		done += strspn(w->pending.data + done, " \r\n\t");
		event = json_loadb(w->pending.data + done, w->pending.len - done, flags, &e);
		if (!event)
			break;
		done += (size_t)e.position;
		take_event(w, event);
	}
	if (done) {
		char *rest = xstrdup(w->pending.data + done);

		buf_reset(&w->pending);
		buf_add(&w->pending, rest, strlen(rest));
		free(rest);
	}
	return 0;
}

static char *events_path(const struct watch *w)
{
	cleanup_free char *filters = engine_filters("type", "container", "type", "network",
							"event", "die", "event", "start",
							"event", "connect", NULL);

	return xasprintf("/events?since=%lld.%09lld&%s", (long long)(w->since_ns / NS_PER_S),
			 (long long)(w->since_ns % NS_PER_S), filters);
}

/* One connection, until it ends. */
static void listen_once(struct watch *w)
{
	struct http_endpoint at = { .unix_path = w->path };
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	cleanup_free char *path = events_path(w);
	struct http *h = NULL;
	struct err err = ERR_INIT;
	int r = http_new(&h, &at, &err);

	if (!r)
		r = http_fetch(h, path, 0, take_events, w, &w->stopping, &reply, &err);
	http_free(h);
	buf_reset(&w->pending);
	if (r && r != -ETIMEDOUT && r != -ECANCELED)
		log_debug("events of the engine: %s", err.text);
	if (r && r != -ETIMEDOUT && w->follow)
		follow_missed(w->follow);
	for (int i = 0; r != -ETIMEDOUT && !is_stopping(w) && i < RETRY_MS; i += 100)
		clock_sleep_ms(100);
}

static void *watch(void *arg)
{
	struct watch *w = arg;

	while (!is_stopping(w))
		listen_once(w);
	return NULL;
}

int watch_start(struct watch **out, const char *engine, struct captures *r, struct follow *f,
		struct err *err)
{
	struct watch *w;

	if (!str_starts(engine, UNIX_SCHEME))
		return err_set(err, -ENOTSUP,
			       "the engine's events are watched on unix sockets only");
	w = xcalloc(1, sizeof(*w));
	w->path = xstrdup(engine + strlen(UNIX_SCHEME));
	w->captures = r;
	w->since_ns = clock_kernel_ns();
	w->follow = f;
	w->pending = (struct buf)BUF_INIT(EVENT_MAX);
	errno = pthread_create(&w->thread, NULL, watch, w);
	if (errno) {
		free(w->path);
		free(w);
		return err_errno(err, "cannot start the watching thread");
	}
	*out = w;
	return 0;
}

void watch_stop(struct watch *w)
{
	if (!w)
		return;
	__atomic_store_n(&w->stopping, true, __ATOMIC_RELAXED);
	pthread_join(w->thread, NULL);
	buf_release(&w->pending);
	free(w->path);
	free(w);
}
