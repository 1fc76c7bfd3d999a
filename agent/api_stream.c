/* SPDX-License-Identifier: Apache-2.0
 *
 * api_stream.c - a live capture's packets, for as long as somebody looks on
 *
 * The connection's thread waits in feed_read, which never answers 0 bytes before the end. It is nice:
 * captures come first, then live views, then fetches (api_file.c). A viewer may stand still for as
 * long as the capture goes on: its coordinator renews the lease beside it. When the connection closes,
 * or is found closed, the capture ends.
 */
#include "api.h"
#include "feed.h"
#include "log.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#define BLOCK (128 << 10)

/* A reference, until the answer is over. */
static ssize_t read_feed(void *capture, uint64_t pos, char *p, size_t max)
{
	ssize_t n = feed_read(capture_feed(capture), p, max);

	if (n < 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	return n ? n : MHD_CONTENT_READER_END_OF_STREAM;
}

static void viewer_left(void *capture)
{
	struct capture *c = capture;

	feed_close(capture_feed(c));
	capture_stop(c, WIRE_END_STOPPED, NULL);
	log_info("live %s: its viewer has left", capture_id(c));
	capture_unref(c);
}

/* For good, as in api_file.c. */
static void step_back(void)
{
	id_t self = (id_t)gettid();

	if (getpriority(PRIO_PROCESS, self) < PUMP_ASIDE_NICE)
		(void)setpriority(PRIO_PROCESS, self, PUMP_ASIDE_NICE);
}

static int open_feed(struct api_request *q, struct capture *c, struct err *err)
{
	const union MHD_ConnectionInfo *fd =
		MHD_get_connection_info(q->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	return feed_open(capture_feed(c), fd ? fd->connect_fd : -1, err);
}

static void answer_feed(struct api_request *q, struct capture *c, struct api_answer *a)
{
	MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
	step_back();
	a->response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_feed,
							capture_ref(c), viewer_left);
	if (!a->response) {
		viewer_left(c);
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "cannot make the answer");
		return;
	}
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"application/x-pcapng");
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONNECTION, "close");
}

void api_get_stream(struct api_request *q, struct api_answer *a)
{
	struct capture *c = api_find(q, a);
	struct err err = ERR_INIT;
	int r;

	if (!c)
		return;
	if (!capture_feed(c)) {
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", "the capture is not live");
	} else {
		r = open_feed(q, c, &err);
		if (r == -EBUSY)
			api_fail(a, MHD_HTTP_CONFLICT, "exists", err.text);
		else if (r)
			api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
		else
			answer_feed(q, c, a);
	}
	log_info("live %s: %u (peer %s)", capture_id(c), a->status, q->peer);
	capture_unref(c);
}
