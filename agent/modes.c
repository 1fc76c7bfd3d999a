/* SPDX-License-Identifier: Apache-2.0
 *
 * modes.c - what the agent's program does besides serving
 */
#include "modes.h"
#include "engine.h"
#include "http.h"

#include <errno.h>

#define HEALTH_TIMEOUT_MS 4000
#define DROP_STEP_MS 500

int modes_health(const struct options *o, struct err *err)
{
	struct http_endpoint at = {
		.unix_path = o->socket, .connect_timeout_ms = HEALTH_TIMEOUT_MS,
		.timeout_ms = HEALTH_TIMEOUT_MS,
	};
	cleanup_http_reply struct http_reply reply = HTTP_REPLY_INIT;
	struct http *h = NULL;
	int r;

	if (!o->socket)
		return err_set(err, -EINVAL, "health needs --socket");
	r = http_new(&h, &at, err);
	if (!r)
		r = http_call(h, "GET", "/v1/info", NULL, &reply, err);
	http_free(h);
	if (r)
		return r;
	if (reply.status == 200)
		return 0;
	return err_set(err, -EIO, "the agent answered with status %ld", reply.status);
}

/* A positive result: it is in use, err says by whom. */
static int drop_once(const struct options *o, const char *path, struct err *err)
{
	struct engine *e = NULL;
	int r = engine_open_host(&e, o->engine, err);

	if (!r)
		r = engine_send(e, "DELETE", path, NULL, NULL, err);
	engine_close(e);
	if (r == ENGINE_E_NOT_FOUND)
		return 0;
	return r;
}

int modes_drop_volume(const struct options *o, struct err *err)
{
	cleanup_free char *name = engine_escape(o->volume);
	cleanup_free char *path = xasprintf("/volumes/%s", name);
	int64_t end = clock_mono_ns() + MODES_DROP_WAIT_MS * NS_PER_MS;
	struct err last = ERR_INIT;
	int r;

	for (;;) {
		err_reset(&last);
		r = drop_once(o, path, &last);
		if (r != ENGINE_E_CONFLICT || clock_mono_ns() >= end)
			break;
		clock_sleep_ms(DROP_STEP_MS);
	}
	if (!r)
		return 0;
	return err_set(err, r < 0 ? r : -EBUSY, "cannot remove volume %s: %s", o->volume,
		       last.text);
}
