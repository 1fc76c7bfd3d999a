/* SPDX-License-Identifier: Apache-2.0
 *
 * local_task.c - which task of which service a container says that it is
 */
#include "local_task.h"

#include <errno.h>
#include <string.h>

#include "utf8.h"

#define LABELS "Config.Labels.=com.docker.swarm."
#define KEY_SERVICE_MAX 96	/* leaves room for slot and task in a key */
#define KEY_MAX 128
#define ID_MAX 64
#define NEVER "0001-"		/* the year of a time that has not come */

static bool is_id(const char *s)
{
	size_t n = strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789");

	return n > 0 && n <= ID_MAX && !s[n];
}

static char *text(const char *s)
{
	return xasprintf("%.*s", (int)utf8_cut(s, WIRE_TEXT_MAX), s);
}

/* "/var/run/docker/netns/4f1c0a9be2d1" -> its last part; NULL: there is none. */
static char *file_of(const json_t *c)
{
	const char *key = jx_str(c, "NetworkSettings.SandboxKey", "");
	const char *slash = strrchr(key, '/');
	const char *file = slash ? slash + 1 : key;

	return *file && *file != '.' && strlen(file) < 256 ? xstrdup(file) : NULL;
}

static bool has_started(const json_t *c)
{
	const char *at = jx_str(c, "State.StartedAt", "");

	return jx_bool(c, "State.Running", false) || (*at && !str_starts(at, NEVER));
}

/*
 * Swarm calls the task <service>.<slot>.<task id>, or with the node's id for the slot. What does
 * not look like that keeps its name.
 */
static void read_name(const char *name, struct local_task *t)
{
	size_t service = strlen(t->service), end = strlen(t->task_id), n = strlen(name);
	char *rest;

	if (n > end && name[n - end - 1] == '.' && !strcmp(name + n - end, t->task_id))
		n -= end + 1;
	t->task = xasprintf("%.*s", (int)utf8_cut(name, n < WIRE_TEXT_MAX ? n : WIRE_TEXT_MAX),
			    name);
	if (strncmp(t->task, t->service, service) || t->task[service] != '.' ||
	    strspn(t->task + service + 1, "0123456789") > 9)
		return;
	t->slot = strtol(t->task + service + 1, &rest, 10);
	if (*rest || rest == t->task + service + 1)
		t->slot = 0;
}

static void add_address(struct wire_network *n, const char *address, int64_t prefix)
{
	if (!*address || strlen(address) > 64 || prefix < 0 || prefix > 128)
		return;
	n->addresses = xrealloc(n->addresses, n->n_addresses + 1, sizeof(*n->addresses));
	n->addresses[n->n_addresses++] = xasprintf("%s/%lld", address, (long long)prefix);
}

static void add_networks(const json_t *c, struct local_task *t)
{
	json_t *all = jx_get(c, "NetworkSettings.Networks"), *one;
	const char *name;

	t->networks = xcalloc(WIRE_NETWORKS_MAX, sizeof(*t->networks));
	json_object_foreach(all, name, one) {
		const char *id = jx_str(one, "NetworkID", "");
		struct wire_network *n = &t->networks[t->n_networks];

		if (t->n_networks == WIRE_NETWORKS_MAX)
			return;
		*n = (struct wire_network){ .name = text(name), .id = is_id(id) ? xstrdup(id) : NULL };
		add_address(n, jx_str(one, "IPAddress", ""), jx_int(one, "IPPrefixLen", -1));
		add_address(n, jx_str(one, "GlobalIPv6Address", ""),
			    jx_int(one, "GlobalIPv6PrefixLen", -1));
		t->n_networks++;
	}
}

int local_task_decode(const json_t *c, struct local_task *out)
{
	const char *id = jx_str(c, "Id", ""), *task = jx_str(c, LABELS "task.id", "");
	const char *service = jx_str(c, LABELS "service.id", "");
	const char *mode = jx_str(c, "HostConfig.NetworkMode", "");

	*out = (struct local_task){ .netns_file = file_of(c) };
	if (!is_id(id) || !is_id(task) || !is_id(service) || str_starts(mode, "container:"))
		return LOCAL_TASK_E_NONE;
	out->container_id = xstrdup(id);
	out->image = text(jx_str(c, "Config.Image", ""));
	out->service_id = xstrdup(service);
	out->service = text(jx_str(c, LABELS "service.name", service));
	out->task_id = xstrdup(task);
	read_name(jx_str(c, LABELS "task.name", ""), out);
	out->running = jx_bool(c, "State.Running", false);
	out->started = has_started(c);
	out->host = !strcmp(mode, "host");
	if (out->host) {
		free(out->netns_file);
		out->netns_file = NULL;
	}
	add_networks(c, out);
	return 0;
}

void local_task_release(struct local_task *t)
{
	wire_networks_release(t->networks, t->n_networks);
	free(t->container_id);
	free(t->image);
	free(t->service);
	free(t->service_id);
	free(t->task);
	free(t->task_id);
	free(t->netns_file);
	*t = (struct local_task){ 0 };
}

char *local_task_key(const struct local_task *t, const char *node_id)
{
	cleanup_free char *service = names_clean(t->service, KEY_SERVICE_MAX);
	cleanup_free char *name = names_task(service, t->slot, node_id, t->task_id);

	return names_clean(name, KEY_MAX);
}
