/* SPDX-License-Identifier: Apache-2.0
 *
 * listing_interfaces.c - what agents say of interfaces, of what is listed; pure
 *
 * An agent's words are taken by known keys only. Whose they are is decided by the manager's lists:
 * a container's id, or the beginning of a network's.
 */
#include "listing.h"

#include "names.h"

#include <string.h>

#define ID_LEAST 9		/* of a network's id in a file's name: lb_<9>, 1-<10> */

static char *task_of(const struct listing *l, const char *container)
{
	const struct cluster *c = l->cluster;

	for (size_t i = 0; i < c->n_tasks; i++) {
		const struct cluster_task *t = &c->tasks[i];
		const struct cluster_service *s = cluster_service(c, t->service_id);

		if (s && l->what->tasks[i] && strcmp(t->container_id, container) == 0)
			return names_task(s->name, t->slot, t->node_id, t->id);
	}
	for (size_t i = 0; i < c->n_containers; i++)
		if ((l->all || l->what->containers[i]) &&
		    strcmp(c->containers[i].id, container) == 0)
			return xstrdup(c->containers[i].name);
	return NULL;
}

static char *network_of(const struct listing *l, const char *kind, const char *id)
{
	const char *word = strcmp(kind, "lb") == 0 ? "lb" : "net";

	for (size_t i = 0; i < l->cluster->n_networks; i++)
		if ((l->all || l->what->networks[i]) && strlen(id) >= ID_LEAST &&
		    str_starts(l->cluster->networks[i].id, id))
			return xasprintf("%s.%s", word, l->cluster->networks[i].name);
	return NULL;
}

/* Whose it is, as in the names of files; NULL: it is not listed. */
static char *owner(const struct listing *l, size_t node, const json_t *target)
{
	const char *kind = jx_str(target, "kind", "");
	const char *id = jx_str(json_array_get(jx_get(target, "networks"), 0), "id", "");

	if (strcmp(kind, "host") == 0)
		return l->all || l->what->hosts[node] ? xstrdup(kind) : NULL;
	if (strcmp(kind, "ingress") == 0)
		return l->all || l->what->ingress[node] ? xstrdup(kind) : NULL;
	if (strcmp(kind, "network") == 0 || strcmp(kind, "lb") == 0)
		return network_of(l, kind, id);
	return task_of(l, jx_str(target, "container_id", ""));
}

static json_t *texts(const json_t *list)
{
	json_t *out = json_array(), *one;
	size_t i;

	json_array_foreach((json_t *)list, i, one) {
		if (json_is_string(one))
			json_array_append(out, one);
	}
	return out;
}

static json_t *make(const char *node, const char *of, const json_t *i)
{
	return json_pack("{s:s, s:o, s:o, s:o, s:I, s:o, s:I, s:b, s:o, s:o, s:o, s:o, s:o}", "kind",
			 "interface", "node", jx_text(node), "of", jx_text(of), "name",
			 jx_text(jx_str(i, "name", "")), "index",
			 (json_int_t)jx_int(i, "index", 0), "mac", jx_text(jx_str(i, "mac", NULL)),
			 "mtu", (json_int_t)jx_int(i, "mtu", 0), "up", jx_bool(i, "up", false),
			 "addresses", texts(jx_get(i, "addresses")), "peer",
			 jx_count(jx_int(i, "peer", 0) > 0 ? jx_int(i, "peer", 0) : -1), "master",
			 jx_text(jx_str(i, "master", NULL)), "vni",
			 jx_count(jx_int(i, "vni", 0) > 0 ? jx_int(i, "vni", 0) : -1), "offloads",
			 texts(jx_get(i, "offloads")));
}

static void add_node(json_t *out, const struct listing *l, size_t node, const json_t *answer)
{
	const json_t *target, *one;
	size_t i, k;

	json_array_foreach(jx_get(answer, "targets"), i, target) {
		cleanup_free char *of = owner(l, node, target);

		json_array_foreach(jx_get(target, "interfaces"), k, one) {
			if (of)
				json_array_append_new(out, make(l->cluster->nodes[node].name, of,
								one));
		}
	}
}

json_t *listing_interfaces(const struct listing *l)
{
	json_t *out = json_array();

	for (size_t i = 0; l->agents && i < l->agents->n; i++)
		if (l->agents->items[i].answers && l->nodes[i])
			add_node(out, l, i, l->agents->items[i].targets);
	return out;
}
