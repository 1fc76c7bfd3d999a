/* SPDX-License-Identifier: Apache-2.0
 *
 * tap_helper.c - the route ssh-helper: a container beside the target's
 *
 * An Engine connection belongs to one thread, and starts and stops come from several: each opens
 * its own.
 */
#include "tap_helper.h"
#include "engine.h"
#include "helper_box.h"
#include "helper_image.h"
#include "reach.h"
#include "tap_carry.h"
#include "tap_talk.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

/* tcpdump gets packets from the kernel once a second: the last ones need so long */
#define TCPDUMP_LAG_MS 1200

#define NOTE_LATE "interfaces that appeared during the capture were not captured"
#define NOTE_COOKED "captured by the tcpdump of an image: its cooked headers as they are, its counters, " \
	"numbers for the names of interfaces, and up to a second more at the end"

struct helper {
	struct http_dialer dialer;
	bool owns_arg;			/* the dialer's */
	char *node, *image, *version;
	bool foreign, pull, loaded;
	volatile bool *cancel;
	int64_t skew_s;			/* the node's clock minus ours */
	pthread_mutex_t lock;
	enum box_kind kind;		/* the lock's: what the image can do, once known */
	char *run;			/* the lock's: the image that is run */
};

/* One running helper: feed->arg. */
struct stand {
	struct helper *h;
	char *id;			/* of the container */
	struct carry *carry;
};

static int open_engine(const struct helper *h, struct engine **out, struct err *err)
{
	struct endpoint at = { .kind = ENDPOINT_UNIX, .url = (char *)"unix://" ENDPOINT_SOCKET,
			       .path = (char *)ENDPOINT_SOCKET };

	return engine_open(out, &at, &h->dialer, err);
}

/* ---- the node ---- */

static int read_clock(struct helper *h, struct engine *e, struct err *err)
{
	cleanup_json json_t *j = NULL;
	int r = engine_get(e, "/info", &j, err);
	int64_t now;

	if (r)
		return r < 0 ? r : -EIO;
	now = box_parse_time(jx_str(j, "SystemTime", ""));
	if (now >= 0)
		h->skew_s = now - clock_wall_ns() / NS_PER_S;
	return 0;
}

static int64_t now_s(const struct helper *h)
{
	return clock_wall_ns() / NS_PER_S + h->skew_s;
}

static int find_image(struct helper *h, struct engine *e, struct err *err)
{
	struct helper_image i = { .dialer = &h->dialer, .engine = e, .cancel = h->cancel,
				  .wanted = h->image, .pull = h->pull };
	struct err why = ERR_INIT;
	int r = helper_image_find(&i, &why);

	if (r) {
		err_set(err, why.code ? why.code : -EIO, "%s (node %s)", why.text, h->node);
		return r == HELPER_IMAGE_E_NONE ? REACH_E_CLOSED : r;
	}
	pthread_mutex_lock(&h->lock);
	free(h->run);
	h->run = i.name;
	h->loaded |= i.loaded;
	pthread_mutex_unlock(&h->lock);
	return 0;
}

static int prepare(struct helper *h, struct err *err)
{
	struct engine *e = NULL;
	int r = open_engine(h, &e, err);

	if (!r)
		r = read_clock(h, e, err);
	if (!r)
		r = box_sweep(e, now_s(h), err);
	if (!r)
		r = find_image(h, e, err);
	engine_close(e);
	return r;
}

/* ---- one helper ---- */

static void interrupt(void *arg)
{
	struct stand *s = arg;
	struct engine *e = NULL;

	if (!open_engine(s->h, &e, NULL))
		box_interrupt(e, s->id);
	engine_close(e);
}

static void stand_free(struct stand *s, int timeout_ms)
{
	struct engine *e = NULL;

	carry_close(s->carry, timeout_ms);
	if (s->id && !open_engine(s->h, &e, NULL))
		box_remove(e, s->id);
	engine_close(e);
	free(s->id);
	free(s);
}

/* An image that we loaded may have been removed by another capture's end in the meantime. */
static int create(struct stand *s, struct engine *e, struct box_plan *p, struct err *err)
{
	struct helper *h = s->h;
	int r = -EIO;

	for (int try = 0; try < 2; try++) {
		cleanup_free char *image = NULL;
		struct err why = ERR_INIT;

		pthread_mutex_lock(&h->lock);
		image = xstrdup(h->run);
		p->kind = h->kind;
		pthread_mutex_unlock(&h->lock);
		p->image = image;
		p->now_s = now_s(h);
		r = box_create(e, p, &s->id, &why);
		p->image = NULL;
		if (!r)
			return 0;
		if (r == ENGINE_E_NOT_FOUND && !try && !find_image(h, e, NULL))
			continue;
		err_set(err, why.code ? why.code : -EIO, "cannot create the helper container: %s",
			why.text);
		break;
	}
	return r < 0 ? r : -EIO;
}

static int attach(struct stand *s, struct engine *e, const struct box_plan *p, struct err *err)
{
	const struct carry_plan c = {
		.dialer = &s->h->dialer, .version = engine_version(e), .container = s->id,
		.order = p->kind == BOX_AGENT ? NULL : interrupt, .arg = s, .cancel = s->h->cancel,
		.order_ms = p->kind == BOX_AGENT ? 0 : TCPDUMP_LAG_MS,
	};

	return carry_open(&s->carry, &c, err);
}

/* BOX_E_NO_PROGRAM: once more, with less. */
static int bring_up(struct stand *s, struct engine *e, struct box_plan *p, struct err *err)
{
	int r = create(s, e, p, err);

	if (!r)
		r = attach(s, e, p, err);
	return r ? r : box_start(e, s->id, err);
}

static struct stand *stand_new(struct helper *h)
{
	struct stand *s = xcalloc(1, sizeof(*s));

	s->h = h;
	return s;
}

static int raise_any(struct helper *h, struct engine *e, struct box_plan *p, struct stand **out,
		     struct err *err)
{
	struct err why = ERR_INIT;
	int r;

	*out = stand_new(h);
	r = bring_up(*out, e, p, &why);
	if (r == BOX_E_NO_PROGRAM && p->kind == BOX_SHELL) {
		pthread_mutex_lock(&h->lock);
		h->kind = BOX_BARE;
		pthread_mutex_unlock(&h->lock);
		stand_free(*out, 0);
		*out = stand_new(h);
		err_reset(&why);
		r = bring_up(*out, e, p, &why);
	}
	if (r == BOX_E_NO_PROGRAM)
		return err_set(err, -ENOENT, "there is no tcpdump in the image %s",
			       h->image ? h->image : HELPER_IMAGE_OURS);
	return r ? err_set(err, r < 0 ? r : -EIO, "%s", why.text) : 0;
}

static void take_fds(struct stand *s, struct tap_feed *out)
{
	struct carry_fds fds;

	carry_take(s->carry, &fds);
	out->packets = fds.out;
	out->talk = fds.err;
	out->stdin_fd = fds.in;
	out->arg = s;
}

static void drop_feed(struct tap_feed *f)
{
	f->packets = util_close(f->packets);
	f->talk = util_close(f->talk);
	f->stdin_fd = util_close(f->stdin_fd);
	f->arg = NULL;
}

/* What some programs say is no help to those who only named an image. */
static int listen_up(struct helper *h, struct tap_feed *f, struct err *err)
{
	struct err why = ERR_INIT;
	int r = tap_await_listening(f, HELPER_LISTEN_MS, h->cancel, &why);

	if (!r)
		return 0;
	if (r == -ENOENT && h->image)
		return err_set(err, r, "there is no tcpdump in the image %s", h->image);
	/* Debian's and Fedora's: setgroups takes a capability that a helper has not */
	if (f->heard && strstr(f->heard->words.data, "Couldn't change to"))
		return err_set(err, -EPERM, "%s: its tcpdump wants to become another user, and a "
			       "helper may only capture: name an image whose tcpdump stays root, "
			       "as nicolaka/netshoot's", h->image ? h->image : "image");
	return err_set(err, r, "%s", why.text);
}

static int start(void *arg, const struct wire_arm *a, const struct wire_wanted *w,
		 struct tap_feed *out, struct tap_interface **interfaces, size_t *n,
		 struct err *err)
{
	struct helper *h = arg;
	struct box_plan p = { .arm = a, .wanted = w };
	struct engine *e = NULL;
	struct stand *s = NULL;
	int r = open_engine(h, &e, err);

	if (!r)
		r = box_check_target(e, w, err);
	if (!r)
		r = raise_any(h, e, &p, &s, err);
	engine_close(e);
	if (!r) {
		take_fds(s, out);
		r = listen_up(h, out, err);
		if (r)
			drop_feed(out);
	}
	if (r && s)
		stand_free(s, 0);
	*interfaces = NULL;
	*n = 0;
	return r;
}

/* Whatever is left of the stream nobody reads any more. */
static void stop(void *arg, struct tap_feed *feed)
{
	struct stand *s = feed->arg;

	if (feed->stdin_fd >= 0)
		shutdown(feed->stdin_fd, SHUT_WR);
	if (feed->packets >= 0)
		shutdown(feed->packets, SHUT_RD);
	if (s)
		stand_free(s, HELPER_STOP_MS);
	feed->arg = NULL;
}

static int check(void *arg, struct err *err)
{
	return prepare(arg, err);
}

static void helper_free(void *arg)
{
	struct helper *h = arg;
	struct engine *e = NULL;

	if (!h)
		return;
	if (h->loaded && !open_engine(h, &e, NULL))
		helper_image_drop(e);
	engine_close(e);
	pthread_mutex_destroy(&h->lock);
	if (h->owns_arg)
		free(h->dialer.arg);
	free(h->node);
	free(h->image);
	free(h->version);
	free(h->run);
	free(h);
}

static const struct tap_source agent_source = {
	.check = check, .start = start, .stop = stop, .beat = "h\n", .free = helper_free,
	.note = NOTE_LATE,
};

static const struct tap_source tcpdump_source = {
	.check = check, .start = start, .stop = stop, .beat = "h\n", .free = helper_free,
	.note = NOTE_COOKED,
};

int helper_new(struct helper **out, const struct helper_place *at, struct err *err)
{
	struct helper *h = xcalloc(1, sizeof(*h));
	int r;

	h->dialer = at->dialer;
	h->node = xstrdup(at->node);
	h->image = xstrdup_null(at->image);
	h->foreign = at->image;
	h->pull = at->pull;
	h->cancel = at->cancel;
	h->kind = at->image ? BOX_SHELL : BOX_AGENT;
	h->version = at->image ? xasprintf("tcpdump of %s", at->image) :
				 xstrdup("swarmcap-agent " SWARMCAP_VERSION);
	pthread_mutex_init(&h->lock, NULL);
	r = prepare(h, err);
	if (r) {
		helper_free(h);
		return r;
	}
	h->owns_arg = at->owns_arg;
	*out = h;
	return 0;
}

const struct tap_source *helper_source(const struct helper *h)
{
	return h->foreign ? &tcpdump_source : &agent_source;
}

const char *helper_version(const struct helper *h)
{
	return h->version;
}
