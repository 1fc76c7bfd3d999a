/* SPDX-License-Identifier: Apache-2.0
 *
 * api_node.c - what the API tells of the node: info, time, targets, metrics
 */
#include "api.h"
#include "netns.h"
#include "version.h"

#include <errno.h>
#include <string.h>

void api_get_info(struct api_request *q, struct api_answer *a)
{
	const struct node *n = q->env->node;
	cleanup_free char *note = NULL;
	struct captures_counts counts;
	struct spool_room room;
	struct wire_info i = {
		.version = (char *)(uintptr_t)SWARMCAP_VERSION, .hostname = n->name,
		.node_id = n->id, .node_address = n->address, .engine = n->engine_version,
		.kernel = n->kernel, .api = SWARMCAP_API,
		.certificate_expires_ns = n->certificate_expires_ns,
	};

	captures_count(q->env->captures, &counts);
	spool_room(q->env->spool, &room);
	i.spool_free = room.free;
	i.spool_size = room.size;
	i.spool_used = room.used;
	i.captures_running = (int64_t)counts.running;
	i.captures_unfetched = (int64_t)counts.unfetched;
	i.netns_ok = netns_check_dir(n->netns_dir, &note);
	i.netns_note = note;
	a->json = wire_info_encode(&i);
}

/* The clock is read last: what comes between it and the wire is error of the probe. */
void api_get_time(struct api_request *q, struct api_answer *a)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "{\"now_ns\":%lld}", (long long)clock_wall_ns());

	a->response = MHD_create_response_from_buffer((size_t)n, text, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_TYPE, "application/json");
}

void api_get_targets(struct api_request *q, struct api_answer *a)
{
	const char *service =
		MHD_lookup_connection_value(q->connection, MHD_GET_ARGUMENT_KIND, "service");
	struct err err = ERR_INIT;
	struct engine *e = NULL;
	int r = engine_open_host(&e, q->env->node->engine, &err);

	if (!r)
		r = local_list(e, q->env->node, service, &a->json, &err);
	engine_close(e);
	if (r)
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", err.text);
}

void api_get_metrics(struct api_request *q, struct api_answer *a)
{
	cleanup_buf struct buf text = BUF_INIT(1u << 20);
	struct metrics_now now = { .certificate_expires_ns = q->env->node->certificate_expires_ns };
	struct captures_counts counts;
	struct spool_room room;

	captures_count(q->env->captures, &counts);
	spool_room(q->env->spool, &room);
	now.captures_kept = counts.kept;
	now.captures_running = counts.running;
	now.targets_running = counts.targets_running;
	now.spool_used = room.used;
	now.spool_quota = room.quota;
	now.spool_free = room.free;
	if (metrics_format(q->env->metrics, &now, &text)) {
		api_fail(a, MHD_HTTP_INTERNAL_SERVER_ERROR, "internal", "the metrics are too long");
		return;
	}
	a->response = MHD_create_response_from_buffer(text.len, text.data, MHD_RESPMEM_MUST_COPY);
	MHD_add_response_header(a->response, MHD_HTTP_HEADER_CONTENT_TYPE,
				"text/plain; version=0.0.4");
}
