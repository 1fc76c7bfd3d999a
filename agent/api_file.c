/* SPDX-License-Identifier: Apache-2.0
 *
 * api_file.c - a capture file's bytes, from any byte on
 *
 * The reader hands over large pieces; memory stays flat whatever the file's size. It never
 * answers 0 bytes: libmicrohttpd would ask again at once, for ever.
 */
#include "api.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define BLOCK (128 << 10)
#define IDLE_S 60	/* a fetch may stand still for so long */

struct reader {
	int fd;
	uint64_t from;
};

static ssize_t read_block(void *arg, uint64_t pos, char *p, size_t max)
{
	struct reader *r = arg;
	ssize_t n;

	do {
		n = pread(r->fd, p, max, (off_t)(r->from + pos));
	} while (n < 0 && errno == EINTR);
	return n > 0 ? n : MHD_CONTENT_READER_END_WITH_ERROR;
}

static void reader_free(void *arg)
{
	struct reader *r = arg;

	util_close(r->fd);
	free(r);
}

/* "bytes=N-" and "bytes=N-M"; any other form is as if there were none, as the RFC allows. */
static bool parse_range(const char *text, uint64_t size, uint64_t *from, uint64_t *to)
{
	cleanup_free char *first = NULL;
	const char *dash;

	*from = 0;
	*to = size;
	if (!text || !str_starts(text, "bytes=") || strchr(text, ','))
		return false;
	text += strlen("bytes=");
	dash = strchr(text, '-');
	if (!dash)
		return false;
	first = xasprintf("%.*s", (int)(dash - text), text);
	if (units_parse_u64(first, 0, INT64_MAX, from))
		return false;
	if (dash[1] && units_parse_u64(dash + 1, *from, INT64_MAX, to)) {
		*from = 0;
		*to = size;
		return false;
	}
	*to = dash[1] && *to < size ? *to + 1 : size;
	return true;
}

/* fd is taken over. */
static void answer_bytes(struct api_request *q, int fd, uint64_t size, struct api_answer *a)
{
	const char *range = MHD_lookup_connection_value(q->connection, MHD_HEADER_KIND, "Range");
	cleanup_free char *content = NULL;
	struct reader *r;
	uint64_t from, to;
	bool part = parse_range(range, size, &from, &to);

	if (part && from >= size) {
		util_close(fd);
		api_fail(a, MHD_HTTP_RANGE_NOT_SATISFIABLE, "bad-range",
			 "the range begins past the file's end");
		return;
	}
	r = xcalloc(1, sizeof(*r));
	r->fd = fd;
	r->from = from;
	a->response =
		MHD_create_response_from_callback(to - from, BLOCK, read_block, r, reader_free);
	if (!a->response) {
		reader_free(r);
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "cannot make the answer");
		return;
	}
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"application/octet-stream");
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_ACCEPT_RANGES, "bytes");
	a->status = part ? MHD_HTTP_PARTIAL_CONTENT : MHD_HTTP_OK;
	content = xasprintf("bytes %llu-%llu/%llu", (unsigned long long)from,
			    (unsigned long long)to - 1, (unsigned long long)size);
	if (part)
		MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_RANGE, content);
	q->to_end = to == size;
}

void api_get_file(struct api_request *q, struct api_answer *a)
{
	struct capture *c = api_find(q, a);
	struct err err = ERR_INIT;
	int64_t size;
	int fd, r;

	if (!c)
		return;
	q->file_of = c;		/* given back with the request */
	MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_S);
	r = capture_open_file(c, q->name, &fd, &size, &err);
	if (r == -ENOENT || r == -ESTALE)
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", err.text);
	else if (r)
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
	else
		answer_bytes(q, fd, (uint64_t)size, a);
	log_info("fetch %s %s: %u (peer %s)", capture_id(c), q->name, a->status, q->peer);
}
