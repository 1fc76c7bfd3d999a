/* SPDX-License-Identifier: Apache-2.0
 *
 * local_list.c - GET /v1/targets: the running containers with networks and interfaces
 */
#include "iface.h"
#include "local.h"
#include "netns.h"

#include <errno.h>
#include <string.h>

#define LIST_MAX 512
#define LABEL "Labels.=com.docker.swarm."
#define SERVICE_FILTER "com.docker.swarm.service."

static json_t *encode_iface(const struct iface *i)
{
	json_t *addresses = json_array();
	char mac[18];

	for (size_t n = 0; n < i->n_addresses; n++)
		json_array_append_new(addresses, jx_text(i->addresses[n]));
	return json_pack("{s:o, s:i, s:o, s:i, s:b, s:o}", "name", jx_text(i->name), "index",
			 (int)i->index, "mac", jx_text(i->has_mac ? iface_mac_text(i, mac) : NULL),
			 "mtu", i->mtu, "up", i->up, "addresses", addresses);
}

static int list_inside(void *arg, struct err *err)
{
	return iface_list(arg, err);
}

/* The interfaces of a container, or null with why in *error (a new reference). */
static json_t *interfaces(struct engine *e, const struct node *n, const char *id, json_t **error)
{
	cleanup_iface_list struct iface_list l = IFACE_LIST_INIT;
	struct wire_wanted w = {
		.kind = WIRE_CONTAINER, .key = (char *)"-", .container_id = (char *)id,
	};
	struct local_place place;
	struct err err = ERR_INIT;
	cleanup_close int ns = -1;
	json_t *out = json_array();
	int r = local_find(e, n, &w, &place, &err);

	if (!r && place.netns_file)
		r = netns_open(&ns, n->netns_dir, place.netns_file, &err);
	else if (!r)
		r = netns_open_own(&ns, &err);
	if (!r)
		r = netns_run(ns, list_inside, &l, &err);
	local_place_release(&place);
	for (size_t i = 0; i < l.n; i++)
		json_array_append_new(out, encode_iface(&l.v[i]));
	*error = jx_text(r ? err.text : NULL);
	return out;
}

static json_t *encode_networks(const json_t *container)
{
	json_t *all = jx_get(container, "NetworkSettings.Networks"), *one, *out = json_array();
	const char *name;

	json_object_foreach(all, name, one) {
		cleanup_free char *address = xasprintf("%s/%lld", jx_str(one, "IPAddress", ""),
						       (long long)jx_int(one, "IPPrefixLen", 0));
		json_t *addresses = json_array();

		if (*jx_str(one, "IPAddress", ""))
			json_array_append_new(addresses, jx_text(address));
		json_array_append_new(out, json_pack("{s:o, s:o, s:o}", "name", jx_text(name), "id",
						     jx_text(jx_str(one, "NetworkID", "")),
						     "addresses", addresses));
	}
	return out;
}

static json_t *encode(struct engine *e, const struct node *n, const json_t *c)
{
	const char *name = json_string_value(json_array_get(jx_get(c, "Names"), 0));
	const char *id = jx_str(c, "Id", "");
	json_t *error, *ifaces = interfaces(e, n, id, &error);
	const char *task = jx_str(c, LABEL "task.id", NULL);

	if (name && *name == '/')
		name++;
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
			 "kind", task ? "task" : "container", "container_id", jx_text(id),
			 "name", jx_text(name), "image", jx_text(jx_str(c, "Image", NULL)),
			 "service", jx_text(jx_str(c, LABEL "service.name", NULL)),
			 "service_id", jx_text(jx_str(c, LABEL "service.id", NULL)),
			 "task", jx_text(jx_str(c, LABEL "task.name", NULL)),
			 "task_id", jx_text(task), "networks", encode_networks(c),
			 "interfaces", ifaces, "error", error);
}

static int get(struct engine *e, const char *key, const char *service, json_t **out,
	       struct err *err)
{
	cleanup_free char *label = service ? xasprintf(SERVICE_FILTER "%s=%s", key, service) : NULL;
	cleanup_free char *filters = label ? engine_filters("label", label, NULL) : NULL;
	cleanup_free char *path = xasprintf("/containers/json%s%s", filters ? "?" : "",
					    filters ? filters : "");
	int r = engine_get(e, path, out, err);

	return r > 0 ? -EIO : r;
}

int local_list(struct engine *e, const struct node *n, const char *service, json_t **out,
	       struct err *err)
{
	cleanup_json json_t *all = NULL;
	json_t *targets;
	int r = get(e, "id", service, &all, err);

	if (!r && service && !json_array_size(all)) {
		jx_freep(&all);
		r = get(e, "name", service, &all, err);
	}
	if (r)
		return r;
	targets = json_array();
	for (size_t i = 0; i < json_array_size(all) && i < LIST_MAX; i++)
		json_array_append_new(targets, encode(e, n, json_array_get(all, i)));
	*out = json_pack("{s:o}", "targets", targets);
	return 0;
}
