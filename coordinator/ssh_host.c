/* SPDX-License-Identifier: Apache-2.0
 *
 * ssh_host.c - which machine ssh means by a node
 *
 * What comes out is given to ssh's configuration and to resolvers, and a node's name is its
 * user's choice: so only what a host or a user may be called passes, and nothing that begins
 * with '-', which a program would take for an option.
 */
#include "ssh_host.h"

#include "buf.h"
#include "units.h"
#include "util.h"

#include <errno.h>
#include <string.h>

#define TEXT_MAX 255

static bool is_word(const char *s, const char *more)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				      "0123456789._-";

	if (!*s || *s == '-' || strlen(s) > TEXT_MAX)
		return false;
	for (; *s; s++)
		if (!strchr(letters, *s) && !strchr(more, *s))
			return false;
	return true;
}

/* Where "HOST:PORT" has its colon; NULL: no port. An address with many colons has none. */
static char *find_port(char *host)
{
	char *colon = strrchr(host, ':');

	if (*host == '[')
		return colon && colon > host && colon[-1] == ']' ? colon : NULL;
	return colon && strchr(host, ':') == colon ? colon : NULL;
}

/* "[USER@]HOST[:PORT]", taken apart. */
static int parse(const char *text, struct ssh_host *out, struct err *err)
{
	cleanup_free char *copy = xstrdup(text);
	char *at = strrchr(copy, '@'), *host = at ? at + 1 : copy, *colon = find_port(host);
	uint64_t port = 0;
	size_t len;

	if (at)
		*at = '\0';
	if (colon)
		*colon++ = '\0';
	if (colon && units_parse_u64(colon, 1, UINT16_MAX, &port) < 0)
		return err_set(err, -EINVAL, "'%s' is no port from 1 to 65535", colon);
	len = strlen(host);
	if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		host++;
	}
	if (!is_word(host, ":%"))
		return err_set(err, -EINVAL, "'%s' is no name of a host", host);
	if (at && !is_word(copy, "\\@+$"))
		return err_set(err, -EINVAL, "'%s' is no name of a user", copy);
	*out = (struct ssh_host){ at ? xstrdup(copy) : NULL, xstrdup(host), (uint16_t)port };
	return 0;
}

int ssh_host_check(const char *text, struct err *err)
{
	cleanup_ssh_host struct ssh_host h = SSH_HOST_INIT;
	const char *equals = strchr(text, '=');

	if (!equals || equals == text || !equals[1])
		return err_set(err, -EINVAL, "not NODE=[USER@]HOST[:PORT]");
	if (memchr(text, '%', (size_t)(equals - text)) && equals != text + 1)
		return err_set(err, -EINVAL, "a node is named wholly, or by %% alone for all");
	return parse(equals + 1, &h, err);
}

/* Every % becomes the name. */
static char *expand(const char *pattern, const char *name)
{
	struct buf b = BUF_INIT(64 << 10);

	for (; *pattern; pattern++)
		if (*pattern == '%')
			buf_addf(&b, "%s", name);
		else
			buf_addf(&b, "%c", *pattern);
	return buf_take(&b);
}

static bool is_for(const char *text, const char *node)
{
	size_t len = strlen(node);

	return len && strncmp(text, node, len) == 0 && text[len] == '=';
}

int ssh_host_find(const char *const *list, size_t n, const char *node_id, const char *node_name,
		  struct ssh_host *out, struct err *err)
{
	const char *exact = NULL, *pattern = NULL, *chosen;
	cleanup_free char *text = NULL;
	int rc;

	*out = (struct ssh_host)SSH_HOST_INIT;
	for (size_t i = 0; i < n; i++) {
		if (is_for(list[i], node_name) || is_for(list[i], node_id))
			exact = list[i];
		else if (is_for(list[i], "%"))
			pattern = list[i];
	}
	chosen = exact ? exact : pattern;
	if (!chosen)
		return SSH_HOST_E_NONE;

	text = expand(strchr(chosen, '=') + 1, node_name);
	rc = parse(text, out, err);
	if (rc == 0 && strchr(out->host, '%')) {
		ssh_host_release(out);
		rc = err_set(err, -EINVAL, "'%s' is no name of a host", text);
	}
	return rc < 0 ? err_add(err, " (--ssh-host '%s')", chosen) : 0;
}

void ssh_host_release(struct ssh_host *h)
{
	free(h->user);
	free(h->host);
	*h = (struct ssh_host)SSH_HOST_INIT;
}
