/* SPDX-License-Identifier: Apache-2.0
 *
 * recorded.h - answers of a real Docker 20.10, in tests/unit/data/engine_*.json
 *
 * A Swarm of three nodes, node1 its manager. Services: web (5 tasks), web2 (2, of the stack
 * shop, on networks app and back), agent, hostnet and swarmcap-agent (global), crash (fails at
 * once, restarted for ever), stuck (its image does not exist), nowhere (no node fits), none (0
 * replicas), job (2 tasks that run), gjob (done). nodes_down and tasks_down: half a minute
 * after node3 lost its power.
 */
#ifndef RECORDED_H
#define RECORDED_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <string.h>

#include <cmocka.h>

#include "../../coordinator/cluster.h"

static inline json_t *recorded(const char *name)
{
	cleanup_free char *path = xasprintf("tests/unit/data/engine_%s.json", name);
	cleanup_free char *text = util_read_file(path, 1 << 20);
	struct err err = ERR_INIT;
	json_t *j = NULL;

	if (!text || jx_parse(text, strlen(text), path, &j, &err) < 0)
		fail_msg("%s: %s", path, err.text);
	return j;
}

/* All of it; down: node3 is. */
static inline void recorded_cluster(struct cluster *c, bool down)
{
	cleanup_json json_t *info = recorded("info"), *services = recorded("services");
	cleanup_json json_t *nodes = recorded(down ? "nodes_down" : "nodes");
	cleanup_json json_t *tasks = recorded(down ? "tasks_down" : "tasks");
	const json_t *service;
	size_t i;

	*c = (struct cluster)CLUSTER_INIT;
	assert_int_equal(cluster_decode_info(info, c, NULL), 0);
	assert_int_equal(cluster_decode_nodes(nodes, c, NULL), 0);
	json_array_foreach(services, i, service) {
		assert_int_equal(cluster_decode_service(service, c, NULL), 0);
	}
	assert_int_equal(cluster_decode_tasks(tasks, c, NULL), 0);
}

static inline const struct cluster_service *recorded_service(const struct cluster *c,
							     const char *name)
{
	for (size_t i = 0; i < c->n_services; i++)
		if (strcmp(c->services[i].name, name) == 0)
			return &c->services[i];
	fail_msg("no service %s", name);
	return NULL;
}

#endif
