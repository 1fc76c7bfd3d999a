/* SPDX-License-Identifier: Apache-2.0
 *
 * api.h - the agent's HTTP API: a table of routes, requests as structs
 *
 * server.c takes requests off the wire and has checked who speaks; here each becomes a struct
 * api_request, is matched against the table, and its handler fills an answer. docs/PROTOCOL.md
 * shows the API.
 */
#ifndef API_H
#define API_H

#include <microhttpd.h>

#include "captures.h"
#include "metrics.h"

struct api_env {
	const struct node *node;
	struct spool *spool;
	struct captures *captures;
	struct metrics *metrics;
};

#define API_PART_MAX 128	/* of a path: an id, a file name */

struct api_request {
	const struct api_env *env;
	struct MHD_Connection *connection;
	const char *method;
	char *path;
	const char *peer;		/* the certificate's serial, "unix": for the log */
	struct buf body;
	bool too_large;			/* the body passed WIRE_BODY_MAX and was not kept */
	/* the first and the second part that a pattern left open */
	char id[API_PART_MAX], name[API_PART_MAX];
	/* set by the handler of files: known to be fetched once the answer went out */
	struct capture *file_of;
	bool to_end;
};

/* Either json (taken) or response; status alone is an empty answer. */
struct api_answer {
	unsigned status;
	json_t *json;
	struct MHD_Response *response;
};

typedef void api_handler(struct api_request *q, struct api_answer *a);

/* Answers the request; MHD's result. */
enum MHD_Result api_answer(struct api_request *q);
/* An answer without a handler: for what server.c refuses. */
enum MHD_Result api_refuse(struct api_request *q, unsigned status, const char *code,
			   const char *message);
/* The answer went out whole. */
void api_sent(struct api_request *q);
void api_release(struct api_request *q);

/* For handlers: the frozen error format. */
void api_fail(struct api_answer *a, unsigned status, const char *code, const char *message);
/* The body as an object; 400 or 413 in *a and NULL when it is none. New reference. */
json_t *api_body(struct api_request *q, struct api_answer *a);
/* The capture that the path names; 404 in *a and NULL when there is none. A reference. */
struct capture *api_find(struct api_request *q, struct api_answer *a);

/* api_node.c */
api_handler api_get_info, api_get_time, api_get_targets, api_get_metrics;
/* api_capture.c */
api_handler api_post_captures, api_get_captures, api_get_capture, api_post_renew, api_post_stop,
	api_delete_capture;
/* api_file.c */
api_handler api_get_file, api_get_sum;
/* api_stream.c */
api_handler api_get_stream;

#endif
