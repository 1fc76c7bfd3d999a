/* SPDX-License-Identifier: Apache-2.0
 *
 * cluster_container.c - one container by itself, and an Engine without a Swarm, as structs; pure
 */
#include "cluster.h"

#include "utf8.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>

#define ID_HEX 64
#define JOINS "container:"

static char *text_at(const json_t *j, const char *path)
{
	const char *s = jx_str(j, path, "");

	return xasprintf("%.*s", (int)utf8_cut(s, WIRE_TEXT_MAX), s);
}

static bool is_container_id(const char *s)
{
	return strlen(s) == ID_HEX && strspn(s, "0123456789abcdef") == ID_HEX;
}

static bool is_alnum(const char *s)
{
	for (; *s; s++)
		if (!isalnum((unsigned char)*s))
			return false;
	return true;
}

static void add_address(struct wire_network *n, int family, const char *address, int64_t bits)
{
	struct in6_addr any;

	if (inet_pton(family, address, &any) != 1 || bits < 0 ||
	    bits > (family == AF_INET ? 32 : 128))
		return;
	n->addresses = xrealloc(n->addresses, n->n_addresses + 1, sizeof(*n->addresses));
	n->addresses[n->n_addresses++] = xasprintf("%s/%d", address, (int)bits);
}

static void add_network(struct cluster_container *k, const char *name, const json_t *j)
{
	const char *id = jx_str(j, "NetworkID", "");
	struct wire_network n = {
		.name = xasprintf("%.*s", (int)utf8_cut(name, WIRE_TEXT_MAX), name),
		.id = xstrdup(strlen(id) <= ID_HEX && is_alnum(id) ? id : ""),
	};

	add_address(&n, AF_INET, jx_str(j, "IPAddress", ""), jx_int(j, "IPPrefixLen", -1));
	add_address(&n, AF_INET6, jx_str(j, "GlobalIPv6Address", ""),
		    jx_int(j, "GlobalIPv6PrefixLen", -1));
	k->networks = xrealloc(k->networks, k->n_networks + 1, sizeof(*k->networks));
	k->networks[k->n_networks++] = n;
}

int cluster_decode_container(const json_t *container, struct cluster *c, struct err *err)
{
	const char *id = jx_str(container, "Id", ""), *name, *network, *mode;
	struct cluster_container *k;
	json_t *j;

	if (!is_container_id(id))
		return err_set(err, -EINVAL, "Docker's answer has a container without id");
	if (cluster_container(c, id))
		return 0;

	c->containers = xrealloc(c->containers, c->n_containers + 1, sizeof(*c->containers));
	k = &c->containers[c->n_containers++];
	mode = jx_str(container, "HostConfig.NetworkMode", "");
	name = jx_str(container, "Name", "");
	name += *name == '/';
	*k = (struct cluster_container){
		.id = xstrdup(id), .image = text_at(container, "Config.Image"),
		.name = *name ? xasprintf("%.*s", (int)utf8_cut(name, WIRE_TEXT_MAX), name)
			      : xasprintf("%.12s", id),
		.node_id = xstrdup(c->self_node_id ? c->self_node_id : ""),
		.running = jx_bool(container, "State.Running", false),
		.host_network = strcmp(mode, "host") == 0, .named = *name,
		.joins = str_starts(mode, JOINS) && is_container_id(mode + strlen(JOINS))
				 ? xstrdup(mode + strlen(JOINS)) : NULL,
	};
	json_object_foreach((json_t *)jx_get(container, "NetworkSettings.Networks"), network, j) {
		if (k->n_networks == WIRE_NETWORKS_MAX)
			break;
		add_network(k, network, j);
	}
	return 0;
}

int cluster_decode_alone(const json_t *info, struct cluster *c, struct err *err)
{
	const char *id = jx_str(info, "Swarm.NodeID", "");

	int rc = engine_check_info(info, err);

	if (!json_is_object(info))
		return err_set(err, -EINVAL, "Docker does not say what it is");
	if (rc < 0 || c->id)
		return rc;
	c->id = xstrdup("");
	c->self_node_id = xstrdup(strlen(id) <= ID_HEX && is_alnum(id) ? id : "");
	c->self_name = text_at(info, "Name");
	c->self_address = xstrdup("127.0.0.1");
	c->nodes = xcalloc(1, sizeof(*c->nodes));
	c->nodes[c->n_nodes++] = (struct cluster_node){
		.id = xstrdup(c->self_node_id), .name = xstrdup(c->self_name),
		.address = xstrdup(c->self_address), .state = xstrdup("ready"),
		.availability = xstrdup("active"), .os = text_at(info, "OSType"),
		.arch = text_at(info, "Architecture"),
		.engine_version = text_at(info, "ServerVersion"),
	};
	return 0;
}
