/* SPDX-License-Identifier: Apache-2.0
 *
 * api_file.c - a capture file's bytes, from any byte on, and their checksum
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
	/* of a whole file whose checksum nobody knows: it is taken on the way; the request outlives its reads */
	struct checksum *sum;
	struct capture *of;
	const char *name;
	uint64_t size, summed;
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

/* libmicrohttpd reads on from where it was, but does not promise it: what is read out of order is not summed. */
static void sum_up(struct reader *r, uint64_t pos, const char *p, size_t n)
{
	char hex[CHECKSUM_HEX];

	if (!r->sum || pos != r->summed)
		return;
	checksum_add(r->sum, p, n);
	r->summed += n;
	if (r->summed < r->size)
		return;
	r->sum = checksum_end(r->sum, hex);
	capture_note_sum(r->of, r->name, hex);
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
	sum_up(r, pos, p, (size_t)n);
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
	checksum_end(r->sum, NULL);
	free(r);
}

static struct reader *reader_new(struct api_request *q, int fd, uint64_t from, uint64_t to,
				 uint64_t size)
{
	struct reader *r = xcalloc(1, sizeof(*r));
	char known[CHECKSUM_HEX];

	*r = (struct reader){ .fd = fd, .from = from, .of = q->file_of, .name = q->name, .size = size };
	if (!from && to == size && !capture_file_sum(q->file_of, q->name, known))
		r->sum = checksum_new();
	return r;
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
	r = reader_new(q, fd, from, to, size);
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

/* The file that the path names; -1: what *a says. Its capture is q's from now on. */
static int open_file(struct api_request *q, struct api_answer *a, int64_t *size)
{
	struct capture *c = api_find(q, a);
	struct err err = ERR_INIT;
	int fd = -1, r;

	if (!c)
		return -1;
	q->file_of = c;		/* given back with the request */
	MHD_set_connection_option(q->connection, MHD_CONNECTION_OPTION_TIMEOUT, IDLE_S);
	r = capture_open_file(c, q->name, &fd, size, &err);
	if (r == -ENOENT || r == -ESTALE)
		api_fail(a, MHD_HTTP_NOT_FOUND, "not-found", err.text);
	else if (r)
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
	return r ? -1 : fd;
}

void api_get_file(struct api_request *q, struct api_answer *a)
{
	int64_t size;
	int fd = open_file(q, a, &size);

	if (fd >= 0)
		answer_bytes(q, fd, (uint64_t)size, a);
	if (q->file_of)
		log_info("fetch %s %s: %u (peer %s)", capture_id(q->file_of), q->name, a->status,
			 q->peer);
}

/* Of a file that was fetched in parts the bytes are read once more. */
static int take_sum(struct api_request *q, int fd, char hex[CHECKSUM_HEX])
{
	int r;

	if (capture_file_sum(q->file_of, q->name, hex))
		return 0;
	step_back();
	r = checksum_fd(fd, hex);
	(void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (!r)
		capture_note_sum(q->file_of, q->name, hex);
	return r;
}

void api_get_sum(struct api_request *q, struct api_answer *a)
{
	struct err err = ERR_INIT;
	char hex[CHECKSUM_HEX];
	int64_t size;
	cleanup_close int fd = open_file(q, a, &size);

	if (fd < 0)
		return;
	errno = -take_sum(q, fd, hex);
	if (errno) {
		err_errno(&err, "cannot read %s in the spool", q->name);
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
	} else {
		a->json = json_pack("{s:s}", "xxh128", hex);
	}
}
