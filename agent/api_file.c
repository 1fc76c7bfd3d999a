/* SPDX-License-Identifier: Apache-2.0
 *
 * api_file.c - a capture file's bytes, from any byte on
 *
 * The reader hands over large pieces; memory stays flat whatever the file's size. It never
 * answers 0 bytes: libmicrohttpd would ask again at once, for ever.
 *
 * Captures come before fetches. The thread that serves a file is nice and waits for the disk behind
 * all others, TLS included, which is done by the same thread; and what it has sent is not kept in the
 * page cache, where it would push out what the node's own programs need. libmicrohttpd has one
 * thread per connection, so the rest of that connection is nice as well. That is meant: who fetches
 * has stopped its capture, and what it still says is DELETE; captures that run are renewed and
 * stopped by other coordinators, on connections of their own. A thread without CAP_SYS_NICE could
 * not come back anyway.
 */
#include "api.h"
#include "log.h"
#include "units.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ioprio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define BLOCK (128 << 10)
#define IDLE_S 60	/* a fetch may stand still for so long */
#define NICE 10

struct reader {
	int fd;
	uint64_t from;
};

/* For good. What is not permitted is done without. */
static void step_back(void)
{
	const int idle = IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0);
	id_t self = (id_t)gettid();

	if (getpriority(PRIO_PROCESS, self) < NICE)
		(void)setpriority(PRIO_PROCESS, self, NICE);
	(void)syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, idle);
}

static ssize_t read_block(void *arg, uint64_t pos, char *p, size_t max)
{
	struct reader *r = arg;
	off_t at = (off_t)(r->from + pos), before = at < BLOCK ? 0 : at - BLOCK;
	ssize_t n;

	do {
		n = pread(r->fd, p, max < BLOCK ? max : BLOCK, at);
	} while (n < 0 && errno == EINTR);
	if (n <= 0)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	/* from a block before: a page that two reads share is dropped by neither of them alone */
	(void)posix_fadvise(r->fd, before, at + n - before, POSIX_FADV_DONTNEED);
	return n;
}

static void reader_free(void *arg)
{
	struct reader *r = arg;

	/* what was read ahead of a fetch that broke off */
	(void)posix_fadvise(r->fd, 0, 0, POSIX_FADV_DONTNEED);
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
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	step_back();
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
