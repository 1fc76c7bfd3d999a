/* SPDX-License-Identifier: Apache-2.0
 *
 * server.c - the HTTP servers
 *
 * libmicrohttpd with a thread per connection: handlers may wait, and a slow reader holds nobody
 * else up. Who speaks is checked once per connection, at its first request and before anything
 * of it is used; the result is kept with the connection (struct peer).
 *
 * Bounds: connections in all and of one address, a short time-out until a request has come,
 * bodies up to WIRE_BODY_MAX. Over TCP the first two are guests.c's: the library would refuse who
 * comes last, and that may be the coordinator behind a crowd of silent strangers. The
 * library's post, digest and basic-auth parts are never used.
 */
#include "server.h"
#include "guests.h"
#include "log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define LEAVING 64	/* connections that were told to leave and have not noticed yet */

struct server {
	struct MHD_Daemon *daemon;
	struct guests *guests;		/* NULL without TLS */
	const struct api_env *env;
	bool tls;
};

/* One connection. */
struct peer {
	bool checked, allowed;
	char name[AUTH_SERIAL_MAX];	/* for the log */
	struct err why;
	struct guest *guest;		/* NULL without TLS */
};

static struct guest *add_guest(struct server *s, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *fd, *from;

	fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	from = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	return guests_add(s->guests, fd ? fd->connect_fd : -1, from ? from->client_addr : NULL);
}

static void forget_peer(struct server *s, struct peer *p)
{
	if (p && p->guest)
		guests_remove(s->guests, p->guest);
	free(p);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *s = arg;
	struct peer *p;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		forget_peer(s, *context);
		*context = NULL;
		return;
	}
	*context = p = xcalloc(1, sizeof(*p));
	if (s->tls)
		p->guest = add_guest(s, connection);
	else
		*p = (struct peer){ .checked = true, .allowed = true, .name = "unix" };
}

static struct peer *peer_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *i =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return i ? i->socket_context : NULL;
}

static bool is_allowed(struct server *s, struct MHD_Connection *connection, struct peer *p)
{
	const union MHD_ConnectionInfo *i;

	if (p->checked)
		return p->allowed;
	p->checked = true;
	i = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
	if (i && i->tls_session)
		p->allowed = auth_check(i->tls_session, p->name, &p->why) == 0;
	else
		err_set(&p->why, -EACCES, "not TLS");
	if (p->allowed && p->guest)
		guests_know(s->guests, p->guest);
	if (!p->allowed) {
		atomic_fetch_add(&s->env->metrics->refused_peers, 1);
		log_warn("a peer was refused: %s", p->why.text);
	}
	return p->allowed;
}

static struct api_request *new_request(struct server *s, struct MHD_Connection *connection,
				       const char *url, const char *method, const struct peer *p)
{
	struct api_request *q = xcalloc(1, sizeof(*q));

	q->env = s->env;
	q->connection = connection;
	q->method = method;
	q->path = xstrdup(url);
	q->peer = p ? p->name : "";
	q->body = (struct buf)BUF_INIT(WIRE_BODY_MAX);
	return q;
}

static void take_body(struct api_request *q, const char *data, size_t n)
{
	if (q->too_large || buf_add(&q->body, data, n) == 0)
		return;
	q->too_large = true;
	buf_release(&q->body);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
				  const char *method, const char *version, const char *data,
				  size_t *data_size, void **context)
{
	struct server *s = arg;
	struct api_request *q = *context;
	struct peer *p;

	if (!q) {
		p = peer_of(connection);
		atomic_store(&s->env->metrics->asked_ns, clock_mono_ns());
		*context = q = new_request(s, connection, url, method, p);
		if (p && is_allowed(s, connection, p))
			return MHD_YES;
		return api_refuse(q, MHD_HTTP_FORBIDDEN, "forbidden", p ? p->why.text : "");
	}
	if (*data_size) {
		take_body(q, data, *data_size);
		*data_size = 0;
		return MHD_YES;
	}
	return api_answer(q);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
			 enum MHD_RequestTerminationCode how)
{
	struct api_request *q = *context;

	if (!q)
		return;
	*context = NULL;
	if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK)
		api_sent(q);
	api_release(q);
}

static void on_log(void *arg, const char *format, va_list args) PRINTF(2, 0);
static void on_log(void *arg, const char *format, va_list args)
{
	char text[512];

	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http: %s", text);
}

static struct MHD_Daemon *start(struct server *s, int fd, const struct auth_files *tls)
{
	const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION |
			       MHD_USE_POLL | MHD_USE_ITC | MHD_USE_ERROR_LOG;
	const struct MHD_OptionItem tls_options[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, tls ? tls->cert : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, tls ? tls->key : NULL },
		{ MHD_OPTION_HTTPS_MEM_TRUST, 0, tls ? tls->ca : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)(uintptr_t)AUTH_PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	const struct MHD_OptionItem none[] = { { MHD_OPTION_END, 0, NULL } };

	return MHD_start_daemon(flags | (tls ? MHD_USE_TLS : 0), 0, NULL, NULL, on_request, s,
				MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
				MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)(SERVER_CONNECTIONS + (tls ? LEAVING : 0)),
				MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)SERVER_IDLE_S,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)SERVER_MEMORY,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, s,
				MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
				MHD_OPTION_ARRAY, tls ? tls_options : none,
				MHD_OPTION_END);
}

int server_start(struct server **out, int listen_fd, const struct auth_files *tls,
		 const struct api_env *env, struct err *err)
{
	struct server *s = xcalloc(1, sizeof(*s));

	s->env = env;
	s->tls = tls != NULL;
	s->guests = tls ? guests_new(SERVER_CONNECTIONS, SERVER_PER_ADDRESS, SERVER_IDLE_S * 1000)
			: NULL;
	s->daemon = start(s, listen_fd, tls);
	if (!s->daemon) {
		guests_free(s->guests);
		free(s);
		util_close(listen_fd);
		return err_set(err, -EIO,
			       tls ? "cannot start the TLS server: is the key the certificate's?"
				   : "cannot start the server");
	}
	*out = s;
	return 0;
}

void server_stop(struct server *s)
{
	if (!s)
		return;
	MHD_stop_daemon(s->daemon);
	guests_free(s->guests);
	free(s);
}
