/* SPDX-License-Identifier: Apache-2.0
 *
 * reach_session.c - a node's ssh session: opened once, shared by all who need that node
 *
 * Who comes first opens it, without the lock; the others wait for the result. A session that failed
 * stays failed for the life of the command, so that a node costs its time-outs once. One that
 * died later is opened anew; its remains stay until the end, since others may hold them still.
 */
#include "reach_parts.h"

#include "ssh_host.h"

#include <errno.h>
#include <string.h>
#include <time.h>

static bool is_cancelled(const struct reach *x)
{
	volatile bool *cancel = __atomic_load_n(&x->cancel, __ATOMIC_RELAXED);

	return cancel && __atomic_load_n(cancel, __ATOMIC_RELAXED);
}

static struct reach_session *find(struct reach *x, const char *node_id)
{
	for (struct reach_session *s = x->sessions; s; s = s->next)
		if (strcmp(s->node_id, node_id) == 0)
			return s;
	return NULL;
}

static struct reach_session *find_or_add(struct reach *x, const struct plan_node *n)
{
	struct reach_session *s = find(x, n->id);

	if (s)
		return s;
	s = xcalloc(1, sizeof(*s));
	*s = (struct reach_session){
		.next = x->sessions, .reach = x, .node_id = xstrdup(n->id),
		.name = xstrdup(n->name), .address = xstrdup(n->address),
	};
	x->sessions = s;
	return s;
}

/* A new session to the node: through the manager where that is how the Engine is reached. */
static int connect_to(struct reach_session *s, struct remote **out, struct err *err)
{
	struct reach *x = s->reach;
	cleanup_ssh_host struct ssh_host named = SSH_HOST_INIT;
	struct remote_place at = {
		.host = s->address, .default_user = x->at.kind == ENDPOINT_SSH ? x->at.user : NULL,
		.via = x->manager, .accept_new = x->request->ssh_accept_new,
		.cancel = __atomic_load_n(&x->cancel, __ATOMIC_RELAXED),
	};
	int rc = ssh_host_find(x->request->ssh_hosts, x->request->n_ssh_hosts, s->node_id, s->name,
			       &named, err);

	if (rc < 0)
		return rc;
	if (rc == 0) {
		at.host = named.host;
		at.user = named.user;
		at.port = named.port;
	}
	if (!*at.host)
		return err_set(err, -EHOSTUNREACH, "the manager knows no address of node %s: name "
			       "one with --ssh-host", s->name);
	return remote_open(out, &at, err);
}

/* Waits with the lock held; half a second at a time, for nobody signals a cancel. */
static void wait_changed(struct reach *x)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 500 * NS_PER_MS;
	until.tv_sec += until.tv_nsec / NS_PER_S;
	until.tv_nsec %= NS_PER_S;
	pthread_cond_timedwait(&x->changed, &x->lock, &until);
}

static void keep(struct reach_session *s, struct remote *r)
{
	s->old = xrealloc(s->old, s->n_old + 1, sizeof(*s->old));
	s->old[s->n_old++] = r;
}

/* With the lock held, but not meanwhile. */
static void open_session(struct reach_session *s)
{
	struct reach *x = s->reach;
	struct remote *r = NULL;
	struct err why = ERR_INIT;
	int rc;

	s->opening = true;
	x->opening++;
	pthread_mutex_unlock(&x->lock);
	rc = connect_to(s, &r, &why);
	pthread_mutex_lock(&x->lock);
	x->opening--;
	s->opening = false;
	s->remote = rc == 0 ? r : NULL;
	s->failed = rc != 0 && rc != -ECANCELED;
	s->err = why;
	s->err.code = rc;
	pthread_cond_broadcast(&x->changed);
}

static bool is_managers(const struct reach *x, const struct plan_node *n)
{
	return x->manager && x->manager_node && strcmp(x->manager_node, n->id) == 0;
}

/* With the lock held: 0, or the error. */
static int get_session(struct reach_session *s, struct err *err)
{
	struct reach *x = s->reach;

	for (;;) {
		if (is_cancelled(x))
			return err_set(err, -ECANCELED, "cancelled");
		if (s->remote && !s->opening && !s->borrowed && !remote_alive(s->remote)) {
			keep(s, s->remote);
			s->remote = NULL;
		}
		if (s->remote)
			return 0;
		if (s->failed)
			return err_set(err, s->err.code, "%s", s->err.text);
		if (s->opening || x->opening >= REACH_WIDTH) {
			wait_changed(x);
			continue;
		}
		open_session(s);
		if (!s->remote && !s->failed)
			return err_set(err, -ECANCELED, "%s", s->err.text);
	}
}

int reach_remote(struct reach *x, const struct plan_node *n, struct remote **out, struct err *err)
{
	struct reach_session *s;
	int rc;

	pthread_mutex_lock(&x->lock);
	s = find_or_add(x, n);
	if (is_managers(x, n)) {
		s->remote = x->manager;
		s->borrowed = true;
	}
	rc = get_session(s, err);
	*out = s->remote;
	pthread_mutex_unlock(&x->lock);
	return rc;
}

struct reach_session *reach_session_of(struct reach *x, const struct plan_node *n)
{
	struct reach_session *s;

	pthread_mutex_lock(&x->lock);
	s = find(x, n->id);
	pthread_mutex_unlock(&x->lock);
	return s;
}

/* To the manager's machine again: by itself, not through itself. */
static int connect_to_manager(struct reach *x, struct remote **out, struct err *err)
{
	const struct remote_place at = {
		.host = x->at.host, .user = x->at.user, .port = x->at.port,
		.accept_new = x->request->ssh_accept_new,
		.cancel = __atomic_load_n(&x->cancel, __ATOMIC_RELAXED),
	};

	return remote_open(out, &at, err);
}

int reach_more(void *session, struct remote **out, struct err *err)
{
	struct reach_session *s = session;

	return s->borrowed ? connect_to_manager(s->reach, out, err) : connect_to(s, out, err);
}

void reach_sessions_free(struct reach *x)
{
	struct reach_session *s;

	while ((s = x->sessions)) {
		x->sessions = s->next;
		if (!s->borrowed)
			remote_close(s->remote);
		for (size_t i = 0; i < s->n_old; i++)
			remote_close(s->old[i]);
		free(s->old);
		free(s->node_id);
		free(s->name);
		free(s->address);
		free(s);
	}
}
