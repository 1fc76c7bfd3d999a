/* SPDX-License-Identifier: Apache-2.0
 *
 * remote.c - one machine over ssh: opening and closing
 */
#include "remote_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "units.h"

#define BACK_OFF_MS 150

static int open_at_depth(struct remote **out, const struct remote_place *at, int depth,
			 struct err *err);

/* ---- the way there ---- */

/* "[user@]host[:port]" or an ssh:// of it, cut up in place. */
static int split_hop(char *text, struct remote_place *out)
{
	char *at, *colon;
	uint64_t port;

	if (str_starts(text, "ssh://"))
		text += strlen("ssh://");
	at = strrchr(text, '@');
	if (at) {
		*at = '\0';
		out->user = text;
		text = at + 1;
	}
	if (*text == '[') {
		colon = strchr(++text, ']');
		if (!colon)
			return -EINVAL;
		*colon++ = '\0';
	} else {
		colon = strrchr(text, ':');
	}
	if (colon && *colon == ':') {
		*colon++ = '\0';
		if (units_parse_u64(colon, 1, UINT16_MAX, &port) < 0)
			return -EINVAL;
		out->port = (uint16_t)port;
	}
	out->host = text;
	return 0;
}

/* The hops of a ProxyJump, one through the other; *out is the last. */
static int open_jumps(struct remote **out, const char *list, const struct remote_place *at,
		      int depth, struct err *err)
{
	cleanup_free char *copy = xstrdup(list);
	char *rest = copy, *text;
	struct remote *last = NULL;

	while ((text = strsep(&rest, ","))) {
		struct remote_place hop = { .via = last, .accept_new = at->accept_new,
					    .cancel = at->cancel };
		struct remote *next = NULL;
		int rc = split_hop(text, &hop);

		if (rc < 0)
			err_set(err, rc, "ProxyJump '%s' is not understood", list);
		else
			rc = open_at_depth(&next, &hop, depth + 1, err);
		if (rc < 0) {
			err_add(err, " (on the way to %s)", at->host);
			remote_close(last);
			return rc;
		}
		next->jump = last;
		last = next;
	}
	*out = last;
	return 0;
}

/* A socket to where sshd listens. */
static int find_way(struct remote *r, const struct remote_config *c, const struct remote_place *at,
		    struct err *err)
{
	if (at->via)
		return remote_dial_tcp(at->via, c->hostname, c->port, err);
	if (r->jump)
		return remote_dial_tcp(r->jump, c->hostname, c->port, err);
	if (c->proxy_command)
		return remote_connect_proxy(c->proxy_command, &r->proxy, err);
	return remote_connect_tcp(c->hostname, c->port, at->cancel, err);
}

static void end_proxy(struct remote *r)
{
	if (!r->proxy)
		return;
	kill(-r->proxy, SIGTERM);
	while (waitpid(r->proxy, NULL, 0) < 0 && errno == EINTR)
		;
	r->proxy = 0;
}

/* ---- one try ---- */

static ssh_session new_session(const struct remote_config *c, int fd)
{
	ssh_session s = ssh_new();
	unsigned int port = c->host_key_alias ? 22 : c->port;
	const char *host = c->host_key_alias ? c->host_key_alias : c->hostname;
	bool no = false;

	if (!s)
		util_out_of_memory();
	/* the name and the port are for known_hosts: the connection is made */
	ssh_options_set(s, SSH_OPTIONS_PROCESS_CONFIG, &no);
	ssh_options_set(s, SSH_OPTIONS_HOST, host);
	ssh_options_set(s, SSH_OPTIONS_PORT, &port);
	ssh_options_set(s, SSH_OPTIONS_USER, c->user);
	ssh_options_set(s, SSH_OPTIONS_FD, &fd);
	if (c->user_known_hosts[0])
		ssh_options_set(s, SSH_OPTIONS_KNOWNHOSTS, c->user_known_hosts[0]);
	if (c->global_known_hosts[0])
		ssh_options_set(s, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, c->global_known_hosts[0]);
	ssh_set_blocking(s, 0);
	return s;
}

static void end_session(struct remote *r)
{
	if (!r->session)
		return;
	ssh_set_blocking(r->session, 0);
	ssh_disconnect(r->session);
	ssh_free(r->session);
	r->session = NULL;
	end_proxy(r);
}

static int try_once(struct remote *r, const struct remote_config *c, const struct remote_place *at,
		    struct err *err)
{
	struct remote_login l = { .config = c, .place = at, .name = r->name };
	int fd = find_way(r, c, at, err), rc;

	if (fd < 0)
		return fd;
	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	r->session = l.session = new_session(c, fd);
	l.until_ns = clock_mono_ns() + REMOTE_LOGIN_MS * NS_PER_MS;
	rc = remote_handshake(&l, err);
	if (rc == 0)
		rc = remote_check_key(&l, err);
	if (rc == 0)
		rc = remote_authenticate(&l, err);
	if (rc != 0)
		end_session(r);
	return rc;
}

static int log_in(struct remote *r, const struct remote_config *c, const struct remote_place *at,
		  struct err *err)
{
	struct err why = ERR_INIT;
	int rc = -ECANCELED;

	for (int i = 0; i < REMOTE_TRIES; i++) {
		uint16_t noise = 0;

		err_reset(&why);
		if (i) {
			/* not all of those that were dropped come back at once */
			noise = (uint16_t)((uintptr_t)r / 64 * 7919 % BACK_OFF_MS);
			clock_sleep_ms(BACK_OFF_MS * i + noise);
		}
		rc = remote_gate_enter(c->hostname, c->port, at->cancel);
		if (rc < 0)
			break;
		rc = try_once(r, c, at, &why);
		remote_gate_leave(c->hostname, c->port);
		if (rc != REMOTE_E_AGAIN && rc != -ECONNRESET)
			break;
	}
	if (rc == REMOTE_E_AGAIN)
		rc = -ECONNRESET;
	return rc < 0 ? err_set(err, rc, "%s", *why.text ? why.text : "interrupted") : 0;
}

/* ---- the object ---- */

static struct remote *new_remote(const struct remote_config *c)
{
	struct remote *r = xcalloc(1, sizeof(*r));

	r->user = xstrdup(c->user);
	r->name = c->port == 22 ? xasprintf("%s@%s", c->user, c->hostname)
				: xasprintf("%s@%s:%u", c->user, c->hostname, c->port);
	r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->changed, NULL);
	return r;
}

/* A signal is for who waits for it: in a thread that does not block it, ^C would end the program. */
static int start_pump(struct remote *r)
{
	sigset_t all, before;
	int rc;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	rc = pthread_create(&r->thread, NULL, remote_pump_main, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static int open_configured(struct remote **out, struct remote_config *c,
			   const struct remote_place *at, int depth, struct err *err)
{
	struct remote *r = new_remote(c);
	int rc = 0;

	if (!at->via && c->proxy_jump)
		rc = open_jumps(&r->jump, c->proxy_jump, at, depth, err);
	if (rc == 0)
		rc = log_in(r, c, at, err);
	if (rc == 0 && start_pump(r) != 0)
		rc = err_set(err, -EAGAIN, "no thread for %s", r->name);
	if (rc < 0) {
		remote_close(r);
		return rc;
	}
	r->running = true;
	*out = r;
	return 0;
}

static int open_at_depth(struct remote **out, const struct remote_place *at, int depth,
			 struct err *err)
{
	struct remote_config c;
	int rc = depth < REMOTE_HOPS_MAX ? 0 :
		 err_set(err, -ELOOP, "too many hops on the way to %s", at->host);

	if (rc < 0)
		return rc;
	rc = remote_config_load(&c, at->host, at->user, at->port, err);
	if (rc == 0 && !at->user && at->default_user) {
		cleanup_free char *ours = remote_config_own_name();

		/* ssh -G names us when nobody else is configured */
		if (!strcmp(c.user, ours)) {
			free(c.user);
			c.user = xstrdup(at->default_user);
		}
	}
	if (rc == 0)
		rc = open_configured(out, &c, at, depth, err);
	remote_config_release(&c);
	return rc;
}

int remote_open(struct remote **out, const struct remote_place *at, struct err *err)
{
	return open_at_depth(out, at, 0, err);
}

void remote_close(struct remote *r)
{
	if (!r)
		return;
	if (r->running) {
		pthread_mutex_lock(&r->lock);
		r->ending = true;
		pthread_mutex_unlock(&r->lock);
		remote_wake(r);
		pthread_join(r->thread, NULL);
	}
	end_session(r);
	end_proxy(r);
	remote_close(r->jump);
	util_close(r->wake_fd);
	pthread_cond_destroy(&r->changed);
	pthread_mutex_destroy(&r->lock);
	free(r->name);
	free(r->user);
	free(r);
}

const char *remote_name(const struct remote *r)
{
	return r->name;
}

const char *remote_user(const struct remote *r)
{
	return r->user;
}

bool remote_alive(struct remote *r)
{
	bool dead;

	pthread_mutex_lock(&r->lock);
	dead = r->dead;
	pthread_mutex_unlock(&r->lock);
	return !dead;
}
