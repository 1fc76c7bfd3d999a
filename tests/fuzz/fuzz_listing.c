/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_listing.c - any answers of a manager and of agents, listed: no control character reaches a terminal
 *
 * The input is {"nodes": ..., "services": [...], "tasks": ..., "networks": ..., "attachments": ..., "targets": ...}.
 */
#include "../../coordinator/listing.h"
#include "fuzz.h"

#include <string.h>

static void decode(const json_t *root, struct cluster *c)
{
	const json_t *service;
	size_t i;

	cluster_decode_nodes(jx_get(root, "nodes"), c, NULL);
	json_array_foreach(jx_get(root, "services"), i, service)
		cluster_decode_service(service, c, NULL);
	cluster_decode_tasks(jx_get(root, "tasks"), c, NULL);
	cluster_decode_networks(jx_get(root, "networks"), c, NULL);
	cluster_decode_attachments(jx_get(root, "attachments"), c, NULL);
}

static void print(const struct listing *l, bool json, size_t columns)
{
	char *text = NULL;
	size_t n = 0;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		abort();
	if (json)
		listing_print_json(f, l);
	else
		listing_print(f, l, columns);
	fclose(f);
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ' && text[i] != '\n')
			abort();
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *root = NULL;
	struct cluster c = CLUSTER_INIT;
	struct resolved what = RESOLVED_INIT;
	struct agents agents = AGENTS_INIT;
	struct plan routes = PLAN_INIT;
	cleanup_free bool *nodes = NULL;
	int rc;

	if (jx_parse((const char *)data, size, "the input", &root, NULL) < 0)
		return 0;
	decode(root, &c);
	nodes = resolve_nodes(NULL, 0, &c, &rc, NULL);
	agents_init(&agents, &c);
	for (size_t i = 0; i < agents.n; i++) {
		agents.items[i].answers = true;
		agents.items[i].targets = json_incref(root);
	}
	if (resolve(NULL, 0, true, &c, &what, NULL) == 0) {
		const struct listing l = { .cluster = &c, .routes = &routes, .what = &what,
					   .nodes = nodes, .all = true, .agents = &agents };

		print(&l, true, 0);
		print(&l, false, 0);
		print(&l, false, size % 100);
	}
	resolved_release(&what);
	agents_release(&agents);
	cluster_release(&c);
	return 0;
}
