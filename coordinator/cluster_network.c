/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_network.c - overlays, and the containers that were attached to them by hand; pure
 */
#include "cluster_parts.h"

#include "utf8.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#define VNI_MAX 0xffffff
#define ID_MAX 64
#define NETWORKS_MAX 100000

int64_t cluster_vni(const char *text)
{
	long vni = strtol(text, NULL, 10);

	return vni > 0 && vni <= VNI_MAX ? vni : 0;
}

static bool is_id(const char *s)
{
	size_t n = 0;

	while (n <= ID_MAX && isalnum((unsigned char)s[n]))
		n++;
	return n > 0 && n <= ID_MAX && s[n] == '\0';
}

int cluster_decode_networks(const json_t *networks, struct cluster *c, struct err *err)
{
	const json_t *j;
	size_t i;

	if (!json_is_array(networks))
		return err_set(err, -EINVAL, "Docker's answer is no list of networks");
	if (json_array_size(networks) > NETWORKS_MAX)
		return err_set(err, -E2BIG, "more than %d networks are not supported", NETWORKS_MAX);

	c->networks = xrealloc(c->networks, c->n_networks + json_array_size(networks),
			       sizeof(*c->networks));
	json_array_foreach(networks, i, j) {
		const char *id = jx_str(j, "Id", ""), *name = jx_str(j, "Name", "");

		if (!is_id(id))
			return err_set(err, -EINVAL, "Docker's answer has a network without id");
		if (strcmp(jx_str(j, "Driver", ""), "overlay") != 0)
			continue;
		c->networks[c->n_networks++] = (struct cluster_network){
			.id = xstrdup(id),
			.name = xasprintf("%.*s", (int)utf8_cut(name, WIRE_TEXT_MAX), name),
			.vni = cluster_vni(jx_str(j, "Options.=" CLUSTER_VNI_OPTION, "0")),
			.ingress = jx_bool(j, "Ingress", false),
			.encrypted = json_object_get(jx_get(j, "Options"), "encrypted"),
		};
	}
	return 0;
}

/* ---- attached by hand ---- */

static bool has_network(const struct cluster_container *k, const char *id)
{
	for (size_t i = 0; i < k->n_networks; i++)
		if (k->networks[i].id && strcmp(k->networks[i].id, id) == 0)
			return true;
	return false;
}

/* Takes them. */
static void add_networks(struct cluster_container *k, struct wire_network *list, size_t n)
{
	k->networks = xrealloc(k->networks, k->n_networks + n, sizeof(*k->networks));
	for (size_t i = 0; i < n; i++) {
		struct wire_network *copy;

		if (k->n_networks >= WIRE_NETWORKS_MAX || has_network(k, list[i].id))
			continue;
		copy = cluster_copy_networks(&list[i], 1);
		k->networks[k->n_networks++] = *copy;
		free(copy);
	}
	cluster_release_networks(list, n);
}

void cluster_add_attached(struct cluster *c, const char *id, char *node_id, struct cluster_task *t)
{
	struct cluster_container *k = (struct cluster_container *)cluster_container(c, id);

	if (!k) {
		k = &c->containers[c->n_containers++];
		*k = (struct cluster_container){
			.id = xstrdup(id), .name = xasprintf("%.12s", id), .image = xstrdup(""),
			.node_id = take_ptr(&node_id), .running = true,
		};
	}
	add_networks(k, t->networks, t->n_networks);
	free(node_id);
}
