/* SPDX-License-Identifier: Apache-2.0
 *
 * reach.c - how the Engine is reached
 *
 * Over ssh its socket is a direct-streamlocal of the checked session; where sshd forbids that, or
 * the user may not open the socket but docker's own program may (a group, a rootless Engine), it is
 * `docker system dial-stdio` there, as the docker CLI does it.
 */
#include "reach_parts.h"

#include "context.h"
#include "hire.h"

#include <errno.h>
#include <string.h>

static struct reach *reach_new(const struct request *r)
{
	struct reach *x = xcalloc(1, sizeof(*x));
	cleanup_free char *image = hire_find_image();

	x->request = r;
	x->has_image = image != NULL;
	pthread_mutex_init(&x->lock, NULL);
	pthread_cond_init(&x->changed, NULL);
	return x;
}

static int open_manager(struct reach *x, struct err *err)
{
	const struct remote_place at = {
		.host = x->at.host, .user = x->at.user, .port = x->at.port,
		.accept_new = x->request->ssh_accept_new, .cancel = x->cancel,
	};

	return remote_open(&x->manager, &at, err);
}

static int dial_stdio(struct reach *x, struct err *err)
{
	cleanup_free char *host = xasprintf("--host=unix://%s", x->at.path);
	cleanup_free char *quoted = remote_quote(host);
	bool named = strcmp(x->at.path, ENDPOINT_SOCKET) != 0;
	cleanup_free char *command = xasprintf("docker %s%ssystem dial-stdio", named ? quoted : "",
					       named ? " " : "");

	return remote_start_socket(x->manager, command, err);
}

/* What may be otherwise for docker's program; a dead session is not. */
static bool is_refusal(int rc)
{
	return rc == -EACCES || rc == -ECONNREFUSED || rc == -ENOENT || rc == -EPROTO;
}

static int dial_engine(void *arg, struct err *err)
{
	struct reach *x = arg;
	struct err why = ERR_INIT;
	int fd = -EACCES;

	if (!__atomic_load_n(&x->stdio, __ATOMIC_RELAXED))
		fd = remote_dial_unix(x->manager, x->at.path, &why);
	if (fd >= 0)
		return fd;
	if (!is_refusal(fd))
		return err_set(err, fd, "%s", why.text);
	fd = dial_stdio(x, err);
	if (fd >= 0)
		__atomic_store_n(&x->stdio, true, __ATOMIC_RELAXED);
	return fd;
}

/* The far program said on its stderr, which nobody reads here, why: so the likely reason is told. */
static int blame_far(const struct reach *x, int rc, const struct err *why, struct err *err)
{
	return err_set(err, rc, "no answer from Docker on %s: %s; may '%s' use it there "
		       "(root, or a member of the group docker), and does it run at '%s'?",
		       remote_name(x->manager), why->text, remote_user(x->manager), x->at.path);
}

static int open_far(struct reach *x, struct err *err)
{
	const struct http_dialer dialer = { dial_engine, x };
	struct err why = ERR_INIT;
	int rc = open_manager(x, err);

	if (rc < 0)
		return rc;
	rc = engine_open(&x->engine, &x->at, &dialer, &why);
	if (rc < 0 && !x->stdio && remote_alive(x->manager)) {
		/* sshd may open the socket and the Engine hang up: its program may still be let in */
		__atomic_store_n(&x->stdio, true, __ATOMIC_RELAXED);
		err_reset(&why);
		rc = engine_open(&x->engine, &x->at, &dialer, &why);
	}
	return rc < 0 ? blame_far(x, rc, &why, err) : 0;
}

int reach_open(struct reach **out, const struct request *r, struct err *err)
{
	struct reach *x = reach_new(r);
	int rc = context_resolve(&x->at, r, err);

	if (rc == 0)
		rc = x->at.kind == ENDPOINT_SSH ? open_far(x, err)
						: engine_open(&x->engine, &x->at, NULL, err);
	if (rc < 0) {
		reach_close(x);
		return rc;
	}
	*out = x;
	return 0;
}

void reach_close(struct reach *x)
{
	if (!x)
		return;
	engine_close(x->engine);
	reach_sessions_free(x);
	remote_close(x->manager);
	endpoint_release(&x->at);
	free(x->manager_node);
	pthread_cond_destroy(&x->changed);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

int reach_load_creds(const struct request *r, const struct cluster *c, struct creds *out,
		     struct err *err)
{
	const char *named = getenv("SWARMCAP_CREDENTIALS");
	bool forced = r->route && route_parse(r->route) == ROUTE_AGENT;
	cleanup_free char *dir = NULL;
	int rc;

	if (!c->agent_port && !forced) {
		err_set(err, -ENOENT, "no agent is deployed");
		return REACH_E_CLOSED;
	}
	dir = creds_dir(r->credentials, c->id);
	rc = creds_load(out, dir, err);
	if (rc == 0 || forced || r->credentials || (named && *named))
		return rc;
	return REACH_E_CLOSED;
}

struct engine *reach_engine(struct reach *x)
{
	return x->engine;
}

int reach_new_engine(struct reach *x, struct engine **out, struct err *err)
{
	const struct http_dialer dialer = { dial_engine, x };

	return engine_open(out, &x->at, x->at.kind == ENDPOINT_SSH ? &dialer : NULL, err);
}

bool reach_is_local(const struct reach *x)
{
	return x->at.kind == ENDPOINT_UNIX;
}

void reach_set_cancel(struct reach *x, volatile bool *cancel)
{
	if (x)
		__atomic_store_n(&x->cancel, cancel, __ATOMIC_RELAXED);
}
