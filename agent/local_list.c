/* SPDX-License-Identifier: Apache-2.0
 *
 * local_list.c - GET /v1/targets: the running containers with networks and interfaces
 */
#include "iface_detail.h"
#include "local.h"
#include "netns.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define LIST_MAX 512
#define LABEL "Labels.=com.docker.swarm."
#define SERVICE_FILTER "com.docker.swarm.service."

static json_t *encode_texts(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, jx_text(texts[i]));
	return list;
}

static json_t *encode_iface(const struct iface_list *l, const struct iface *i)
{
	struct wire_report holder = { .n_targets = 1 };
	struct wire_target *t = holder.targets = xcalloc(1, sizeof(*t));
	struct wire_interface *f = t->interfaces = xcalloc(1, sizeof(*f));
	json_t *out;

	t->n_interfaces = 1;
	iface_report(l, i, f);
	out = json_pack("{s:o, s:i, s:o, s:i, s:b, s:o, s:i, s:o, s:i, s:o}", "name",
			jx_text(f->name), "index", (int)f->index, "mac", jx_text(f->mac), "mtu",
			(int)f->mtu, "up", i->up, "addresses",
			encode_texts(f->addresses, f->n_addresses), "peer", (int)f->peer, "master",
			jx_text(f->master), "vni", (int)f->vni, "offloads",
			encode_texts(f->offloads, f->n_offloads));
	wire_report_release(&holder);
	return out;
}

static int list_inside(void *arg, struct err *err)
{
	int r = iface_list(arg, err);

	if (!r)
		iface_details(arg);
	return r;
}

/* Of the namespace of this file, NULL: our own; why not in *error (a new reference). */
static json_t *interfaces_of(const struct node *n, const char *file, json_t **error)
{
	cleanup_iface_list struct iface_list l = IFACE_LIST_INIT;
	struct err err = ERR_INIT;
	cleanup_close int ns = -1;
	json_t *out = json_array();
	int r = file ? netns_open(&ns, n->netns_dir, file, &err) : netns_open_own(&ns, &err);

	if (!r)
		r = netns_run(ns, list_inside, &l, &err);
	for (size_t i = 0; i < l.n; i++)
		json_array_append_new(out, encode_iface(&l, &l.v[i]));
	*error = jx_text(r ? err.text : NULL);
	return out;
}

/* The same of a container. */
static json_t *interfaces(struct engine *e, const struct node *n, const char *id, json_t **error)
{
	struct wire_wanted w = {
		.kind = WIRE_CONTAINER, .key = (char *)"-", .container_id = (char *)id,
	};
	struct local_place place;
	struct err err = ERR_INIT;
	json_t *out;

	if (local_find(e, n, &w, &place, &err)) {
		*error = jx_text(err.text);
		out = json_array();
	} else {
		out = interfaces_of(n, place.netns_file, error);
	}
	local_place_release(&place);
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

/* What its file's name says that it is; *id: where the network's begins in it. False: a container's. */
static bool kind_of(const char *file, enum wire_kind *kind, const char **id)
{
	size_t digits = strspn(file, "0123456789");

	*id = "";
	if (strcmp(file, "ingress_sbox") == 0) {
		*kind = WIRE_INGRESS;
	} else if (str_starts(file, "lb_")) {
		*kind = WIRE_LB;
		*id = file + strlen("lb_");
	} else if (digits && file[digits] == '-') {
		*kind = WIRE_NETWORK;
		*id = file + digits + 1;
	} else {
		return false;
	}
	return true;
}

static void add_other(json_t *targets, const struct node *n, enum wire_kind kind, const char *file,
		      const char *id)
{
	json_t *error, *ifaces = interfaces_of(n, file, &error);

	json_array_append_new(targets, json_pack("{s:s, s:o, s:[{s:o}], s:o, s:o}", "kind",
						 wire_kind_text(kind), "name", jx_text(file),
						 "networks", "id", jx_text(id), "interfaces", ifaces,
						 "error", error));
}

/* The host, and the namespaces of no container. */
static void add_others(json_t *targets, const struct node *n)
{
	DIR *d = opendir(n->netns_dir);
	struct dirent *f;

	add_other(targets, n, WIRE_HOST, NULL, "");
	while (d && (f = readdir(d)) && json_array_size(targets) < LIST_MAX) {
		enum wire_kind kind;
		const char *id;

		if (kind_of(f->d_name, &kind, &id))
			add_other(targets, n, kind, f->d_name, id);
	}
	if (d)
		closedir(d);
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
	if (!service)
		add_others(targets, n);
	*out = json_pack("{s:o}", "targets", targets);
	return 0;
}
