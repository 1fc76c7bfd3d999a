/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_joined.c - targets that joined during the capture
 *
 * The report has what their containers' labels say, in the shape of a target of the plan: from there on
 * they are targets as all others. What the manager's task list does not know is marked, and does not make
 * the capture partial: whoever may start containers could have forged it.
 */
#include "manifest_parts.h"

#include <string.h>

static const struct wire_target *find(const struct fleet_node *n, const char *key)
{
	for (size_t i = 0; i < n->report.n_targets; i++)
		if (!strcmp(n->report.targets[i].key, key))
			return &n->report.targets[i];
	return NULL;
}

/* Labels on a container know no overlay's number: the plan may, of the same network. */
static int64_t vni_of(const struct plan *p, const char *network_id)
{
	for (size_t i = 0; network_id && i < p->n_nodes; i++)
		for (size_t k = 0; k < p->nodes[i].n_targets; k++) {
			const struct target *t = &p->nodes[i].targets[k];

			for (size_t m = 0; m < t->n_networks; m++)
				if (t->networks[m].id && !strcmp(t->networks[m].id, network_id))
					return t->networks[m].vni;
		}
	return 0;
}

static void add_one(struct manifest_work *w, const struct fleet_node *n, const struct wire_joined *j)
{
	const struct wire_target *r = find(n, j->key);
	struct target t = {
		.kind = WIRE_TASK, .key = j->key, .service = j->service,
		.service_id = j->service_id, .task = j->task, .task_id = j->task_id,
		.container_id = r ? r->container_id : NULL, .node_id = n->plan->id, .slot = j->slot,
		.networks = wire_networks_copy(j->networks, j->n_networks),
		.n_networks = j->n_networks, .joined_ns = j->joined_ns ? j->joined_ns : 1,
		.forged = !confirm_has(w->in->confirm, n->plan->id, j, r ? r->container_id : NULL),
	};

	for (size_t i = 0; i < t.n_networks; i++)
		t.networks[i].vni = vni_of(w->in->plan, t.networks[i].id);
	if (t.forged && (!r || r->state == WIRE_FAILED))
		json_array_append_new(w->notes, json_sprintf(
			"a container on %s that calls itself task %s was not captured, and the "
			"manager does not know it", n->plan->name, j->task));
	else
		manifest_add_target(w, n, &t);
	wire_networks_release(t.networks, t.n_networks);
}

void manifest_add_joined(struct manifest_work *w, const struct fleet_node *n)
{
	cleanup_free char *what = NULL;

	if (!n->has_report)
		return;
	for (size_t i = 0; i < n->report.n_joined; i++)
		add_one(w, n, &n->report.joined[i]);
	if (!n->report.not_joined)
		return;
	what = xasprintf("%lld tasks that started later", (long long)n->report.not_joined);
	manifest_add_missing(w, &(struct manifest_gap){
		.what = what, .node = n->plan->name, .reason = "too-many",
		.error = "as many tasks as can join one capture on a node had joined",
	});
}

static void add_hosts(struct wire_host **list, size_t *n, const struct wire_joined *j)
{
	for (size_t i = 0; i < j->n_networks; i++) {
		const struct wire_network *net = &j->networks[i];

		*list = xrealloc(*list, *n + net->n_addresses, sizeof(**list));
		for (size_t a = 0; a < net->n_addresses; a++) {
			int len = (int)strcspn(net->addresses[a], "/");

			(*list)[(*n)++] = (struct wire_host){
				xasprintf("%.*s", len, net->addresses[a]), j->key,
			};
		}
	}
}

struct wire_host *manifest_joined_hosts(const struct manifest_input *in, size_t *n)
{
	struct wire_host *list = NULL;

	*n = 0;
	for (size_t i = 0; i < in->n_nodes; i++) {
		const struct fleet_node *node = &in->nodes[i];

		for (size_t k = 0; node->has_report && k < node->report.n_joined; k++) {
			const struct wire_joined *j = &node->report.joined[k];
			const struct wire_target *r = find(node, j->key);

			if (r && confirm_has(in->confirm, node->plan->id, j, r->container_id))
				add_hosts(&list, n, j);
		}
	}
	return list;
}
