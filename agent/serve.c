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
#include "clock.h"
#include "keeper.h"
#include "listen.h"
#include "log.h"
#include "recover.h"
#include "resume.h"
#include "server.h"
#include "version.h"
#include "watch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
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
	struct works works;
	struct keeper *keeper;
	struct follow *follow;
	struct watch *watch;
	struct server *local, *remote;
	struct api_env api;
	bool over;	/* a temporary life that has nothing left to do: what lies there may go */
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
	struct capture_env env = { .node = &a->node, .metrics = &a->metrics, .works = &a->works };
	int r = works_start(&a->works, (size_t)o->ring_bytes, err);

	if (!r)
		r = spool_open(&a->spool, o->spool, &limits, err);
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

	if (!r && follow_start(&a->follow, &a->node, a->captures, &why))
		log_warn("%s", why.text);
	if (!r && watch_start(&a->watch, a->node.engine, a->captures, a->follow, &why))
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

/* ---- a life for one capture ---- */

/* Whoever hired us is gone, or done: its end of our stdin is closed. */
static bool is_dismissed(void)
{
	struct pollfd p = { .fd = STDIN_FILENO, .events = POLLIN };
	char c;

	while (poll(&p, 1, 0) > 0) {
		if (read(STDIN_FILENO, &c, 1) <= 0)
			return true;
	}
	return false;
}

/*
 * Nothing is left to do: no capture runs, and what lies in the spool was fetched, or nobody asked for
 * it through all of the linger. A capture that runs ends by its lease.
 */
static bool is_over(struct agent *a, const struct options *o, int64_t since_ns)
{
	int64_t asked = atomic_load(&a->metrics.asked_ns), now = clock_mono_ns();
	struct captures_counts counts;

	captures_count(a->captures, &counts);
	if (counts.running)
		return false;
	return !counts.unfetched ||
	       now - (asked > since_ns ? asked : since_ns) > o->linger_ms * NS_PER_MS;
}

static int wait_for_dismissal(struct agent *a, const struct options *o)
{
	const struct timespec step = { 0, 200 * NS_PER_MS };
	int64_t dismissed_ns = 0;
	sigset_t set;

	puts("ready");
	fflush(stdout);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	for (;;) {
		if (sigtimedwait(&set, NULL, &step) > 0)
			return 0;
		if (!dismissed_ns && is_dismissed())
			dismissed_ns = clock_mono_ns();
		a->over = dismissed_ns && is_over(a, o, dismissed_ns);
		if (a->over)
			return 0;
	}
}

/* The directory must be ours alone: what is in it will be removed. */
static int check_temporary(const struct options *o, struct err *err)
{
	struct stat st;

	if (lstat(o->temporary, &st) < 0)
		return err_errno(err, "--temporary '%s'", o->temporary);
	if (!S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		return err_set(err, -EPERM, "--temporary '%s': not a directory of ours with mode 0700",
			       o->temporary);
	if (mkdir(o->spool, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "cannot make '%s'", o->spool);
	return 0;
}

/* All of it, our own program perhaps included; after a signal not what nobody fetched yet. */
static void remove_temporary(const struct agent *a, const struct options *o,
			     const struct captures_counts *left)
{
	if (left->unfetched && !a->over)
		log_warn("captures that nobody fetched stay in '%s'", o->temporary);
	else
		util_remove_tree_at(AT_FDCWD, o->temporary);
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

/* A temporary agent has no next life that could go on. */
static void leave_captures(struct agent *a, const struct options *o)
{
	if (o->temporary)
		captures_stop_all(a->captures, WIRE_END_AGENT_LOST, "the agent was stopped");
	else
		resume_suspend_all(a->captures);
}

static void end(struct agent *a, const struct options *o)
{
	struct captures_counts left = { 0 };

	if (a->captures)
		leave_captures(a, o);
	if (a->local)
		unlink(o->socket);
	server_stop(a->local);
	server_stop(a->remote);
	if (a->captures)	/* what was armed in between */
		leave_captures(a, o);
	watch_stop(a->watch);
	follow_stop(a->follow);
	keeper_stop(a->keeper);
	if (a->captures)
		captures_count(a->captures, &left);
	captures_free(a->captures);
	works_stop(&a->works);
	spool_close(a->spool);
	auth_release(&a->tls);
	node_release(&a->node);
	if (o->temporary && a->spool)
		remove_temporary(a, o, &left);
}

int serve(const struct options *o, struct err *err)
{
	struct agent *a = xcalloc(1, sizeof(*a));
	int r = o->temporary ? check_temporary(o, err) : 0;

	clock_file_tick();
	if (!r)
		r = load_node(a, o, err);
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
		r = o->temporary ? wait_for_dismissal(a, o) : wait_for_end(err);
	}
	end(a, o);
	free(a);
	return r;
}
