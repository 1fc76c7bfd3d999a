/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_road.c - the way to a node's Engine over ssh, and the route that takes it
 *
 * Its socket, forwarded; where that is forbidden or not the user's, docker's own client; and that
 * under sudo.
 */
#include "endpoint.h"
#include "reach.h"
#include "remote.h"
#include "request.h"
#include "tap_helper.h"

#include <errno.h>
#include <string.h>

#define PROBE_MS 10000
#define WORDS_MAX 400
#define DIAL_STDIO "docker system dial-stdio"

enum way { WAY_SOCKET, WAY_DOCKER, WAY_SUDO, WAY_N };

static const char *const way_commands[WAY_N] = {
	[WAY_DOCKER] = DIAL_STDIO, [WAY_SUDO] = "sudo -n " DIAL_STDIO,
};

/* To the Engine of a node, over ssh. */
struct road {
	struct remote *remote;
	enum way way;
};

static int dial_road(void *arg, struct err *err)
{
	struct road *road = arg;

	if (road->way == WAY_SOCKET)
		return remote_dial_unix(road->remote, ENDPOINT_SOCKET, err);
	return remote_start_socket(road->remote, way_commands[road->way], err);
}

/* What the node says of a command that should end well without input; into words. */
static int probe(struct road *road, struct buf *words, struct err *err)
{
	cleanup_buf struct buf said = BUF_INIT(WORDS_MAX);
	cleanup_free char *line = NULL;
	struct remote_job job = { .command = way_commands[road->way], .errs = &said,
				  .timeout_ms = PROBE_MS };
	int r = remote_do(road->remote, &job, NULL);

	if (r == -EPIPE)
		return err_set(err, r, "the ssh session ended");
	if (r && r != -EFBIG)
		return 1;
	if (!r && job.status == 0)
		return 0;
	line = strndup(said.data, strcspn(said.data, "\n"));
	buf_addf(words, "; %s: ", way_commands[road->way]);
	buf_add_safe(words, line ? line : "");
	return 1;
}

/* 0: this way leads to an Engine; 1: not, and words say why. */
static int try_way(struct road *road, struct buf *words, struct err *err)
{
	cleanup_close int fd = -1;
	struct err why = ERR_INIT;

	if (road->way != WAY_SOCKET)
		return probe(road, words, err);
	fd = dial_road(road, &why);
	if (fd >= 0)
		return 0;
	buf_add_safe(words, why.text);
	if (fd == -EPIPE)
		return err_set(err, fd, "%s", why.text);
	return 1;
}

static int find_way(struct road *road, const char *node, struct err *err)
{
	cleanup_buf struct buf words = BUF_INIT(3 * 4 * WORDS_MAX + ERR_TEXT_MAX);
	int r = 1;

	for (road->way = WAY_SOCKET; road->way < WAY_N; road->way++) {
		r = try_way(road, &words, err);
		if (r != 1)
			return r;
	}
	err_set(err, -EACCES, "no way to Docker on node %s (%.900s): let the user %s join the "
		"group docker, or run sudo without a password", node, words.data,
		remote_user(road->remote));
	return REACH_E_CLOSED;
}

int tap_helper_open(struct link **out, const struct tap_place *base, struct remote *r,
		    const struct request *request, struct err *err)
{
	struct helper_place at = {
		.node = base->node_name, .image = request->helper_image, .pull = request->pull,
		.cancel = base->cancel,
	};
	struct road *road = xcalloc(1, sizeof(*road));
	struct tap_place place = *base;
	struct helper *h = NULL;
	int rc;

	road->remote = r;
	at.owns_arg = true;
	at.dialer = (struct http_dialer){ dial_road, road };
	rc = find_way(road, at.node, err);
	if (!rc)
		rc = helper_new(&h, &at, err);
	if (rc) {
		free(road);
		return rc;
	}
	place.source = helper_source(h);
	place.arg = h;
	place.remote = r;
	place.version = helper_version(h);
	return tap_open(out, &place, err);
}
