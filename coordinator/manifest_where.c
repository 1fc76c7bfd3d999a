/* SPDX-License-Identifier: Apache-2.0
 *
 * manifest_where.c - where a target stands: its networks and interfaces as JSON; pure
 */
#include "manifest_parts.h"

static json_t *make_texts(char *const *texts, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, jx_text(texts[i]));
	return list;
}

json_t *manifest_networks(const struct target *t)
{
	json_t *list = json_array();

	for (size_t i = 0; i < t->n_networks; i++) {
		const struct wire_network *net = &t->networks[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o}",
						      "name", jx_text(net->name),
						      "id", jx_text(net->id),
						      "vni", jx_count(net->vni ? net->vni : -1),
						      "addresses",
						      make_texts(net->addresses, net->n_addresses)));
	}
	return list;
}

json_t *manifest_interfaces(const struct wire_target *r)
{
	json_t *list = json_array();

	for (size_t i = 0; i < r->n_interfaces; i++) {
		const struct wire_interface *f = &r->interfaces[i];

		json_array_append_new(list, json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
						      "name", jx_text(f->name),
						      "index", jx_count(f->index),
						      "mac", jx_text(f->mac),
						      "mtu", jx_count(f->mtu),
						      "link_type", jx_text(f->link_type),
						      "addresses",
						      make_texts(f->addresses, f->n_addresses),
						      "peer", jx_count(f->peer ? f->peer : -1),
						      "master", jx_text(f->master),
						      "vni", jx_count(f->vni ? f->vni : -1),
						      "offloads",
						      make_texts(f->offloads, f->n_offloads)));
	}
	return list;
}
