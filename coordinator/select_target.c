/* SPDX-License-Identifier: Apache-2.0
 *
 * select_target.c - the namespace behind each of what was selected, each captured once; pure
 *
 * A task has a namespace of its own, unless it has its host's. A container may live in another
 * container's. So a namespace is known by its node and by "host", or by the id of the container
 * that it was made for; what comes to one that is there becomes another name of it.
 */
#include "select_parts.h"

#include <string.h>

#include "buf.h"

#define KEY_MAX 128
#define KEY_NAME_MAX 96			/* leaves room for slot and task, or "net." */
#define CHAIN_MAX 4
#define VNIS_MAX 40			/* of one filter: libpcap's compiler is cubic in its terms */

void targets_init(struct targets *s, const struct cluster *c, struct plan *p)
{
	*s = (struct targets){
		.cluster = c, .plan = p, .keys = json_object(), .places = json_object(),
		.shared = json_object(),
	};
}

void targets_release(struct targets *s)
{
	json_decref(s->keys);
	json_decref(s->places);
	json_decref(s->shared);
}

/* ---- keys and places ---- */

static char *unique_key(struct targets *s, const char *node_id, const char *name)
{
	char *key = names_clean(name, KEY_MAX);
	cleanup_free char *seen = xasprintf("%s %s", node_id, key);

	for (unsigned int i = 2; json_object_get(s->keys, seen); i++) {
		free(key);
		free(seen);
		key = xasprintf("%.*s_%u", KEY_MAX - 16, name, i);
		seen = xasprintf("%s %s", node_id, key);
	}
	json_object_set_new(s->keys, seen, json_true());
	return key;
}

static void add_name(struct target *t, char *name)
{
	t->also = xrealloc(t->also, t->n_also + 1, sizeof(*t->also));
	t->also[t->n_also++] = name;
}

static void add_shared(struct targets *s, const struct target *t)
{
	json_t *ids;

	if (!t->service_id || !t->task_id)
		return;
	ids = json_object_get(s->shared, t->service_id);
	if (!ids) {
		ids = json_array();
		json_object_set_new(s->shared, t->service_id, ids);
	}
	json_array_append_new(ids, json_string(t->task_id));
}

static bool is_owner(const struct target *t, const char *place)
{
	return t->container_id && !strcmp(t->container_id, place);
}

/* A side-car that was there first: the namespace lives as long as t's container, not as long as its. */
static void swap(struct target *old, struct target *t)
{
	struct target first = *old;

	t->also = take_ptr(&first.also);
	t->n_also = first.n_also;
	first.n_also = 0;
	*old = *t;
	*t = first;
}

/* Takes all of t but its key, which is made of `name`. */
static void add(struct targets *s, struct target *t, const char *place, const char *name)
{
	cleanup_free char *at = xasprintf("%s %s", t->node_id, place);
	const json_t *there = json_object_get(s->places, at);

	if (there) {
		struct target *old = &s->list[json_integer_value(there)];
		bool takes = is_owner(t, place) && !is_owner(old, place);
		char *what;

		/* who has a host's network is not to be seen through the host's filter */
		if (old->filter && !t->filter)
			free(take_ptr(&old->filter));
		t->key = takes ? unique_key(s, t->node_id, name) : names_clean(name, KEY_MAX);
		if (takes)
			swap(old, t);
		what = target_what(t);
		add_name(old, what);
		add_shared(s, t);
		target_release(t);
		return;
	}
	t->key = unique_key(s, t->node_id, name);
	json_object_set_new(s->places, at, json_integer((json_int_t)s->n));
	s->list = xrealloc(s->list, s->n + 1, sizeof(*s->list));
	s->list[s->n++] = *t;
}

/* ---- kinds ---- */

void targets_add_task(struct targets *s, const struct cluster_task *t,
		      const struct cluster_service *service)
{
	cleanup_free char *clean = names_clean(service->name, KEY_NAME_MAX);
	cleanup_free char *name = names_task(clean, t->slot, t->node_id, t->id);
	struct target new = {
		.kind = WIRE_TASK,
		.service = xstrdup(service->name),
		.service_id = xstrdup(service->id),
		.task = cluster_task_name(t, service),
		.task_id = xstrdup(t->id),
		.container_id = xstrdup(t->container_id),
		.image = xstrdup(t->image),
		.node_id = xstrdup(t->node_id),
		.slot = t->slot,
		.networks = cluster_copy_networks(t->networks, t->n_networks),
		.n_networks = t->n_networks,
	};

	if (t->host_network)
		plan_note(s->plan, "task %s has its host's network: all of the host's traffic is "
			  "captured there, narrow it with a filter", new.task);
	add(s, &new, t->host_network ? "host" : t->container_id, name);
}

/* Whose namespace it lives in, as far as that is known. */
static const struct cluster_container *owner(const struct cluster *c,
					     const struct cluster_container *k, const char **id)
{
	*id = k->id;
	for (int i = 0; i < CHAIN_MAX && k && k->joins; i++) {
		*id = k->joins;
		k = cluster_container(c, k->joins);
	}
	return k;
}

void targets_add_container(struct targets *s, const struct cluster_container *k)
{
	struct target new = {
		.kind = WIRE_CONTAINER,
		.container_id = xstrdup(k->id),
		.image = xstrdup(k->image),
		.node_id = xstrdup(k->node_id),
		.networks = cluster_copy_networks(k->networks, k->n_networks),
		.n_networks = k->n_networks,
	};
	const char *place;
	const struct cluster_container *at = owner(s->cluster, k, &place);

	if (at && at->host_network) {
		place = "host";
		plan_note(s->plan, "container %s has its host's network: all of the host's traffic "
			  "is captured there, narrow it with a filter", k->name);
	}
	add(s, &new, place, k->name);
}

void targets_add_host(struct targets *s, const struct cluster_node *n, char *filter)
{
	struct target new = { .kind = WIRE_HOST, .node_id = xstrdup(n->id), .filter = filter };

	add(s, &new, "host", "host");
}

void targets_add_ingress(struct targets *s, const struct cluster_node *n)
{
	struct target new = { .kind = WIRE_INGRESS, .node_id = xstrdup(n->id) };

	add(s, &new, "ingress", "ingress");
}

static void add_network(struct targets *s, const struct cluster_node *n,
			const struct cluster_network *net, enum wire_kind kind)
{
	const char *word = kind == WIRE_LB ? "lb" : "net";
	const struct wire_network of = {
		.name = net->name, .id = net->id, .vni = net->vni,
	};
	cleanup_free char *clean = names_clean(net->name, KEY_NAME_MAX);
	cleanup_free char *name = xasprintf("%s.%s", word, clean);
	cleanup_free char *place = xasprintf("%s:%s", word, net->id);
	struct target new = {
		.kind = kind, .node_id = xstrdup(n->id), .networks = cluster_copy_networks(&of, 1),
		.n_networks = 1,
	};

	add(s, &new, place, name);
}

/* The ingress network's load balancer is ingress_sbox: 'ingress'. */
void targets_add_network(struct targets *s, const struct cluster_node *n,
			 const struct cluster_network *net)
{
	add_network(s, n, net, WIRE_NETWORK);
	if (!net->ingress)
		add_network(s, n, net, WIRE_LB);
}

/*
 * A VXLAN header follows the UDP one: flags, 3 bytes, VNI, 1 byte. pcap's udp[] knows IPv4 only; over
 * IPv6 the UDP header stands behind 40 bytes. Fragments but the first have neither.
 */
char *targets_vxlan_filter(const struct cluster *c, const bool *networks, const char *also)
{
	struct buf b = BUF_INIT(FILTER_MAX);
	bool esp = false;
	size_t n = 0;

	for (size_t i = 0; i < c->n_networks; i++) {
		const struct cluster_network *net = &c->networks[i];

		if (!networks[i])
			continue;
		esp |= net->encrypted;
		if (net->encrypted || net->vni == 0 || n == VNIS_MAX)
			continue;
		buf_addf(&b, "%s(udp port %u and (udp[12:4] >> 8 = %lld or ip6[52:4] >> 8 = %lld))",
			 n++ ? " or " : "", c->data_path_port, (long long)net->vni,
			 (long long)net->vni);
	}
	if (esp)
		buf_addf(&b, "%sesp", n ? " or " : "");
	if (also) {
		cleanup_free char *mine = buf_take(&b);

		return xasprintf("(%s) and (%s)", mine, also);
	}
	return buf_take(&b);
}

/* ---- nodes ---- */

/*
 * A manager that has just become the leader calls every node "unknown" until it hears from it: they are
 * asked, and who is really gone does not answer.
 */
bool targets_node_is_down(const struct cluster_node *n)
{
	return !n || (strcmp(n->state, "ready") != 0 && strcmp(n->state, "unknown") != 0);
}

bool targets_reach(struct targets *s, const struct cluster_node *n, const char *what)
{
	struct missing_list *l = &s->plan->missing;
	cleanup_free char *error = NULL;

	if (!n) {
		missing_add(l, what, NULL, "node-down", "its node is no part of the Swarm any more");
	} else if (targets_node_is_down(n)) {
		error = xasprintf("node %s is %s", n->name, *n->state ? n->state : "unknown");
		missing_add(l, what, n->name, "node-down", error);
	} else if (*n->os && strcmp(n->os, "linux") != 0) {
		error = xasprintf("node %s runs %s, and only Linux can be captured; leave it out "
				  "with --node '!%s'", n->name, n->os, n->name);
		missing_add(l, what, n->name, "not-linux", error);
	} else if (!*n->address) {
		error = xasprintf("the address of node %s is not known", n->name);
		missing_add(l, what, n->name, "no-address", error);
	} else {
		return true;
	}
	return false;
}
