/* SPDX-License-Identifier: Apache-2.0
 *
 * endpoint.c - where a Docker Engine is: host strings as the docker CLI understands them; pure
 */
#include "endpoint.h"

#include <errno.h>
#include <string.h>

#include "units.h"
#include "util.h"

#define PORT_PLAIN 2375
#define PORT_TLS 2376
#define HOST_MAX 4096

static int no_sense(const char *host, const char *why, struct err *err)
{
	return err_set(err, -EINVAL, "cannot understand '%.200s': %s; a Docker host is "
		       "unix:///path, tcp://address:port or ssh://user@host", host, why);
}

/* "[fd00::1]:22", "name:22", "name": *port stays as it is when there is none. */
static int split_address(char *text, struct endpoint *out, uint16_t *port)
{
	char *name = text, *end = text + strcspn(text, ":");
	uint64_t number = 0;

	if (*text == '[') {
		name = text + 1;
		end = strchr(text, ']');
		if (!end)
			return -EINVAL;
		*end++ = '\0';
		if (*end && *end != ':')
			return -EINVAL;
	}
	if (*end == ':' && end[1]) {
		if (units_parse_u64(end + 1, 1, UINT16_MAX, &number) < 0)
			return -EINVAL;
		*port = (uint16_t)number;
	}
	*end = '\0';
	if (strpbrk(name, "/@?#[] \\\"<>^`{|}"))
		return -EINVAL;
	out->host = *name ? xstrdup(name) : NULL;
	return 0;
}

static char *tcp_url(const struct endpoint *e, const char *path)
{
	return xasprintf(strchr(e->host, ':') ? "tcp://[%s]:%u%s" : "tcp://%s:%u%s", e->host,
			 e->port, path);
}

static int parse_tcp(struct endpoint *out, const char *host, bool tls, struct err *err)
{
	const char *rest = str_starts(host, "tcp://") ? host + strlen("tcp://") : host;
	size_t len = strcspn(rest, "/");
	cleanup_free char *address = strndup(rest, len);
	size_t path_len = strlen(rest + len);

	out->kind = ENDPOINT_TCP;
	out->port = tls && len == 0 ? PORT_TLS : PORT_PLAIN;
	if (!address || strpbrk(rest, "?#@") || split_address(address, out, &out->port) < 0)
		return no_sense(host, "not an address and a port", err);
	if (!out->host)
		out->host = xstrdup("localhost");
	while (path_len > 0 && rest[len + path_len - 1] == '/')
		path_len--;
	out->path = strndup(rest + len, path_len);
	out->tls = tls;
	out->url = tcp_url(out, rest + len);
	return 0;
}

static int parse_unix(struct endpoint *out, const char *host, struct err *err)
{
	const char *path = host + strlen("unix://");

	if (strstr(path, "://"))
		return no_sense(host, "the path of a socket is needed", err);
	out->kind = ENDPOINT_UNIX;
	out->path = xstrdup(*path ? path : ENDPOINT_SOCKET);
	out->url = xasprintf("unix://%s", out->path);
	return 0;
}

static int take_user(struct endpoint *out, char **text, const char *host, struct err *err)
{
	char *at = strrchr(*text, '@');

	if (!at)
		return 0;
	*at = '\0';
	if (strchr(*text, ':'))
		return no_sense("ssh://...", "a password has no place there", err);
	if (!**text || **text == '-' || strpbrk(*text, " @/"))
		return no_sense(host, "no user stands before the '@'", err);
	out->user = xstrdup(*text);
	*text = at + 1;
	return 0;
}

static int parse_ssh(struct endpoint *out, const char *host, struct err *err)
{
	const char *rest = host + strlen("ssh://"), *path = rest + strcspn(rest, "/");
	cleanup_free char *copy = strndup(rest, (size_t)(path - rest));
	char *address = copy;

	out->kind = ENDPOINT_SSH;
	if (strpbrk(rest, "?#"))
		return no_sense("ssh://...", "'?' and '#' have no place there", err);
	if (!copy || take_user(out, &address, host, err) < 0)
		return -EINVAL;
	if (split_address(address, out, &out->port) < 0 || !out->host || *out->host == '-')
		return no_sense(host, "a host is needed", err);
	out->path = xstrdup(*path && strcmp(path, "/") ? path : ENDPOINT_SOCKET);
	out->url = xstrdup(host);
	return 0;
}

static bool is_plain(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == '\x7f')
			return false;
	return true;
}

static int parse(struct endpoint *out, const char *host, bool tls, struct err *err)
{
	if (strlen(host) > HOST_MAX || !is_plain(host))
		return err_set(err, -EINVAL, "cannot understand the Docker host: it is too long, "
			       "or has blanks or control characters in it");
	if (str_starts(host, "unix://"))
		return parse_unix(out, host, err);
	if (str_starts(host, "ssh://"))
		return parse_ssh(out, host, err);
	if (str_starts(host, "fd://") || str_starts(host, "npipe://"))
		return err_set(err, -EPROTONOSUPPORT, "cannot reach Docker at '%.200s': only "
			       "unix://, tcp:// and ssh:// are reached from here", host);
	if (!str_starts(host, "tcp://") && (strstr(host, "://") || *host == '/'))
		return no_sense(host, "not a kind of host that is known", err);
	return parse_tcp(out, host, tls, err);
}

int endpoint_parse(struct endpoint *out, const char *host, bool tls, struct err *err)
{
	int rc;

	*out = (struct endpoint)ENDPOINT_INIT;
	if (!host || !*host)
		host = tls ? "tcp://localhost:2376" : "unix://" ENDPOINT_SOCKET;
	rc = parse(out, host, tls, err);
	if (rc < 0)
		endpoint_release(out);
	return rc;
}

void endpoint_release(struct endpoint *e)
{
	free(e->url);
	free(e->context);
	free(e->path);
	free(e->host);
	free(e->user);
	free(e->ca_file);
	free(e->cert_file);
	free(e->key_file);
	for (size_t i = 0; e->headers && e->headers[i]; i++)
		free(e->headers[i]);
	free(e->headers);
	free(e->api_version);
	*e = (struct endpoint)ENDPOINT_INIT;
}
