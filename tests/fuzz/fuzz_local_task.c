/* SPDX-License-Identifier: Apache-2.0
 *
 * fuzz_local_task.c - any container: a task whose words fit into a report, or none
 */
#include "../../agent/local_task.h"
#include "fuzz.h"

#include <string.h>

/* What is told of it can be read again. */
static void report(const struct local_task *t)
{
	cleanup_free char *key = local_task_key(t, "n1");
	struct wire_joined joined = {
		.key = key, .service = t->service, .service_id = t->service_id, .task = t->task,
		.task_id = t->task_id, .slot = t->slot, .networks = t->networks,
		.n_networks = t->n_networks,
	};
	struct wire_report r = {
		.id = "20261123T143905Z-3fa9c1", .node_id = (char *)"n1", .joined = &joined,
		.n_joined = 1,
	}, again;
	cleanup_json json_t *j = wire_report_encode(&r);

	expect(wire_report_decode(j, &again, NULL) == 0);
	expect(again.n_joined == 1 && !strcmp(again.joined[0].key, key));
	expect(again.joined[0].slot == t->slot && again.joined[0].n_networks == t->n_networks);
	wire_report_release(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_json json_t *j = NULL;
	struct local_task t;
	int r;

	if (jx_parse((const char *)data, size, "the input", &j, NULL) < 0)
		return 0;
	r = local_task_decode(j, &t);
	expect(!t.netns_file || (*t.netns_file && !strchr(t.netns_file, '/')));
	expect((r == 0) == (t.service_id != NULL));
	if (r == 0)
		report(&t);
	local_task_release(&t);
	return 0;
}
