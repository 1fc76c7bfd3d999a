/* SPDX-License-Identifier: Apache-2.0
 *
 * node.c - who and where we are
 */
#include "node.h"
#include "engine.h"

#include <errno.h>
#include <string.h>
#include <sys/utsname.h>

#define RETRY_MS 250

static void set(char **field, const char *value)
{
	free(*field);
	*field = xstrdup(value);
}

static int ask(struct node *n, struct err *err)
{
	cleanup_json json_t *info = NULL;
	struct engine *e = NULL;
	int r = engine_open_host(&e, n->engine, err);

	if (r)
		return r;
	r = engine_get(e, "/info", &info, err);
	engine_close(e);
	if (r)
		return r < 0 ? r : -EIO;
	r = engine_check_info(info, err);
	if (r < 0)
		return r;
	set(&n->id, jx_str(info, "Swarm.NodeID", ""));
	set(&n->address, jx_str(info, "Swarm.NodeAddr", ""));
	set(&n->name, jx_str(info, "Name", ""));
	set(&n->engine_version, jx_str(info, "ServerVersion", ""));
	return 0;
}

int node_load(struct node *n, const char *id, int wait_ms, struct err *err)
{
	int64_t end = clock_mono_ns() + wait_ms * NS_PER_MS;
	struct err last = ERR_INIT;
	struct utsname u;
	int r;

	set(&n->kernel, uname(&u) ? "" : u.release);
	for (;;) {
		err_reset(&last);
		r = ask(n, &last);
		if ((!r && *n->address) || r == -EOPNOTSUPP || clock_mono_ns() >= end)
			break;
		clock_sleep_ms(RETRY_MS);
	}
	if (r)
		return err_set(err, r, "%s", last.text);
	if (id && *id && *n->id && strcmp(id, n->id))
		return err_set(err, -EINVAL,
			       "the engine says that this node is %s, the service says %s", n->id,
			       id);
	if (!*n->name)
		set(&n->name, uname(&u) ? "node" : u.nodename);
	return 0;
}

void node_release(struct node *n)
{
	char **all[] = { &n->id, &n->name, &n->address, &n->engine_version, &n->kernel, &n->engine,
			 &n->netns_dir };

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		free(*all[i]);
		*all[i] = NULL;
	}
}
