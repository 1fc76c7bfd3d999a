/* SPDX-License-Identifier: Apache-2.0
 *
 * serve.c - the agent at work, from start to SIGTERM
 *
 * The order of the start: who we are (the engine), the spool and what lies in it, the keeper and
 * the watch, and only then the listeners: whoever can connect finds all of it there. The end goes
 * backwards: captures end in good order while the listeners still answer, their state is kept for
 * the next life, then the threads go.
 */
#include "serve.h"
#include "keeper.h"
#include "listen.h"
#include "log.h"
#include "recover.h"
#include "server.h"
#include "version.h"
#include "watch.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define ENGINE_WAIT_MS 2000	/* without --listen-swarm a node without a Swarm is fine, too */
#define LISTEN_TRIES 60		/* an address may come up after us */
#define LISTEN_STEP_MS 500

struct agent {
	struct node node;
	struct auth_files tls;
	struct spool *spool;
	struct captures *captures;
	struct metrics metrics;
	struct keeper *keeper;
	struct watch *watch;
	struct server *local, *remote;
	struct api_env api;
};

static int load_node(struct agent *a, const struct options *o, struct err *err)
{
	bool tcp = o->listen || o->listen_swarm;

	a->node.engine = xstrdup(o->engine);
	a->node.netns_dir = xstrdup(o->netns_dir);
	a->node.port = tcp ? o->port : 0;
	return node_load(&a->node, o->node_id,
			 o->listen_swarm ? SERVE_JOIN_WAIT_MS : ENGINE_WAIT_MS, err);
}

static int load_spool(struct agent *a, const struct options *o, struct err *err)
{
	const struct spool_limits limits = { .quota = o->quota, .floor = o->floor };
	struct capture_env env = { .node = &a->node, .metrics = &a->metrics };
	int r = spool_open(&a->spool, o->spool, &limits, err);

	if (r)
		return r;
	env.spool = a->spool;
	a->captures = captures_new(&env, o->keep_ms);
	recover_all(a->captures, &env);
	spool_on_full(a->spool, captures_make_room, a->captures);
	a->api = (struct api_env){ .node = &a->node, .spool = a->spool, .captures = a->captures,
				   .metrics = &a->metrics };
	return 0;
}

static int start_threads(struct agent *a, struct err *err)
{
	struct err why = ERR_INIT;
	int r = keeper_start(&a->keeper, a->captures, err);

	if (!r && watch_start(&a->watch, a->node.engine, a->captures, &why))
		log_warn("%s", why.text);
	return r;
}

static int serve_local(struct agent *a, const struct options *o, struct err *err)
{
	int fd, r;

	if (!o->socket)
		return 0;
	r = listen_unix(o->socket, &fd, err);
	return r ? r : server_start(&a->local, fd, NULL, &a->api, err);
}

/* The address to listen on; it becomes the node's. */
static int choose_address(struct agent *a, const struct options *o, struct err *err)
{
	char *address;

	if (o->listen)
		address = xstrdup(o->listen);
	else if (o->listen_net)
		address = listen_find_address(o->listen_net);
	else
		address = xstrdup(a->node.address);
	if (!address)
		return err_set(err, -EADDRNOTAVAIL, "this node has no address within %s",
			       o->listen_net);
	if (!*address) {
		free(address);
		return err_set(err, -EADDRNOTAVAIL, "this node has no address in a Swarm");
	}
	free(a->node.address);
	a->node.address = address;
	return 0;
}

static int listen_patiently(const char *address, uint16_t port, int *fd, struct err *err)
{
	struct err last = ERR_INIT;
	int r = -EADDRNOTAVAIL;

	for (int i = 0; r == -EADDRNOTAVAIL && i < LISTEN_TRIES; i++) {
		if (i)
			clock_sleep_ms(LISTEN_STEP_MS);
		err_reset(&last);
		r = listen_tcp(address, port, fd, &last);
	}
	return r ? err_set(err, r, "%s", last.text) : 0;
}

static int serve_remote(struct agent *a, const struct options *o, struct err *err)
{
	int fd, r;

	if (!o->listen && !o->listen_swarm)
		return 0;
	r = auth_load(&a->tls, o->tls_dir, err);
	if (!r)
		r = choose_address(a, o, err);
	if (!r)
		r = listen_patiently(a->node.address, o->port, &fd, err);
	if (r)
		return r;
	a->node.certificate_expires_ns = a->tls.expires_ns;
	return server_start(&a->remote, fd, &a->tls, &a->api, err);
}

static int wait_for_end(struct err *err)
{
	sigset_t set;
	int sig;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	errno = sigwait(&set, &sig);
	if (errno)
		return err_errno(err, "cannot wait for signals");
	log_info("%s: ending", sig == SIGTERM ? "SIGTERM" : "SIGINT");
	return 0;
}

static void end(struct agent *a, const struct options *o)
{
	if (a->captures)
		captures_stop_all(a->captures, WIRE_END_AGENT_LOST, "the agent was stopped");
	if (a->local)
		unlink(o->socket);
	server_stop(a->local);
	server_stop(a->remote);
	if (a->captures)	/* what was armed in between */
		captures_stop_all(a->captures, WIRE_END_AGENT_LOST, "the agent was stopped");
	watch_stop(a->watch);
	keeper_stop(a->keeper);
	captures_free(a->captures);
	spool_close(a->spool);
	auth_release(&a->tls);
	node_release(&a->node);
}

int serve(const struct options *o, struct err *err)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	int r = load_node(a, o, err);

	if (!r)
		r = load_spool(a, o, err);
	if (!r)
		r = start_threads(a, err);
	if (!r)
		r = serve_remote(a, o, err);
	if (!r)
		r = serve_local(a, o, err);
	if (!r) {
		log_info("version %s on node %s (%s), serving %s%s%s", SWARMCAP_VERSION,
			 a->node.name, *a->node.id ? a->node.id : "no Swarm",
			 o->socket ? o->socket : "", o->socket && a->remote ? " and " : "",
			 a->remote ? a->node.address : "");
		r = wait_for_end(err);
	}
	end(a, o);
	free(a);
	return r;
}
